"""Tables 4 to 6 in the paper's layout: the measured value and its spread above the paper's value."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from qdllm_utils.config import changed
from qdllm_utils.learning.metrics import cost
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.runs.store import Row
from qdllm_utils.show import html_table, origin, paper
from qdllm_utils.show.html_table import HTML
from qdllm_utils.texts.pretrained import EMBEDDERS, shown_name
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

METRICS = {"acc": "Acc", "p": "P", "r": "R", "f1": "F1", "acc_param": "Acc/Param", "acc_tkd": "Acc/Tkd"}
STUDENT_NAMES = {
    "tinybert": "TinyBERT",
    "minillm": "MiniLLM",
    "distilbert": "DistilBERT",
    "pkd": "PKD",
    "quantum": "QD-LLM",
}
WIDE_NAMES = {"distilbert_768": "DistilBERT, 4 × 768", "pkd_768": "PKD, 4 × 768"}
TEACHER_NAMES = {
    "bloomz-1.1b": "BLOOMZ-1.1B",
    "bloomz-3b": "BLOOMZ-3B",
    "opt": "OPT-6.7B",
    "llama2": "LLaMA2-7B",
    "llama3": "LLaMA3-8B",
    "minilm": "MiniLM",
    "mpnet": "MPNet",
    "qwen": "Qwen2.5-Coder-1.5B",
}
READERS = {
    "minilm": "MiniLM, 6 × 384",
    "mpnet": "MPNet, 12 × 768",
    "bert": "BERT-base, 12 × 768",
    "qwen": "Qwen2.5-Coder-1.5B, 28 × 1536",
}
ORIGINS = {False: "MiniLM", True: "BERT-base"}  # the weights that the compression baselines start from
OWN_DATA = {
    "generated": "generated demo texts",
    "authors": "the authors' released texts",
    "csv": "your texts",
}


def model_name(name: str) -> str:
    """What a page calls a teacher or a reader: its name in the tables, of a folder the last part."""
    return TEACHER_NAMES.get(name, shown_name(name))


def values(row: Row) -> dict[str, float]:
    """The six metrics of the paper's tables for one row."""
    result = row.result
    plain = {name: result[name] for name in ("acc", "p", "r", "f1")}
    return plain | cost(result["acc"], result["parameters"], result["epoch_seconds"])


def spread(numbers: Iterable[float]) -> tuple[float, float | None]:
    """Mean and standard deviation (ddof 1; None for a single number)."""
    numbers = list(numbers)
    return mean(numbers), stdev(numbers) if len(numbers) > 1 else None


def measured(numbers: Iterable[float], scientific: bool = False) -> tuple[str, str]:
    """The mean and its spread: ('0.8500', '± 0.0070') or ('1.23e-05', '± 1.0e-06'); no spread of one number."""
    centre, sd = spread(numbers)
    text = f"{centre:.2e}" if scientific else f"{centre:.4f}"
    if sd is None:
        return text, ""
    return text, f"± {sd:.1e}" if scientific else f"± {sd:.4f}"


def count(parameters: int) -> str:
    """9,275 or 15.62M."""
    return f"{parameters:,}" if parameters < 1e6 else f"{parameters / 1e6:.2f}M"


def teacher_name(run: TeacherRun) -> str:
    """The name, whether it is a twin, its size and its own accuracy, which bounds what can be distilled."""
    name = TEACHER_NAMES.get(run.name, run.teacher.result["name"])
    result = run.teacher.result
    twin = ", 1:1000 twin" if run.teacher.identity["pretraining_steps"] else ""
    parts = "".join(f", {part}" for part in how_taught(run.teacher))
    return (
        f"{name}{twin}, {count(result['parameters'])} parameters{parts}; its own test accuracy "
        f"{result['acc']:.4f} (validation {result['validation']['acc']:.4f})"
    )


def how_taught(teacher: Row) -> list[str]:
    """`taught with 3,000 of 6,000 texts`, `in bfloat16`: what is not so of every teacher."""
    told, share = [], teacher.identity.get("share_learnt", 1)
    if share != 1:
        texts = teacher.result["rows"]["train"]
        told.append(f"taught with {round(share * texts):,} of {texts:,} texts")
    if teacher.result.get("run", {}).get("numbers") == "bfloat16":
        told.append("in bfloat16")
    return told


