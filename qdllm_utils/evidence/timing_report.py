"""What the timing rows show: Figure 3, the paper's own times beside ours, the price of the embedder, the simulators."""

import html
import json
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.errors import InputError
from qdllm_utils.evidence import plots
from qdllm_utils.evidence.experiments import STUDENTS
from qdllm_utils.evidence.store import Row
from qdllm_utils.evidence.tables import HTML, STUDENT_NAMES
from qdllm_utils.evidence.timing import implied_epoch_seconds

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "simulator.json"
SIMULATORS = {
    "qdllm numba": "this project, compiled",
    "qdllm torch": "this project, plain torch",
    "tensorcircuit-ng": "tensorcircuit-ng (jax)",
    "default.qubit": "PennyLane default.qubit",
    "lightning.qubit": "PennyLane lightning.qubit",
    "mindquantum": "MindQuantum mqvector",
}


def figure3(rows: dict[str, Row], demo: bool) -> Any:
    """Seconds of one epoch and milliseconds for one text, five students on three tasks, logarithmic axes.

    Filled: measured. Hollow: the mean over its five teachers of the epoch that the paper's tables imply.
    """
    plots.style()
    colours = dict(zip(STUDENTS, sns.color_palette("colorblind"), strict=False))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
    for number, student in enumerate(STUDENTS):
        for position, (task, row) in enumerate(rows.items()):
            style = {"color": colours[student], "marker": plots.MARKERS[student], "markersize": 9, "linestyle": "none"}
            x = position + 0.14 * (number - 2)
            label = STUDENT_NAMES[student] if position == 0 else None
            left.plot(x, row.result[student]["epoch_cpu_s"], label=label, **style)
            left.plot(x, mean(implied_epoch_seconds(task, student).values()), markerfacecolor="none", **style)
            right.plot(x, row.result[student]["infer_cpu_ms"], **style)
            if student == "quantum":
                both = row.result[student]["infer_cpu_ms"] + row.result["embedder"]["infer_cpu_ms"]
                label = "QD-LLM with its embedder" if position == 0 else None
                right.plot(x, both, **(style | {"marker": "P", "color": "0.35"}), label=label)
    names = [task.title for task in TASKS.values()]
    for axis in (left, right):
        axis.set(yscale="log", xticks=range(len(names)), xticklabels=names, xlim=(-0.5, len(names) - 0.5))
    left.set(ylabel="seconds per epoch", title="Distillation")
    right.set(ylabel="milliseconds per text", title="Inference")
    figure.legend(
        loc="outside lower center",
        ncols=3,
        frameon=False,
        title="filled: measured, one CPU thread; hollow: implied by the paper's Tables 4 to 6 (RTX 4090)",
    )
    if demo:
        plots.watermark(figure)
    return figure


def duration(seconds: float) -> str:
    """0.031 s, 4.2 s, 131 s."""
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"


