"""The plan as a table and in a sentence; an estimate is called one wherever it stands."""

from qdllm_utils.pages.plan import Plan
from qdllm_utils.show import origin
from qdllm_utils.show.html_table import HTML, cell, escaped, line, table
from qdllm_utils.show.tables import STUDENT_NAMES, model_name


def title(name: str) -> str:
    """A stage's name in words."""
    if name.startswith("teacher "):
        teacher = name.removeprefix("teacher ")
        return f"teacher {model_name(teacher)}"
    return STUDENT_NAMES.get(name, name)


def sentence(plan: Plan) -> HTML:
    """What it comes to, and what to run first."""
    gpu = sum(stage.gpu_hours for stage in plan.stages)
    disk = sum(stage.disk_gb for stage in plan.stages)
    runs = sum(stage.runs for stage in plan.stages)
    most = max(plan.stages, key=lambda stage: stage.memory_gb)
    quantum = next(stage for stage in plan.stages if stage.name == "quantum")
    memory = most.memory_gb + plan.parameters.activations_gb
    text = (
        f"An estimate, nothing of it run: {runs:,} runs and passes, {gpu:,.0f} hours of the assumed card, "
        f"{disk:,.0f} GB of disk, and {memory:,.0f} GB of its memory for {title(most.name)}. QD-LLM itself needs no "
        f"card: {quantum.cpu_hours:,.1f} core hours, from measured epochs. First, {title(plan.stages[0].name)} with "
        "the embeddings and QD-LLM: one whole column of Tables 4 to 6 before anything large is fetched."
    )
    return HTML(f'<div class="qd-verdict"><strong>Plan.</strong> {escaped(text)}</div>', verdicts=[text])


def plan_table(plan: Plan) -> HTML:
    """A line a stage, in the order in which to run them."""
    columns = ["", "runs", "GPU hours, estimate", "running total, estimate", "core hours, from rows"]
    columns += ["memory, estimate", "disk, estimate"]
    lines, total = [], 0.0
    for stage in plan.stages:
        total += stage.gpu_hours
        cells = [
            f"{stage.runs}",
            f"{stage.gpu_hours:,.2f}" if stage.gpu_hours else "none",
            f"{total:,.2f}",
            f"{stage.cpu_hours:,.1f}" if stage.cpu_hours else "–",
            f"{stage.memory_gb + plan.parameters.activations_gb * bool(stage.gpu_hours):,.2f} GB",
            f"{stage.disk_gb:,.2f} GB",
        ]
        lines.append(line(title(stage.name), map(cell, cells)))
    p = plan.parameters
    caption = (
        f"Five teachers, five students, three tasks of the authors' files, {p.seeds} student seeds. Assumed: a card of "
        f"{p.tflops:g} TFLOP/s of which {p.reached:.0%} is reached, {p.tokens} tokens a text, {p.teacher_epochs} "
        f"epochs of LoRA at rank {p.rank}, {p.activations_gb:g} GB of activations; operations are counted on the real "
        "architectures, three forward passes to a training step. Core hours: the measured epoch in the paper's sizes, "
        "taken in proportion to the whole corpus. Memory: weights (2 bytes a parameter of a teacher) and 16 bytes a "
        "trained one. Disk: a teacher's weights and adapters, embeddings, QD-LLM's weights; a row is a few kB."
    )
    return table(caption, columns, lines)


def provenance_strip(plan: Plan) -> HTML:
    """Which measured rows it rests on."""
    rows = list(plan.rows.values())
    machines = origin.distinct(row["provenance"]["machine"]["processor"] for row in rows)
    dates = origin.distinct(row["provenance"]["date"][:10] for row in rows)
    text = (
        f"{len(rows)} rows, source: measured (timing in the paper's sizes, one thread, {machines}, {dates}); all else "
        "is counted or estimated from the page's parameters."
    )
    return origin.strip(text, [row["key"] for row in rows])