def cell(numbers: list[float], metric: str, printed: str | None) -> HTML:
    """One cell: the mean, below it its spread, below that the paper's value where it has one."""
    value, deviation = measured(numbers, scientific=metric.startswith("acc_"))
    return html_table.cell(html_table.below(value, deviation), "" if printed is None else f"paper {printed}")


def row_head(student: str, row: Row, reader: str, largest: int, seeds: str) -> HTML:
    """The name of a student, what of its method is left out, its reader, its size, its share of the largest, seeds.

    One of 4 x 768 has no share: the largest is of the five.
    """
    from qdllm_utils.runs.jobs import BASELINES, WIDE_BASELINES

    details = [BASELINES[student].note] if student in BASELINES else [f"reads {READERS.get(reader, reader)}"]
    parameters = row.result["parameters"]
    size = f"{row.result['size']}, {count(parameters)}"
    if student in WIDE_BASELINES:
        details = [WIDE_BASELINES[student].note, "cut from MPNet", size]
    else:
        details.append(f"{size}, {parameters / largest:.2%} of the largest")
    return html_table.below({**STUDENT_NAMES, **WIDE_NAMES}[student], html_table.grey(*details, seeds))


def compression_table(comparison: Comparison) -> HTML:
    """The paper's Table 4, 5 or 6: a block for each teacher, then, of several, the overall block.

    The quantum student has a line for each reader of the text; the paper's value stands beside the first.
    """
    reader = comparison.parameters.size.embedder
    lines, seeds = [], named_seeds(comparison)
    for run in comparison.runs:
        lines.append(group(teacher_name(run)))
        # beside a lone teacher that the paper has not stands the paper's mean over its five
        whose = "overall" if len(comparison.runs) == 1 and run.name not in PAPER_TEACHERS else run.name
        shown = [(student, run.students[student], reader) for student in STUDENTS if student in run.students]
        shown += [("quantum", rows, name) for name, rows in run.others.items()]
        lines += [failed({**STUDENT_NAMES, **WIDE_NAMES}.get(name, name), why) for name, why in run.failed.items()]
        largest = max((rows[0].result["parameters"] for _, rows, _ in shown), default=1)
        for student, rows, reads in [*shown, *((student, rows, "") for student, rows in run.wide.items())]:
            cells = []
            for metric in METRICS:
                printed = paper.compression(comparison.task, whose, student, metric) if reads == reader else None
                numbers = [values(row)[metric] for row in rows]
                cells.append(cell(numbers, metric, printed))
            lines.append(html_table.line(row_head(student, rows[0], reads, largest, seeds.get(len(rows), "")), cells))
    lines += [failed(model_name(name), why) for name, why in comparison.absent.items()]
    lines += overall(comparison) if len(comparison.runs) > 1 else []
    found = html_table.table(caption(comparison), ["", *METRICS.values()], lines, comparison.parameters.demo)
    return HTML(found, failed=comparison.failures) if comparison.failures else found


def named_seeds(comparison: Comparison) -> dict[int, str]:
    """{number of seeds: '10 seeds'}, where the lines of a table have different numbers of them; else {}."""
    found = {len(rows) for run in comparison.runs for rows in run.lines}
    return {number: f"{number} seed{'' if number == 1 else 's'}" for number in found} if len(found) > 1 else {}


