"""The one error that a user's input can cause: a single sentence, without a traceback in a notebook."""


class InputError(ValueError):
    """What was wrong, what is allowed, what to do; in one sentence."""

    def _render_traceback_(self) -> list[str]:
        """IPython (and so papermill) prints this in place of a traceback."""
        return [f"InputError: {self}"]


def choose(value: str, allowed: object, what: str) -> str:
    """Return value if it is one of `allowed`, else raise the sentence that lists them."""
    names = [str(name) for name in allowed]  # type: ignore[attr-defined]
    if value not in names:
        raise InputError(f"Unknown {what} {value!r}: choose one of {', '.join(names)}.")
    return value
