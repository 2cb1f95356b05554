"""A function to compile in a test."""


def total(values):
    """The sum of an array."""
    found = 0.0
    for value in values:
        found += value
    return found