def table(head: list[str], body: list[list[str]], caption: str) -> HTML:
    """A plain table; the first cell of a row is its head."""
    lines = [f"<caption>{caption}</caption><thead><tr>"]
    lines += [f'<th scope="col">{html.escape(text)}</th>' for text in head] + ["</tr></thead><tbody>"]
    for first, *others in body:
        lines.append(f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{text}</td>" for text in others) + "</tr>")
    return HTML(f'<div class="qd-table" tabindex="0"><table>{"".join(lines)}</tbody></table></div>')


def epochs_table(rows: dict[str, Row], demo: bool) -> HTML:
    """Seconds of one epoch: ours, the paper's (least to greatest of its teachers), and each over QD-LLM's."""
    body = []
    for task, row in rows.items():
        own = row.result["quantum"]["epoch_cpu_s"]
        printed = {student: implied_epoch_seconds(task, student).values() for student in STUDENTS}
        for student in STUDENTS:
            result = row.result[student]
            theirs = printed[student]
            body.append(
                [
                    f"{TASKS[task].title}: {STUDENT_NAMES[student]}<br><span class='paper'>{result['size']}, batch {result['batch']}</span>",
                    duration(result["epoch_cpu_s"]),
                    duration(result["epoch_wall_s"]),
                    f"{result['epoch_cpu_s'] / own:.1f}",
                    f'<span class="paper">{min(theirs):,.0f} to {max(theirs):,.0f} s</span>',
                    f'<span class="paper">{mean(theirs) / mean(printed["quantum"]):.1f}</span>',
                ]
            )
    head = ["", "CPU time", "wall time", "over QD-LLM", "paper", "paper: over QD-LLM"]
    caption = (
        "One epoch of distillation, class logits only, one thread; the median step times the number of steps. "
        "Paper: what Acc and Acc/Tkd of Tables 4 to 6 imply (RTX 4090), least to greatest of its teachers."
    )
    return table(head, body, caption + badge(demo))


def inference_table(rows: dict[str, Row], demo: bool) -> HTML:
    """Milliseconds for one text, with and without the frozen embedder."""
    body = []
    for task, row in rows.items():
        result = row.result
        alone, embedder = result["quantum"]["infer_cpu_ms"], result["embedder"]["infer_cpu_ms"]
        times = {
            "QD-LLM, from E": alone,
            f"its frozen embedder ({result['embedder']['size']})": embedder,
            "QD-LLM, from the text": alone + embedder,
        }
        times |= {STUDENT_NAMES[name]: result[name]["infer_cpu_ms"] for name in STUDENTS if name != "quantum"}
        for name, value in times.items():
            body.append([f"{TASKS[task].title}: {name}", f"{value:.3f}", f"{value / (alone + embedder):.3f}"])
    head = ["", "CPU milliseconds per text", "over QD-LLM from the text"]
    caption = "Inference in one thread, from token ids; QD-LLM needs its frozen embedder to read a text."
    return table(head, body, caption + badge(demo))


def badge(demo: bool) -> str:
    """The mark of the demo scale."""
    return ' <span class="qd-demo">demo scale: not a result</span>' if demo else ""


def verdict(rows: dict[str, Row]) -> str:
    """The paper's claim on times, and what the rows say of it."""
    sentences = []
    slower = [
        task
        for task, row in rows.items()
        if all(row.result[s]["epoch_cpu_s"] > row.result["quantum"]["epoch_cpu_s"] for s in STUDENTS if s != "quantum")
    ]
    sentences.append(
        f"Distillation: QD-LLM's epoch is the shortest on {len(slower)} of {len(rows)} tasks, once the texts are embedded."
    )
    quicker = []
    for task, row in rows.items():
        whole = row.result["quantum"]["infer_cpu_ms"] + row.result["embedder"]["infer_cpu_ms"]
        best = min(row.result[s]["infer_cpu_ms"] for s in STUDENTS if s != "quantum")
        quicker += [task] if whole < best else []
    sentences.append(
        f"Inference: from the text to the class, embedder included, it is the quickest on {len(quicker)} of {len(rows)}."
    )
    return " ".join(sentences)


def provenance(rows: dict[str, Row]) -> HTML:
    """Machine, versions, commit and date of the timing rows."""
    records = [row.provenance for row in rows.values()]
    machines = sorted({r["machine"]["gpu"] or r["machine"]["processor"] for r in records})
    text = (
        f"{len(rows)} rows, source: measured, on {'; '.join(machines)}, one thread, at commit "
        f"{'; '.join(sorted({r['commit'] for r in records}))}, {records[0]['date'][:10]}; "
        + ", ".join(f"{name} {number}" for name, number in records[0]["versions"].items())
        + "."
    )
    return HTML(f'<div class="qd-provenance">{html.escape(text)}</div>')


def benchmark(path: str | None) -> list[dict[str, Any]]:
    """The rows that benchmarks/simulator.py wrote; by default those published with the project."""
    file = Path(path) if path else BENCHMARK
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file.name} cannot be read ({type(error).__name__}): give the file that `make bench` wrote."
        ) from None


def peers(rows: list[dict[str, Any]]) -> Any:
    """CPU milliseconds of one training step (B = 8, one thread) against the number of qubits, a panel for each depth."""
    plots.style()
    chosen = [
        row for row in rows if row["task"] == "train" and row["batch"] == 8 and row["students"] == 1 and row["cpu_ms"]
    ]
    depths = sorted({row["layers"] for row in chosen})
    names = [name for name in SIMULATORS if any(row["simulator"] == name for row in chosen)]
    colours = dict(zip(names, sns.color_palette("colorblind"), strict=False))
    figure, axes = plt.subplots(1, len(depths), figsize=(9.6, 4.4), sharey=True, squeeze=False, layout="constrained")
    for axis, layers in zip(axes[0], depths, strict=True):
        for name, marker in zip(names, "os^D*vP", strict=False):
            points = sorted((r["n"], r["cpu_ms"]) for r in chosen if r["simulator"] == name and r["layers"] == layers)
            axis.plot(*zip(*points, strict=True), marker=marker, color=colours[name], label=SIMULATORS[name])
        axis.set(yscale="log", xlabel="qubits", title=f"{layers} layers", xticks=sorted({r["n"] for r in chosen}))
    axes[0, 0].set_ylabel("CPU milliseconds per training step")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def peers_table(rows: list[dict[str, Any]]) -> HTML:
    """The eleven-qubit cases: CPU time of each simulator and how many times ours that is."""
    cases = sorted(
        {(r["task"], r["layers"], r["batch"]) for r in rows if r["n"] == 11 and r["students"] == 1}, reverse=True
    )
    times = {
        (r["simulator"], r["task"], r["layers"], r["batch"]): r["cpu_ms"]
        for r in rows
        if r["n"] == 11 and r["students"] == 1
    }
    body = []
    for name in dict.fromkeys(r["simulator"] for r in rows):
        version = next((r["version"] for r in rows if r["simulator"] == name and r["version"]), "")
        cells = []
        for case in cases:
            value, own = times.get((name, *case)), times[("qdllm numba", *case)]
            cells.append(f"{value:,.2f} ms<br><span class='paper'>{value / own:,.1f} x</span>" if value else "–")
        body.append([f"{SIMULATORS.get(name, name)}<br><span class='paper'>{version or ''}</span>", *cells])
    head = [""] + [f"{task}, L = {layers}, B = {batch}" for task, layers, batch in cases]
    return table(head, body, "CPU time on one thread, float32, n = 11; grey: over this project's compiled path.")