def overall(comparison: Comparison) -> list[HTML]:
    """The overall block: the mean over the teachers, seed by seed, and the parameter proportion."""
    number, seeds = len(comparison.runs), named_seeds(comparison)
    students = [student for student in STUDENTS if all(student in run.students for run in comparison.runs)]
    largest = max((rows[0].result["parameters"] for rows in comparison.runs[0].students.values()), default=1)
    lines = [group(f"Overall, {number} teachers (paper: the mean of its five)")]
    for student in students:
        first = comparison.runs[0].students[student][0]
        proportion = first.result["parameters"] / largest
        printed = paper.compression(comparison.task, "overall", student, "proportion")
        share = f"{proportion:.2%} of the largest{f' (paper {printed})' if printed else ''}"
        cells = []
        for metric in METRICS:
            per_seed = zip(
                *([values(row)[metric] for row in run.students[student]] for run in comparison.runs),
                strict=True,
            )
            printed = paper.compression(comparison.task, "overall", student, metric)
            cells.append(cell([mean(seed) for seed in per_seed], metric, printed))
        own = seeds.get(len(comparison.runs[0].students[student]), "")
        lines.append(html_table.line(html_table.head(STUDENT_NAMES[student], share, own), cells))
    return lines


def failed(name: str, why: str) -> HTML:
    """The line of what made no row."""
    return html_table.failed(name, why, len(METRICS))


def group(text: str) -> HTML:
    """A line that names the block below it."""
    return html_table.group(text, 1 + len(METRICS))


def states_used(runs: Sequence[TeacherRun]) -> str:
    """Which students learn from more than a teacher's class logits, and under which teachers."""
    users: dict[str, list[str]] = {}  # {students that use hidden states: teachers under which they do}
    for run in runs:
        named = [(STUDENT_NAMES[student], rows) for student, rows in run.students.items()]
        named += [(WIDE_NAMES[student], rows) for student, rows in run.wide.items()]
        inner = [name for name, rows in named if rows[0].result["inner_states"]]
        users.setdefault(", ".join(inner), []).append(TEACHER_NAMES.get(run.name, run.teacher.result["name"]))
    logits = users.pop("", [])
    if not users:
        return "Students see the teacher's class logits only."
    told = "; ".join(
        f"hidden states of {', '.join(teachers) if logits or len(users) > 1 else 'the teacher'} are used by {students}"
        for students, teachers in users.items()
    )
    told = f"H{told[1:]}"
    if logits:
        return f"{told}; the others, and all students of {', '.join(logits)}, see class logits only."
    return f"{told}; the others see class logits only."


def caption(comparison: Comparison) -> str:
    """What was run, in words: data, preset and changes, seeds."""
    parameters = comparison.parameters
    readers = (parameters.size.embedder, *parameters.size.also_reads)
    first = comparison.runs[0]
    seeds = len(parameters.seed_list)
    differing = changed(parameters.preset, parameters.knobs)
    changes = "; changed: " + ", ".join(f"{k} = {v}" for k, v in differing.items()) if differing else ""
    notes = [
        f"{comparison.title}: {OWN_DATA[comparison.source_kind]}, {first.teacher.result['cleaning']}.",
        f"Preset {parameters.preset}{changes}.",
        "Mean ± standard deviation over the seeds that a line names (one has no spread), on one split and one teacher."
        if named_seeds(comparison)
        else f"Mean ± standard deviation over {seeds} student seeds on one split and one teacher."
        if seeds > 1
        else "One student seed: no spread.",
        states_used(comparison.runs),
        "QD-LLM's count is of trained parameters: it reads the text through a whole frozen embedder "
        f"({', '.join(EMBEDDERS.get(name, name) for name in readers)}), which it needs at inference too; the other "
        f"students are cut out of {ORIGINS[parameters.size.paper_sizes]} and read the text themselves"
        f"{', those of 4 × 768 out of MPNet' if any(run.wide for run in comparison.runs) else ''}.",
        "Tkd: seconds of one training epoch on the machine below. Grey: the paper's value; beside a lone teacher that "
        "it does not have, its mean over five.",
    ]
    return " ".join(notes)


def provenance_strip(comparison: Comparison) -> HTML:
    """Where the rows come from: source, store, commits, machines, versions, time and memory."""
    return origin.of_rows(comparison.rows, comparison.store, comparison.parameters.scale)


def probability(p: float) -> str:
    """0.012 or <0.001."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def difference_cells(difference: Difference | None) -> list[str]:
    """Difference with its interval, p and verdict; the reference itself has none."""
    if difference is None:
        return ["reference", "", ""]
    return [difference.signed, probability(difference.p), difference.verdict]
