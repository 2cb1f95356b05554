"""Which column holds the texts and which the labels: as given, by name, or by a name that means the same."""

from collections import Counter
from dataclasses import dataclass

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file_table import Table, plain
from qdllm_utils.texts.own_file_words import listed, number, quoted, tidy

MEANINGS = {
    "text": ("texts", "sentence", "review", "comment", "message", "content", "document", "tweet", "utterance"),
    "label": ("labels", "class", "category", "target", "sentiment", "topic", "intent", "emotion", "rating", "stars"),
}


@dataclass(frozen=True)
class Found:
    """The numbers of the text's and the label's column, and what was assumed to find them."""

    text: int
    label: int
    notices: list[str]


def find_columns(columns: list[str], text_column: str | None, label_column: str | None, name: str) -> Found | None:
    """The two columns among names; None where one is missing, an InputError where there is more than one."""
    text, said = pick(columns, text_column, "text", name)
    label, more = pick(columns, label_column, "label", name)
    if text is None or label is None:
        return None
    if text == label:
        raise InputError(f"{name}: text_column and label_column are the same column; two different ones are needed.")
    return Found(text, label, said + more)


def pick(columns: list[str], given: str | None, role: str, name: str) -> tuple[int | None, list[str]]:
    """The number of the column for a role (text or label), and a notice where its name is not the plain one."""
    wanted = given or role
    exact = [position for position, column in enumerate(columns) if column == wanted]
    alike = [position for position, column in enumerate(columns) if plain(column) == plain(wanted)]
    if given and len(exact) == 1:
        return exact[0], []
    if len(alike) > 1:
        shown = " and ".join(quoted(columns[position]) for position in alike)
        twice = "stands twice" if len(exact) > 1 or not given else "could be either"
        raise InputError(
            f"{name}: the column {wanted} {twice} in the first row ({shown}); rename or remove one of them"
            + ("." if len({columns[position] for position in alike}) == 1 else f", or pass {role}_column exactly.")
        )
    if alike:
        column = columns[alike[0]]
        return alike[0], [] if column == wanted else [f"The column {quoted(column)} is read as {wanted}."]
    if given:
        return None, []
    meant = [position for position, column in enumerate(columns) if plain(column) in MEANINGS[role]]
    if len(meant) > 1:
        shown = listed([quoted(tidy(columns[position])) for position in meant])
        raise InputError(f"{name} has no column {role}, but {shown}: pass {role}_column with the one to use.")
    if meant:
        return meant[0], [f"The column {quoted(tidy(columns[meant[0]]))} is taken for the {role}."]
    return None, []


def no_columns(table: Table, text_column: str | None, label_column: str | None, name: str) -> str:
    """The sentence about a first row in which a column is missing; it says so where that row looks like data."""
    wanted = [text_column or "text", label_column or "label"]
    found = listed([quoted(column, 30) for column in table.columns], 6) or "none"
    needs = f"{name} must have the columns {wanted[0]} and {wanted[1]}"
    if table.unit == "line" and table.separator is not None and is_data(table):
        head = (table.separator or ",").join(wanted)
        return (
            f"{needs}, but the first row looks like data, not like their names ({found}): put a first line "
            f"{quoted(head)} before it."
        )
    return f"{needs} in its first line; found: {found}; rename them, or pass text_column, label_column or separator."


def is_data(table: Table) -> bool:
    """Whether the first row looks like one of the others: a value of it comes again, or is a number, or is long."""
    for position, column in enumerate(table.columns):
        below = Counter(row[position] for row in table.rows)
        if column and (below[column] or number(tidy(column)) is not None or len(column.split()) > 4):
            return True
    return False
