"""The table and the sentences of the controls page."""

from qdllm_utils.pages.controls import Controls, answer, conclusions
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.runs.tuning import LEARNING_RATES, TUNING_SEEDS, Outcome
from qdllm_utils.show import html_table
from qdllm_utils.show.html_table import HTML, group, plain_line, sentences, table
from qdllm_utils.show.tables import OWN_DATA, count, difference_cells, measured, model_name

COLUMNS = (
    "Acc",
    "Difference, points",
    "p",
    "Verdict",
    "Trained parameters",
    "Stored bytes",
    "Chosen",
)


def outcome_line(outcome: Outcome, difference: Difference | None) -> HTML:
    """One arm: accuracy, its difference to the student, its size, its learning rate."""
    accuracy = html_table.below(*measured(outcome.accuracies))
    result = outcome.rows[0].result
    sizes = [count(result["parameters"]), f"{outcome.stored_bytes:,}"]
    rate = outcome.chosen if "tfidf" not in outcome.rows[0].identity["student"] else f"C = {outcome.chosen}"
    return plain_line(outcome.title, result["size"], [accuracy, *difference_cells(difference), *sizes, rate])


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
        f"{OWN_DATA[controls.comparison.source_kind]}; one split.".capitalize(),
        f"Where a block names no other reader, {model_name(controls.parameters.size.embedder)} reads.",
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
