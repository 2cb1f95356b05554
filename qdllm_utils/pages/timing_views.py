"""What the timing rows show: Figure 3, the paper's own times beside ours, the embedder, the simulators, the peers."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdcircuits.errors import InputError
from qdllm_utils.config import TASKS
from qdllm_utils.pages.timing import implied_epoch_seconds
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.store import Row
from qdllm_utils.show import plots
from qdllm_utils.show.html_table import HTML, cell, group, head, line, sentences, table
from qdllm_utils.show.tables import STUDENT_NAMES
from qdllm_utils.show.verdicts import DEMO_WHY, NOT, REPRODUCED, UNTRIED, Verdict

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "simulator.json"
TEXTS = BENCHMARK.with_name("texts.json")
CLASSIFIERS = {
    "tfidf": "TF-IDF + logistic regression",
    "quantum@static": "QD-LLM on static embeddings",
    "quantum@minilm:int8": "QD-LLM on MiniLM in int8",
    "quantum@minilm": "QD-LLM on MiniLM in float32",
    "teacher": "the teacher, MiniLM fine-tuned",
    "model2vec": "model2vec's own classifier",
    "setfit": "setfit on MiniLM",
    **STUDENT_NAMES,
}
OURS = "qdllm numba"
SIMULATORS = {
    "qdllm numba": "this project, compiled",
    "qdllm torch": "this project, plain torch",
    "jax by hand": "our formulae by hand in jax",
    "tensorcircuit-ng": "tensorcircuit-ng (jax)",
    "default.qubit": "PennyLane default.qubit",
    "lightning.qubit": "PennyLane lightning.qubit",
    "catalyst": "PennyLane catalyst",
    "mindquantum": "MindQuantum mqvector",
    "qulacs": "qulacs",
    "deepquantum": "deepquantum",
    "torchquantum-ng": "torchquantum-ng",
    "torq": "torq-quantum",
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
    names = [TASKS[task].title.split()[0].lower() for task in rows]
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


def epochs_table(rows: dict[str, Row], demo: bool) -> HTML:
    """Seconds of one epoch: ours, the paper's (least to greatest of its teachers), and each over QD-LLM's."""
    columns = ["", "CPU time", "wall time", "over QD-LLM", "paper", "paper: over QD-LLM"]
    lines = []
    for task, row in rows.items():
        lines.append(group(TASKS[task].title, len(columns)))
        own, theirs = row.result["quantum"]["epoch_cpu_s"], mean(implied_epoch_seconds(task, "quantum").values())
        for student in STUDENTS:
            result, printed = row.result[student], implied_epoch_seconds(task, student).values()
            cells = [
                duration(result["epoch_cpu_s"]),
                duration(result["epoch_wall_s"]),
                f"{result['epoch_cpu_s'] / own:.1f}",
                f"{min(printed):,.0f} to {max(printed):,.0f} s",
                f"{mean(printed) / theirs:.1f}",
            ]
            size = f"{result['size']}, batch {result['batch']}"
            lines.append(line(head(STUDENT_NAMES[student], size), map(cell, cells)))
    caption = (
        "One epoch of distillation from class logits, one thread: the median step times the number of steps; QD-LLM's "
        "texts are embedded beforehand. Paper: what Acc and Acc/Tkd of Tables 4 to 6 imply (RTX 4090), the least and "
        "the greatest of its teachers, and the ratio of the means."
    )
    return table(caption, columns, lines, demo)


def inference_table(rows: dict[str, Row], demo: bool) -> HTML:
    """Milliseconds for one text, with and without the frozen embedder."""
    columns = ["", "CPU milliseconds per text", "over QD-LLM from the text"]
    lines = []
    for task, row in rows.items():
        lines.append(group(TASKS[task].title, len(columns)))
        alone, embedder = (row.result[name]["infer_cpu_ms"] for name in ("quantum", "embedder"))
        times = {
            ("QD-LLM", "from E, the embedded text"): alone,
            ("its frozen embedder", row.result["embedder"]["size"]): embedder,
            ("QD-LLM", "from the text"): alone + embedder,
        }
        for name in STUDENTS[:-1]:
            times[STUDENT_NAMES[name], row.result[name]["size"]] = row.result[name]["infer_cpu_ms"]
        for names, value in times.items():
            lines.append(line(head(*names), map(cell, (f"{value:.3f}", f"{value / (alone + embedder):.3f}"))))
    caption = (
        "Inference on one thread, from token ids, 64 texts at a time. QD-LLM cannot read a text without its frozen "
        "embedder, which is run as it is for the embeddings: padded to the corpus's longest text (at most 60 tokens); "
        "the other students are padded to the longest text among the 64."
    )
    return table(caption, columns, lines, demo)


def verdict(rows: dict[str, Row], demo: bool) -> Verdict:
    """The paper's claim ('shorter training and inference time') held against the rows."""
    if demo:
        return Verdict(UNTRIED, DEMO_WHY)
    others = STUDENTS[:-1]
    trains = [
        task
        for task, row in rows.items()
        if row.result["quantum"]["epoch_cpu_s"] < min(row.result[name]["epoch_cpu_s"] for name in others)
    ]
    infers = [
        task
        for task, row in rows.items()
        if row.result["quantum"]["infer_cpu_ms"] + row.result["embedder"]["infer_cpu_ms"]
        < min(row.result[name]["infer_cpu_ms"] for name in others)
    ]
    why = (
        f"an epoch of QD-LLM is the shortest of the five on {len(trains)} of {len(rows)} tasks, its texts embedded "
        f"beforehand; from text to class, embedder included, it is the quickest on {len(infers)} of {len(rows)}."
    )
    return Verdict(REPRODUCED if len(trains) == len(infers) == len(rows) else NOT, why)


