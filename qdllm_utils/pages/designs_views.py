"""The tables of the designs page."""

from qdllm_utils.pages.designs import Search, conclusions
from qdllm_utils.runs.tuning import LEARNING_RATES, Outcome
from qdllm_utils.show.html_table import HTML, below, group, plain_line, sentences, table
from qdllm_utils.show.tables import OWN_DATA, count, difference_cells, measured


def finalists_table(search: Search) -> HTML:
    """A group for each task and budget: the quantum finalist and the classical one."""
    columns = ("Acc", "Difference, points", "p", "Verdict", "Trained parameters")
    body = []
    for meeting in search.meetings:
        body.append(group(meeting.title, 1 + len(columns)))
        difference = search.differences[meeting.title]
        for outcome, shown in ((meeting.classical, None), (meeting.quantum, difference)):
            accuracy = below(*measured(outcome.accuracies))
            size = count(outcome.rows[0].result["parameters"])
            body.append(plain_line(outcome.title, "", [accuracy, *difference_cells(shown), size]))
    rates = ", ".join(f"{rate:g}" for rate in LEARNING_RATES)
    screening = len(search.meetings[0].screened["quantum"][0].rows)
    notes = (
        f"{OWN_DATA[search.comparison.source_kind]}. ".capitalize()
        + f"Screening: each design of both kinds at the learning rates {rates} with {screening} seeds, by mean "
        "validation accuracy; the best of each kind is the finalist. Test rows chose nothing; the family "
        f"is nevertheless all {search.tries} quantum designs tried. Difference: quantum − classical, paired by seed "
        f"and text, over {len(search.meetings[0].quantum.rows)} seeds, with its interval over both at "
        f"0.05 / {search.tries}. Preset tuned."
    )
    if search.left_out:
        notes += f" Budgets declared and not run here: {', '.join(f'{budget:,}' for budget in search.left_out)}."
    return table(notes, ["", *columns], body, search.parameters.demo)


def screened_table(search: Search) -> HTML:
    """Everything that was tried, the best of each kind first."""
    columns = ("Validation", "Trained parameters", "Learning rate")

    def order(outcome: Outcome) -> float:
        return -outcome.validation

    body = []
    for meeting in search.meetings:
        for kind, outcomes in meeting.screened.items():
            body.append(group(f"{meeting.title}, {kind}", 1 + len(columns)))
            for outcome in sorted(outcomes, key=order):
                size = count(outcome.rows[0].result["parameters"])
                body.append(plain_line(outcome.title, "", [f"{outcome.validation:.4f}", size, outcome.chosen]))
    notes = (
        f"All {2 * search.tries} designs tried: mean validation accuracy at the learning rate that validation chose."
    )
    return table(notes, ["", *columns], body, search.parameters.demo)


def designs_conclusion(search: Search) -> HTML:
    """The sentences, computed from the rows."""
    return sentences(conclusions(search), search.parameters.demo)
