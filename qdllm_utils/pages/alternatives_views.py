"""The alternatives page's sentences, table and figure."""

from typing import Any

from qdllm_utils.config import TASKS
from qdllm_utils.pages.alternatives import PAIRS, Alternatives, Block, Pair
from qdllm_utils.runs.statistics import LEAST_SEEDS, Difference
from qdllm_utils.runs.tuning import LEARNING_RATES, TUNING_SEEDS
from qdllm_utils.show.html_table import HTML, cell, group, head, line, sentences, table
from qdllm_utils.show.plots import forest
from qdllm_utils.show.tables import READERS, count, probability

NAMES = {
    "quantum": "QD-LLM",
    "cosine": "QD-LLM with cos",
    "tt_quantum": "tensor train, circuit",
    "tt_cosine": "tensor train, cos",
    "low_rank_quantum": "low rank, circuit",
    "low_rank_cosine": "low rank, cos",
    "iqp": "IQP circuit",
    "random_cosines": "random cosines",
    "mps": "matrix product state",
    "reduced_mlp": "MLP on the same angles",
    "rkd_quantum": "relational loss, circuit",
    "rkd_cosine": "relational loss, cos",
    "qrkd_quantum": "fidelity loss, circuit",
    "qrkd_cosine": "fidelity loss, cos",
}
KINDS = {
    "control": "Against a classical student of equal size, but for the circuit's own angles",
    "change": "What the change itself costs or brings",
}


def counted(differences: list[Difference]) -> str:
    """'ahead in 1, behind in 0, inconclusive in 14'."""
    verdicts = [each.verdict for each in differences]
    return ", ".join(f"{word} in {verdicts.count(word)}" for word in ("ahead", "behind", "inconclusive"))


def answers(found: Alternatives) -> list[str]:
    """The verdict in one sentence; then one on sizes and a sentence or two a task."""
    controls = found.of_kind("control")
    reader = found.parameters.size.embedder
    seeds = len(found.blocks[0].outcomes["quantum"].rows)
    few = f" Fewer than {LEAST_SEEDS} seeds tell nothing, whatever the difference." if seeds < LEAST_SEEDS else ""
    won = ", ".join(f"{NAMES[name]} on {TASKS[task].title.lower()}" for task, name in found.winners)
    made = [
        f"Ahead of every classical student of its size is, of the other quantum and quantum-inspired students reading "
        f"{READERS.get(reader, reader)}: {won or 'none'} (in {len(controls)} comparisons {counted(controls)}).{few}"
    ]
    return made + [text for block in found.blocks for text in of_task(block)]


def of_task(block: Block) -> list[str]:
    """The controls of one task, then its changes, with trained numbers."""
    size = {name: count(outcome.rows[0].result["parameters"]) for name, outcome in block.outcomes.items()}
    told = "; ".join(
        f"{NAMES[pair.student]} ({size[pair.student]}) against {NAMES[pair.reference]} ({size[pair.reference]}) "
        f"{block.differences[pair].signed}"
        for pair in PAIRS
        if pair.kind == "control"
    )
    changes = {(pair.student, pair.reference): each for pair, each in block.differences.items()}
    layer, thin = changes["tt_quantum", "quantum"], changes["tt_quantum", "low_rank_quantum"]
    losses = "; ".join(
        f"{NAMES[name]} {changes[name, plain].signed}"
        for name, plain in (
            ("rkd_quantum", "quantum"),
            ("rkd_cosine", "cosine"),
            ("qrkd_quantum", "quantum"),
            ("qrkd_cosine", "cosine"),
        )
    )
    return [
        f"{TASKS[block.task].title}, points and trained numbers: {told}.",
        f"{TASKS[block.task].title}: with a tensor-train first layer the student trains {size['tt_quantum']} numbers "
        f"for {size['quantum']}, and is {layer.signed} points against itself with the full one ({layer.verdict}), "
        f"{thin.signed} against a low-rank layer of as many ({thin.verdict}). Against the plain loss: {losses}.",
    ]


def answer_box(found: Alternatives) -> HTML:
    """The sentences."""
    return sentences(answers(found), found.parameters.demo)


def alternatives_table(found: Alternatives) -> HTML:
    """A group for each task and kind, a line for each comparison."""
    columns = ("Accuracy, %", "Its reference's, %", "Trained numbers", "Difference, points", "p", "Verdict")
    body = []
    for block in found.blocks:
        for kind, words in KINDS.items():
            body.append(group(f"{TASKS[block.task].title}. {words}", 1 + len(columns)))
            body += [pair_line(block, pair) for pair in PAIRS if pair.kind == kind]
    rates = ", ".join(f"{rate:g}" for rate in LEARNING_RATES)
    tuned = (
        "At demo scale every student has 4 epochs at the preset's learning rate."
        if found.parameters.demo
        else f"Every student tries the learning rates {rates} with {TUNING_SEEDS} seeds; validation chooses."
    )
    seeds = len(found.blocks[0].outcomes["quantum"].rows)
    notes = (
        f"Test accuracy, mean over {seeds} seeds, with its 95% interval over seeds and texts; below it the learning "
        f"rate. Difference: paired by seed and text, with its interval at 0.05 / {len(PAIRS)}, all comparisons of a "
        f"task; p: times as many. Preset tuned; teacher {found.parameters.teacher}. {tuned} Trained numbers: "
        "everything that gradients change, the student's above its reference's; fixed random projections are not among "
        "them. Relational loss: distances and angles between the texts of a batch (Park et al. 2019). Fidelity loss: "
        "its quantum form after the abstract of QRKD (arXiv 2508.13054, whose text was not checked); the circuit "
        "drops out of the fidelities, which are those of the encoder. The IQP circuit's read-out has a closed form, a "
        "product of cosines. A matrix product state is itself classical."
    )
    return table(notes, ["", *columns], body, found.parameters.demo)


def pair_line(block: Block, pair: Pair) -> HTML:
    """One comparison."""
    difference = block.differences[pair]
    both = (pair.student, pair.reference)
    shown = [cell(block.accuracies[name].percent, f"rate {block.outcomes[name].chosen}") for name in both]
    sizes = [count(block.outcomes[name].rows[0].result["parameters"]) for name in both]
    numbers = cell(sizes[0], f"against {sizes[1]}")
    verdict = [cell(difference.signed), cell(probability(difference.p)), cell(difference.verdict)]
    return line(head(NAMES[pair.student], f"against {NAMES[pair.reference]}"), [*shown, numbers, *verdict])


def alternatives_figure(found: Alternatives) -> Any:
    """A forest a task: every comparison's difference with its interval."""
    groups = {
        TASKS[block.task].title: {
            f"{NAMES[pair.student]} − {NAMES[pair.reference]}": each for pair, each in block.differences.items()
        }
        for block in found.blocks
    }
    return forest(groups, "its reference's", found.parameters.demo)