def benchmark(path: str | None) -> list[dict[str, Any]]:
    """The rows that a benchmark wrote; by default those of benchmarks/simulator.py published with the project."""
    file = Path(path) if path else BENCHMARK
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file.name} cannot be read ({type(error).__name__}): give the file as the benchmark wrote it."
        ) from None


def peers(rows: list[dict[str, Any]]) -> Any:
    """CPU milliseconds of one training step (B = 8, one thread) against the qubits, a panel for each depth."""
    plots.style()
    chosen = [
        row for row in rows if row["task"] == "train" and row["batch"] == 8 and row["students"] == 1 and row["cpu_ms"]
    ]
    depths = sorted({row["layers"] for row in chosen})
    names = [name for name in SIMULATORS if any(row["simulator"] == name for row in chosen)]
    colours = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    figure, axes = plt.subplots(1, len(depths), figsize=(9.6, 4.4), sharey=True, squeeze=False, layout="constrained")
    for axis, layers in zip(axes[0], depths, strict=True):
        for name, marker in zip(names, "os^D*vPX<>hp", strict=True):
            points = sorted((r["n"], r["cpu_ms"]) for r in chosen if r["simulator"] == name and r["layers"] == layers)
            axis.plot(*zip(*points, strict=True), marker=marker, color=colours[name], label=SIMULATORS[name])
        axis.set(yscale="log", xlabel="qubits", title=f"{layers} layers", xticks=sorted({r["n"] for r in chosen}))
    axes[0, 0].set_ylabel("CPU milliseconds per training step")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def peers_sentence(rows: list[dict[str, Any]], demo: bool) -> HTML:
    """How many times our CPU time the fastest peer takes for a training step, and where it takes less."""
    cases: dict[tuple[int, int, int], dict[str, float]] = {}
    for row in rows:
        if row["task"] == "train" and row["students"] == 1 and row["cpu_ms"]:
            cases.setdefault((row["n"], row["layers"], row["batch"]), {})[row["simulator"]] = row["cpu_ms"]
    ratios: dict[tuple[int, int, int], tuple[float, str]] = {}
    for case, times in cases.items():
        others = {name: value for name, value in times.items() if not name.startswith("qdllm")}
        if others and OURS in times:
            best = min(others, key=lambda name: others[name])
            ratios[case] = others[best] / times[OURS], SIMULATORS[best]
    told = "; ".join(
        f"{ratio:.1f} at {layers} layers and {batch} texts ({name})"
        for (n, layers, batch), (ratio, name) in sorted(ratios.items())
        if n == 11
    )
    slower = [
        f"{n} qubits, {layers} layers, {batch} texts ({name}, {ratio:.2f})"
        for (n, layers, batch), (ratio, name) in sorted(ratios.items())
        if ratio < 1
    ]
    wide = [ratio for (n, _, _), (ratio, _) in ratios.items() if n == 11]
    short = (
        f"A training step of 11 qubits takes the fastest other simulator {min(wide):.1f} to {max(wide):.1f} times our "
        f"CPU time; in {len(slower)} of {len(ratios)} cases timed another one is faster than ours."
    )
    long = f"On one thread, how many times our CPU time the fastest of the others takes: {told}."
    return sentences([short, long + (f" Faster than ours: {'; '.join(slower)}." if slower else "")], demo)


