"""Figure 5's tables and figures."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from qdllm_utils.config import changed
from qdllm_utils.pages.fig5 import ERROR_CURVE, Settings, Study, change, crossing, supporting_sizes, texts_needed
from qdllm_utils.pages.fig5_checks import check_study, check_submission, shots_of
from qdllm_utils.pages.fig5_jobs import Replay, replay, submit_or_explain
from qdllm_utils.pages.fig5_paired import MITIGATED
from qdllm_utils.pages.fig5_students import Subject, Trained, saved_subject
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import origin, paper
from qdllm_utils.show.html_table import DEMO, HTML, below, cell, head, line, sentences, table
from qdllm_utils.texts.sources import Source

TEXTS, DEMO_TEXTS = 40, 8  # texts of the subset that a chip is sent, by default
DEMO_QUBITS = 9  # exact noise takes half a second of CPU a circuit on 11 qubits, 16 times less on 9
DEPTHS = (2, 11)  # layers at the scales of the authors' texts: of the released code, and of the paper's parameter count


@dataclass(frozen=True)
class Figure5:
    """Everything that the page shows: studies and rows in the same order, the ledger's replays, the dry run's words.

    studies: of the first teacher and seed, in the figures and for a chip; every: these and other teachers' and seeds'.
    """

    parameters: Parameters
    studies: list[Study]
    rows: list[Row]
    every: list[tuple[Study, Row]]
    replays: list[Replay]
    submission: str

    @property
    def demo(self) -> bool:
        """Whether its numbers are no results; a user's own are."""
        return self.parameters.demo and not self.parameters.values.get("model")

    def name(self, study: Study) -> str:
        """Texts and teacher (or model), and the layers where the page has several."""
        subject = study.subject
        layers = f", {subject.layers} layers" if len({other.subject.layers for other in self.studies}) > 1 else ""
        return f"{subject.title}, {subject.source}{layers}"


def figure5(parameters: Parameters) -> Figure5:
    """All studies that the parameters ask for, out of the store or computed; a submission only with `submit`."""
    check_submission(parameters)
    store = Store(refresh=parameters.refresh)
    subjects: list[Subject] = []
    if saved := saved_subject(parameters, store):
        check_study(parameters, saved.qubits)
        subjects.append(saved)
    else:
        subjects += trained_subjects(parameters, store)
    usual = min(TEXTS, len(saved.test)) if saved else DEMO_TEXTS if parameters.demo else TEXTS
    texts = parameters.texts or usual
    settings = Settings(texts, shots_of(parameters), parameters.calibration)
    # the first student of a task and a depth is shown, of those after it the classes are counted
    names, counting = [(subject.title, subject.layers) for subject in subjects], replace(settings, texts=0)
    made = [Study(s, settings if names.index(names[k]) == k else counting) for k, s in enumerate(subjects)]
    every = [(study, study.row()) for study in made]
    shown = [(study, row) for study, row in every if study.settings.texts]
    studies, rows = [study for study, _ in shown], [row for _, row in shown]
    sent = [k for k, study in enumerate(studies) if study.subject.layers == studies[0].subject.layers]
    submission = submit_or_explain([studies[k] for k in sent], [rows[k] for k in sent], parameters)
    return Figure5(parameters, studies, rows, every, replay(parameters.ledger, store), submission)


def trained_subjects(parameters: Parameters, store: Store) -> list[Trained]:
    """A student of every task, teacher, depth and seed asked for."""
    scale, knobs = parameters.size, parameters.knobs
    if scale.name == "demo" and parameters.qubits is None:
        knobs = replace(knobs, qubits=DEMO_QUBITS)
    check_study(parameters, knobs.qubits)
    depths = [knobs.layers] if scale.name == "demo" or parameters.layers is not None else list(DEPTHS)
    return [
        Trained(
            Experiment(Source(name, scale, parameters.data_dir), scale, teacher, replace(knobs, layers=layers), store),
            seed,
        )
        for name in parameters.task_list
        for teacher in parameters.teachers_of(name)
        for layers in depths
        for seed in range(parameters.seed, parameters.seed + (parameters.values.get("seeds") or 1))
    ]


def interval(right: int, texts: int) -> tuple[float, float]:
    """The 95% Wilson interval of an accuracy."""
    found = binomtest(right, texts).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def accuracy(right: int, texts: int) -> HTML:
    """0.7500 and below it the interval."""
    low, high = interval(right, texts)
    return head(f"{right / texts:.4f}", f"{low:.2f} to {high:.2f}")


def rows_of(lines: Iterable[Sequence[str]]) -> list[str]:
    """Lines of cells as rows of a table; the first cell of a line is its head."""
    return [line(first, map(cell, others)) for first, *others in lines]


def printed(fact: str) -> str:
    """A fact of the paper's hardware section, as printed; where it says two things, both."""
    rows = paper.table("hardware")
    return " or ".join(rows[rows["fact"] == fact]["value"])


