"""The tables and sentences of the controls page and of its kin, as HTML."""

import html
from collections.abc import Sequence

from qdllm_utils.pages.controls import Controls, answer, conclusions, points
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.runs.tuning import LEARNING_RATES, TUNING_SEEDS, Outcome
from qdllm_utils.show import html_table
from qdllm_utils.show.html_table import DEMO, HTML, group, table
from qdllm_utils.show.tables import OWN_DATA, count, measured

COLUMNS = (
    "Acc",
    "Difference, points",
    "p",
    "Verdict",
    "Trained parameters",
    "Stored bytes",
    "Chosen",
)


def line(title: str, details: str, cells: Sequence[str]) -> HTML:
    """A row: its name, in grey what it is, its cells."""
    return html_table.line(html_table.head(title, details), map(html_table.cell, cells))


def probability(p: float) -> str:
    """0.012 or <0.001."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def difference_cells(difference: Difference | None) -> list[str]:
    """Difference with its interval, p and verdict; the reference itself has none."""
    if difference is None:
        return ["reference", "", ""]
    return [points(difference), probability(difference.p), difference.verdict]


def outcome_line(outcome: Outcome, difference: Difference | None) -> HTML:
    """One arm: accuracy, its difference to the student, its size, its learning rate."""
    accuracy = html_table.below(*measured(outcome.accuracies))
    result = outcome.rows[0].result
    sizes = [count(result["parameters"]), f"{outcome.stored_bytes:,}"]
    rate = outcome.chosen if "tfidf" not in outcome.rows[0].identity["student"] else f"C = {outcome.chosen}"
    return line(outcome.title, result["size"], [accuracy, *difference_cells(difference), *sizes, rate])


def controls_table(controls: Controls) -> HTML:
    """A group for each task, teacher and preset: the student, then its controls."""
    body = []
    for block in controls.blocks:
        body.append(group(f"{block.title}; its own test accuracy {block.teacher.result['acc']:.4f}", 1 + len(COLUMNS)))
        body.append(outcome_line(block.student, None))
        body += [outcome_line(outcome, block.differences[outcome.title]) for outcome in block.controls]
    return table(controls_caption(controls), ["", *COLUMNS], body, controls.parameters.demo)


def controls_caption(controls: Controls) -> str:
    """How the rows were made and what the columns mean."""
    block = controls.blocks[0]
    rates = ", ".join(f"{rate:g}" for rate in LEARNING_RATES)
    seeds = len(block.student.rows)
    notes = [
        f"{OWN_DATA[controls.comparison.source_kind]}; one split and one teacher.".capitalize(),
        f"Acc: test accuracy, mean ± standard deviation over {seeds} seeds."
        if seeds > 1
        else "Acc: test accuracy of one seed, so there is no spread, interval or p.",
        "Difference: control − student in points, paired by seed and text, with its interval over seeds and texts at "
        f"0.05 / {len(block.controls)}, the controls of the block; p: times as many. The verdict on the control is the "
        "interval's: inconclusive where it holds 0.",
        "All arms of preset paper have the paper's optimiser; each, the student too, tries the embedding E raw and "
        f"standardised on the training rows with {min(seeds, TUNING_SEEDS)} seeds, and takes what is better on "
        "validation.",
        f"In preset tuned each arm, the student too, tries the learning rates {rates} with {min(seeds, TUNING_SEEDS)} "
        "seeds and takes the one that is best on validation.",
        "CE alone: alpha = 0, the teacher is not used. TF-IDF reads the words and has no seed: its one accuracy is "
        "held against every seed. Stored bytes: float32, without the frozen embedder, which all but TF-IDF need.",
    ]
    return " ".join(notes)


def controls_answer(controls: Controls) -> HTML:
    """The page's answer, counted over the blocks."""
    return sentences(answer(controls), controls.parameters.demo)


def controls_conclusions(controls: Controls) -> HTML:
    """A sentence or three on each block."""
    return sentences(conclusions(controls), controls.parameters.demo)


def sentences(lines: Sequence[str], demo: bool) -> HTML:
    """A list of sentences, marked where they are no result."""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in lines)
    return HTML(f'<div class="qd-verdict"><ul>{items}</ul>{DEMO if demo else ""}</div>', verdicts=list(lines))