def peers_table(rows: list[dict[str, Any]]) -> HTML:
    """The eleven-qubit cases: CPU time of each simulator, and how many times ours that is."""
    rows = [row for row in rows if row["n"] == 11 and row["students"] == 1 and row["task"] != "check"]
    cases = sorted({(row["task"], row["layers"], row["batch"]) for row in rows}, reverse=True)
    times = {(row["simulator"], row["task"], row["layers"], row["batch"]): row["cpu_ms"] for row in rows}
    versions = {row["simulator"]: row["version"] for row in rows if row["version"]}
    lines = []
    for name, title in SIMULATORS.items():
        cells = []
        for case in cases:
            value, own = times.get((name, *case)), times["qdllm numba", *case]
            cells.append(cell(f"{value:,.2f} ms", f"{value / own:,.1f} x") if value else cell("–"))
        lines.append(line(head(title, versions.get(name, "")), cells))
    columns = ["", *(f"{kind}, L = {layers}, B = {batch}" for kind, layers, batch in cases)]
    caption = (
        "CPU time of one training step (linear layer, circuit, head, loss, backward, Adam) and of one inference call; "
        "one thread, float32, 11 qubits. Grey: over this project's compiled path."
    )
    return table(caption, columns, lines)


def texts_table(rows: list[dict[str, Any]]) -> HTML:
    """From text to class: accuracy and CPU time of our student, the baselines and the peers (benchmarks/texts.py)."""
    fastest = min(row["cpu_ms"] for row in rows if row["model"] in STUDENTS and row["model"] != "quantum")
    lines = []
    for row in sorted(rows, key=lambda row: row["cpu_ms"]):
        cells = [
            cell(f"{row['accuracy']:.3f}", f"[{row['low']:.3f}, {row['high']:.3f}]"),
            cell(f"{1e3 / row['cpu_ms']:,.0f}"),
            cell(f"{fastest / row['cpu_ms']:.1f}"),
            cell(f"{row['cpu_ms']:.3f} ms", f"wall {row['wall_ms']:.3f} ms"),
            cell("–" if row["tokenising"] is None else f"{row['tokenising']:.0%}"),
        ]
        lines.append(
            line(head(CLASSIFIERS[row["model"]], " ".join(filter(None, (row["version"], row["note"])))), cells)
        )
    one, of = rows[0], {row["model"]: fastest / row["cpu_ms"] for row in rows}
    columns = ["", "test accuracy", "texts a CPU second", "over the fastest baseline", "a text", "of it tokenising"]
    told = [
        f"{of[name]:.1f} times {how}"
        for name, how in (("quantum@static", "on static embeddings"), ("quantum@minilm:int8", "in int8"))
        if name in of
    ]
    caption = (
        f"From text to class, in turns on one thread, medians of {one['rounds']} turns on {one['date']}: "
        f"{one['data']}, {one['texts']:,} of them in one split, accuracy with its 95% interval on "
        f"{one['test_texts']} test texts. Texts a second, embedder included, QD-LLM over the fastest of the four "
        f"baselines: {' and '.join(told)}."
    )
    return table(caption, columns, lines)


def texts_rows() -> list[dict[str, Any]]:
    """The rows that benchmarks/texts.py wrote, as published with the project."""
    return benchmark(str(TEXTS))