def accuracies(figure: Figure5) -> HTML:
    """Right texts of the exact and the noisy circuit, the texts that shots and noise flip, and those brought back."""
    parameters, first = figure.parameters, figure.rows[0]
    lowest, highest = printed("lowest accuracy"), printed("highest accuracy")
    chip = "the table given as calibration" if parameters.calibration else "the shipped table, which is synthetic"
    study = figure.studies[0]
    notices = "; ".join(study.chip.notices[:3]) + ("; ..." if len(study.chip.notices) > 3 else "")
    notes = (
        f"All {first.result['test_texts']:,} test texts of the first line and those of the others, "
        f"{'seed of the draws' if parameters.values.get('model') else 'student seed'} "
        f"{parameters.seed}, {study.settings.shots:,} shots a circuit, simulated noise of a chip after {chip}"
        f"{f' ({notices})' if notices else ''}. Grey: the 95% Wilson interval of an accuracy. Flipped: the class "
        "differs from the exact circuit's, in grey how many lost and won the right one. Back: of the texts that noise "
        "flips, those whose class a mitigation restores, in grey other texts that it flips instead. "
        f"{made(figure)}. The paper: {lowest} to {highest} on {printed('test texts')}, "
        f"{printed('shots')} shots."
    )
    lines = []
    for study, row in zip(figure.studies, figure.rows, strict=True):
        result, texts = row.result, row.result["test_texts"]
        cells = [f"{texts:,}", accuracy(result["right"]["ideal"], texts), accuracy(result["right"]["noise"], texts)]
        for name in ("shots", "noise"):
            flips = result["flips"][name]
            cells.append(head(f"{flips['flipped']:,}", f"{flips['lost']} lost, {flips['won']} won"))
        for name in MITIGATED:
            back = result["back"][name]
            cells.append(head(f"{back['back']:,}", f"{back['more']} more flipped"))
        lines.append([figure.name(study), *cells])
    heads = ["", "test texts", "exact circuit", "with noise", "flipped by shots", "flipped by noise"]
    heads += [f"back by: {name}" for name in ("readout mitigation", "extrapolation", "both")]
    return table(notes, heads, rows_of(lines), figure.demo)


def made(figure: Figure5) -> str:
    """How the students were made."""
    parameters, first = figure.parameters, figure.studies[0].subject
    if not isinstance(first, Trained):
        return f"The student is {first.source}, with {first.layers} layers"
    differing = changed(parameters.preset, replace(first.experiment.knobs, layers=parameters.knobs.layers))
    changes = "; changed: " + ", ".join(f"{k} = {v}" for k, v in differing.items()) if differing else ""
    return f"Preset {parameters.preset}{changes}"


def verdict(figure: Figure5) -> HTML:
    """One sentence in all, then one a depth: each task's accuracy on the exact circuit and on the simulated chip."""
    depths: dict[int, list[str]] = {}
    for study, row in zip(figure.studies, figure.rows, strict=True):
        ideal, noise = (100 * row.result["right"][name] / row.result["test_texts"] for name in ("ideal", "noise"))
        title = study.subject.title.lower() if isinstance(study.subject, Trained) else study.subject.title
        told = f"{title} {ideal:.1f} to {noise:.1f}% (chance {100 / study.subject.classes:.0f}%)"
        depths.setdefault(row.result["layers"], []).append(told)
    low, high = printed("lowest accuracy"), printed("highest accuracy")
    said, subject = [summary(figure)], figure.studies[0].subject
    whose = f" of {subject.source}'s student of seed {subject.seed}" if len(figure.every) > len(figure.rows) else ""
    said += [
        f"With {layers} layers the simulated noise of a chip takes the accuracy{whose} from {', '.join(told)}."
        for layers, told in depths.items()
    ]
    said.append(f"The paper prints {low} to {high} from a chip that nobody here has run; this is noise by a model.")
    return sentences(said, figure.demo)


def summary(figure: Figure5) -> str:
    """What the noise costs at each depth, in one sentence."""
    losses: dict[int, list[float]] = {}
    for _, row in figure.every:
        losses.setdefault(row.result["layers"], []).append(change(row))
    told = " and ".join(
        f"{min(each):+.1f} points" + (f" to {max(each):+.1f}" if len(each) > 1 else "") + f" with {layers} layers"
        for layers, each in losses.items()
    )
    students = f" of {len(figure.every)} students" if len(figure.every) > len(figure.rows) else ""
    return f"No chip was touched; the simulated noise of one changes the accuracy{students} by {told}."


def reached(row: Row, accuracy: float) -> str:
    """Where on the curve of two-qubit errors an accuracy is reached, in words."""
    error = crossing(row, accuracy)
    if error is not None:
        return f"at a two-qubit error of {error:.2%}"
    return "already without any two-qubit error" if accuracy > row.result["by_error"]["0.0"] else "at none looked at"


def conclusion(figure: Figure5) -> HTML:
    """In sentences: what shots and noise flip, where the paper's range lies on the curve, and what it would need."""
    said = []
    low, high = (paper.number(printed(f"{end} accuracy")) for end in ("lowest", "highest"))
    for study, row in zip(figure.studies, figure.rows, strict=True):
        result, texts = row.result, row.result["test_texts"]
        shots, noise = (result["flips"][name]["flipped"] for name in ("shots", "noise"))
        both = result["back"]["both"]
        where = [reached(row, value) for value in (high, low)]
        chance = 1 / study.subject.classes
        last = list(result["by_error"].values())[-1]
        said.append(
            f"{figure.name(study)}: of {texts:,} texts shots flip {shots:,} and noise {noise:,}; readout mitigation "
            f"with extrapolation brings {both['back']:,} back and flips {both['more']:,} others. The accuracy falls to "
            f"the paper's {high:.2%} or below {where[0]} and to its {low:.2%} or below {where[1]}; at "
            f"{ERROR_CURVE[-1]:g} times the table's error it is {last:.3f}, chance being {chance:.3f}."
        )
    said.append(
        f"To tell {high:.2%} from {low:.2%} with a power of 80% takes {texts_needed(high, low):,} texts in each of the "
        "two samples; the paper does not say how many it had."
    )
    mark = DEMO if figure.demo else ""
    return HTML("".join(f"<p>{html.escape(sentence)}</p>" for sentence in said) + mark)


def compilation(figure: Figure5) -> HTML:
    """Two-qubit gates and depth on the way from the description to the chip."""
    lines = []
    for study, row in zip(figure.studies, figure.rows, strict=True):
        for what, gates, depth in row.result["stages"]:
            lines.append([f"{figure.name(study)}: {what}", f"{gates:,}", f"{depth:,}"])
    depths = " and ".join(map(str, sorted({row.result["layers"] for row in figure.rows})))
    notes = (
        f"{depths} layers. Two-qubit gates as a chip counts them (an RZZ is two), depth in native gates. Every step "
        "leaves each <Z> as it was."
    )
    return table(notes, ["", "two-qubit gates", "depth"], rows_of(lines), figure.demo)


def replays(figure: Figure5) -> HTML:
    """What the counts of the ledger say."""
    if not figure.replays:
        return HTML(f'<div class="qd-provenance">No counts of hardware. {html.escape(figure.submission)}</div>')
    lines = []
    for found in figure.replays:
        error = np.sqrt(np.mean((found.z - found.ideal) ** 2))
        lines.append(
            [
                head(found.task, f"student {found.key[-20:-12]}"),
                found.source,
                found.chip,
                f"{found.shots:,}",
                str(found.texts),
                accuracy(found.ideal_right, found.texts),
                accuracy(found.right, found.texts),
                below(*(f"{right} by {method}" for method, right in found.mitigated.items())) or "raw counts only",
                f"{error:.3f}",
            ]
        )
    notes = (
        "Counts replayed from the ledger. Source 'stand-in': answers of this project's test server, which simulates a "
        "chip; they are not measurements of a quantum computer."
    )
    heads = ["", "source", "chip", "shots", "texts", "ideal", "from the counts, raw", "right texts, mitigated"]
    heads += ["error of <Z> (rms)"]
    return table(f"{notes} {figure.submission}", heads, rows_of(lines))


def subset_sizes(figure: Figure5) -> HTML:
    """The sizes of a subset of which the paper's two printed accuracies can come."""
    largest = 2000
    ends = [printed("lowest accuracy"), printed("highest accuracy")]
    sizes = [supporting_sizes(value, largest) for value in ends]
    both = sorted(set(sizes[0]) & set(sizes[1]))

    def first(found: list[int]) -> str:
        return ", ".join(map(str, found[:8])) + (" ..." if len(found) > 8 else "") if found else "none"

    lines = [[value, first(found)] for value, found in zip(ends, sizes, strict=True)]
    lines.append(["both", first(both)])
    low, high = (paper.number(value) for value in ends)
    lines.append(["to tell the two apart (5%, power 80%)", f"{texts_needed(high, low):,} in each sample"])
    notes = f"Numbers of test texts, up to {largest:,}, of which a whole number right prints as the paper's accuracy."
    return table(notes, ["accuracy in the paper", "possible sizes of the subset, smallest first"], rows_of(lines))


def provenance_strip(figure: Figure5) -> HTML:
    """Where the rows come from: the simulations and the students."""
    rows = [row for study, one in figure.every for row in (one, study.student.row)]
    own = bool(figure.parameters.values.get("model"))
    return origin.of_rows(rows, figure.studies[0].subject.store, "of your own" if own else figure.parameters.scale)
