"""Tables 7, 8 and the deviations from rows made up here: which rows they ask for, and what they make of them."""

import html
import re
from dataclasses import replace
from statistics import mean, stdev

import matplotlib
import numpy as np
import pytest

from qdllm_utils.config import CHOSEN, PRESETS, SCALES, TASKS, knobs
from qdllm_utils.learning.metrics import packed
from qdllm_utils.pages import deviations, table7, table7_views
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs import jobs
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.show import paper
from qdllm_utils.show.tables import TEACHER_NAMES
from qdllm_utils.texts.sources import Source
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

matplotlib.use("agg")
SEEDS, TEXTS = 5, 100  # all test texts are of the first class
PROVENANCE = {
    "source": "measured",
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc123",
    "peak_memory_mb": 12,
    "machine": {"processor": "a processor", "cores": 2, "gpu": None},
    "versions": {"python": "3.11"},
}


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """A row that is not in the store is an error here."""

    def refuse(*_):
        raise AssertionError("a row that should be in the store was to be computed")

    monkeypatch.setattr(jobs, "run_jobs", refuse)
    monkeypatch.setattr(Experiment, "compute_teacher", refuse)
    monkeypatch.setattr(Experiment, "check_weights", lambda *_: None)
    monkeypatch.setattr(Experiment, "jobs", refuse)


def parameters(teacher="minilm", scale="cpu", preset="paper", **more) -> Parameters:
    return Parameters({"teacher": teacher, "scale": scale, "preset": preset, "seeds": SEEDS, "refresh": False, **more})


def save(task: str, teacher: str, chosen, accuracies, scale="cpu", rank=None) -> list[str]:
    """Store a quantum row a seed and the teacher's row, all metrics equal to the accuracy; returns the rows' keys."""
    size = SCALES[scale]
    if chosen.pooling == CHOSEN:  # the pooling that validation prefers is a row too
        choice = Experiment(Source(task, size), size, teacher, chosen, Store())
        choice.__dict__["compute_choice"] = lambda: ({"tried": {"mean": 0.5}, "chosen": "mean"}, {})
        choice.choice_row()
    experiment = Experiment(Source(task, size), size, teacher, chosen, Store(), rank)
    keys = []
    for seed, accuracy in enumerate(accuracies):
        result = dict.fromkeys(("acc", "p", "r", "f1"), accuracy) | {"f1": accuracy - 0.1}
        result |= {"parameters": 9_275, "validation": accuracy, "size": "small"}
        result["predicted"] = packed(np.arange(TEXTS) >= round(TEXTS * accuracy))
        row = Row(experiment.student_identity("quantum", seed), result, PROVENANCE)
        experiment.store.save(row)
        keys.append(row.key)
    own = dict.fromkeys(("acc", "p", "r", "f1"), 0.9) | {
        "parameters": 7_000_000,
        "name": teacher,
        "cleaning": "9 texts",
    }
    own |= {"classes": ["a", "b"], "rows": {"test": 9}, "validation": {"acc": 0.9}}
    experiment.store.save(Row(experiment.teacher_identity, own, PROVENANCE))
    labels = {"kind": "labels", "data": experiment.data_identity}
    experiment.store.save(Row(labels, {"test": packed(np.zeros(TEXTS))}, PROVENANCE))
    return keys


LOSS_KNOBS = {
    "ce": knobs("paper", alpha=0.0),
    "kl": knobs("paper", alpha=1.0, soft="kl"),
    "js": knobs("paper", alpha=1.0, soft="js"),
    "js_released": knobs("paper", alpha=1.0, soft="js", divergence="released"),
    "all": knobs("paper"),
    "all_released": knobs("paper", divergence="released"),
}
BASE = {"ce": 0.50, "kl": 0.60, "js": 0.62, "js_released": 0.55, "all": 0.65, "all_released": 0.64}
NOISE = {
    "emotion": (0.0, 0.01, -0.01, 0.01, -0.01),
    "hiding": (0.02, 0.0, 0.01, 0.0, 0.02),
    "thematic": (0.1, 0.1, 0.13, 0.1, 0.12),
}


@pytest.fixture
def losses() -> table7.Ablation:
    """Table 7 from a store of made-up rows."""
    for task in TASKS:
        for name, chosen in LOSS_KNOBS.items():
            save(task, "minilm", chosen, [BASE[name] + noise for noise in NOISE[task]])
    return table7.losses(parameters())


def cells(shown: str) -> dict[str, list[str]]:
    """{row head: its cells}, lines within a cell divided by |."""
    rows = {}
    for row in re.findall(r"<tr>(.*?)</tr>", shown):
        parts = re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)
        plain = [html.unescape(re.sub("<[^>]+>", "", part.replace("<br>", "|"))) for part in parts]
        rows[plain[0].split("|")[0]] = plain[1:]
    return rows


def test_the_full_loss_is_the_row_of_tables_4_to_6_and_the_preset_does_not_matter_for_js():
    size = SCALES["cpu"]
    full = Experiment(Source("hiding", size), size, "minilm", knobs("paper"), Store())
    assert save("hiding", "minilm", LOSS_KNOBS["all"], [0.5]) == [key_of(full.student_identity("quantum", 0))]
    released = {name: replace(PRESETS["released"], **loss.changes).divergence for name, loss in table7.LOSSES.items()}
    assert released["js"] == released["all"] == "jensen_shannon" and released["all_released"] == "released"


def test_loss_table_shows_means_over_tasks_seed_by_seed(losses):
    shown = cells(table7_views.loss_table(losses))
    seeds = [mean(BASE["kl"] + NOISE[task][seed] for task in TASKS) for seed in range(SEEDS)]
    acc, f1, gap, emotion, *_ = shown["KL"]
    assert acc == f"{mean(seeds):.4f}|± {stdev(seeds):.4f}|paper {paper.loss('kl', 'acc')}"
    assert f1.startswith(f"{mean(seeds) - 0.1:.4f}|") and f1.endswith(f"paper {paper.loss('kl', 'f1')}")
    assert gap.startswith("-5.0 [-") and gap.endswith("]|behind|paper -0.5")  # .8195 - .8242
    assert emotion == "0.6000|± 0.0100"
    assert shown["KL+JS+CE"][2] == "–" and "paper" not in shown["JS, released form"][0]


def test_loss_verdict_counts_what_is_below_the_full_loss(losses):
    verdict = table7_views.loss_verdict(losses)
    assert (
        verdict.status == "not attempted" and "five LLMs, which need the scale paper; here MiniLM taught" in verdict.why
    )
    assert "CE alone is below it (-15.0 [" in verdict.why and "JS alone is below it (-3.0 [" in verdict.why
    assert verdict.short.endswith("LLMs: CE, KL, JS alone below the full loss; in the paper all three are below it.")
    losses.rows["kl", "emotion", "minilm"][0].result["predicted"] = packed(np.zeros(TEXTS))
    assert "KL alone is not to be told from it" in table7_views.loss_verdict(losses).why
    demo = replace(losses, parameters=parameters(scale="demo"))
    assert "generated texts" in table7_views.loss_verdict(demo).why


def test_loss_verdict_judges_the_printed_values_where_the_papers_teachers_ran():
    rows, base = {}, {name: paper.number(paper.loss(name, "acc")) for name in ("ce", "kl", "js", "all")}
    for name in LOSS_KNOBS:
        for task in TASKS:
            for teacher in PAPER_TEACHERS:
                acc = base.get(name, 0.5)
                f1 = paper.number(paper.loss(name, "f1")) if name in base else 0.5
                result = {"acc": acc, "f1": f1, "predicted": packed(np.arange(1000) >= round(1000 * acc))}
                rows[name, task, teacher] = [Row({"kind": "student"}, dict(result), {}) for _ in range(5)]
    labels = {task: np.zeros(1000, int) for task in TASKS}
    ran = table7.Ablation(parameters("all", "paper"), rows, {}, labels, None)
    verdict = table7_views.loss_verdict(ran)
    assert verdict.status == "reproduced" and "of 8 printed values 8 reproduced" in verdict.why
    for values in rows["all", "emotion", "opt"], rows["all", "hiding", "opt"]:
        for row in values:
            row.result |= {"acc": 0.5, "predicted": packed(np.ones(1000))}
    verdict = table7_views.loss_verdict(ran)
    assert verdict.status == "not reproduced" and "KL alone is above it" in verdict.why


def test_loss_figure_draws_each_seed_and_the_papers_differences(losses):
    figure = table7_views.loss_figure(losses)
    (axis,) = figure.axes
    dots = {round(x, 6) for line in axis.lines if line.get_marker() == "o" for x in line.get_xdata()}
    assert {round(100 * (BASE[name] - BASE["all"]), 6) for name in BASE if name != "all"} <= dots
    diamonds = [round(float(line.get_xdata()[0]), 4) for line in axis.lines if line.get_marker() == "D"]
    assert diamonds == [-8.54, -0.47, -0.86]  # CE, KL, JS less the full loss in points, by hand
    assert axis.get_yticklabels()[0].get_text() == "CE"


def test_teacher_table_has_a_column_for_each_of_the_papers_teachers_and_runs_only_those_asked_for():
    for number, task in enumerate(TASKS):
        for teacher, accuracy in (("minilm", 0.7), ("opt", 0.6)):
            save(task, teacher, knobs("paper"), [accuracy + 0.1 * number] * SEEDS)
    ablation = table7.teachers(parameters("opt"))
    assert ablation.names == ["minilm", "opt"] and ablation.variants == ["all"]
    shown = table7_views.teacher_table(ablation)
    heads = re.findall(r'<th scope="col">(.*?)</th>', shown)
    assert heads == ["QD-LLM", "MiniLM", "BLOOMZ-1.1B", "BLOOMZ-3B", "OPT-6.7B", "LLaMA2-7B", "LLaMA3-8B"]
    last = cells(shown)["Acc"]  # the overall block is the last one
    assert last[0].startswith("0.8000|") and "paper" not in last[0]
    assert last[1] == f"not run|paper {paper.teacher('overall', 'bloomz-1.1b', 'acc')}"
    assert last[3].startswith("0.7000|") and last[3].endswith(f"paper {paper.teacher('overall', 'opt', 'acc')}")
    assert "1:1000 twin" in shown and shown.count("not run") == (3 * 5 + 4) * 4
    verdict = table7_views.teacher_verdict(ablation)
    assert verdict.status == "not attempted" and verdict.why.count("MiniLM: OPT-6.7B -10.0 [") == 3
    assert "Emotion analysis, accuracy of QD-LLM: MiniLM 70.0%, OPT-6.7B 60.0%." in verdict.why
    assert verdict.why.count("points, behind") == 3
    assert verdict.short.endswith("; thematic analysis MiniLM 90.0%, OPT-6.7B 80.0%.")
    figure = table7_views.teacher_figure(ablation)
    named = {line.get_marker(): text.get_text() for line, text in zip(*legend(figure), strict=True)}
    drawn = [
        (named[point.get_marker()], *np.ravel(point.get_xydata()))
        for point, *_ in (bar.lines for bar in figure.axes[0].containers)
    ]
    assert drawn == [
        (TEACHER_NAMES[name], 0.9, pytest.approx(accuracy + 0.1 * number))
        for number in range(3)
        for name, accuracy in (("minilm", 0.7), ("opt", 0.6))
    ]


def legend(figure):
    (found,) = figure.legends
    return found.get_lines(), found.get_texts()


def test_a_teacher_of_one_task_stands_there_only():
    for number, task in enumerate(TASKS):
        save(task, "minilm", knobs("paper"), [0.7 + 0.1 * number] * SEEDS)
    save("hiding", "qwen", knobs("paper"), [0.9] * SEEDS)
    ablation = table7.teachers(parameters("qwen@hiding, minilm"))
    assert ablation.names_of("hiding") == ["minilm", "qwen"] and ablation.names_of("thematic") == ["minilm"]
    shown = table7_views.teacher_table(ablation)
    told = [cells(block).get("Acc", [""] * 2)[1].split("|")[0] for block in shown.split("The teacher itself")[1:]]
    assert told == ["not run", "0.9000", "not run"]
    assert cells(shown)["Acc"][1].startswith("not run") and cells(shown)["Acc"][0].startswith("0.8000")
    why = table7_views.teacher_verdict(ablation).why
    assert why.count("Against the student of MiniLM") == 1 and "Hiding detection, accuracy of QD-LLM: MiniLM 80" in why
    assert len(table7_views.teacher_figure(ablation).axes[0].containers) == 4


def test_teacher_verdict_judges_every_printed_value_and_the_order():
    rows = {}
    for task in TASKS:
        for teacher in PAPER_TEACHERS:
            values = {m: paper.number(paper.teacher(task, teacher, m)) for m in ("acc", "p", "r", "f1")}
            rows["all", task, teacher] = [Row({"kind": "student"}, dict(values), {}) for _ in range(3)]
    ran = table7.Ablation(parameters("all", "paper"), rows, {}, {}, None)
    verdict = table7_views.teacher_verdict(ran)
    assert verdict.status == "reproduced" and "60 reproduced" in verdict.why and "the paper's order" in verdict.why
    for row in rows["all", "emotion", "bloomz-1.1b"]:
        row.result["acc"] += 0.1
    verdict = table7_views.teacher_verdict(ran)
    assert verdict.status == "not reproduced" and "another than the paper's order" in verdict.why


def test_deviations_show_each_switch_less_the_preset_paired_by_seed():
    shifts = {choice.name: 0.01 * number for number, choice in enumerate(deviations.choices(), 1) if choice.switch}
    for task in deviations.MEASURED_ON:
        save(task, "minilm", knobs("paper"), [0.5, 0.6, 0.7, 0.6, 0.5])
        for choice in deviations.choices():
            if choice.switch:
                accuracies = [0.5 + shifts[choice.name], 0.6, 0.7, 0.6, 0.5]
                save(task, "minilm", replace(knobs("paper"), **choice.changes), accuracies, rank=choice.rank)
        for preset in ("released", "tuned"):
            save(task, "minilm", PRESETS[preset], [0.4, 0.5, 0.6, 0.5, 0.4])
    effects = deviations.measure(parameters(data_dir=None))
    assert len(shifts) == 7
    for name, shift in shifts.items():
        assert effects.of(name, "hiding").values == pytest.approx([100 * shift, 0, 0, 0, 0])
    shown = html.unescape(deviations.choices_table(effects))
    third = effects.of("form of JS", "hiding")
    error = 100 * stdev([shifts["form of JS"], 0, 0, 0, 0]) / 5**0.5
    assert third.mean == pytest.approx(100 * shifts["form of JS"] / 5) and third.error > error
    assert f"the released form:<br>hiding {third.mean:+.1f} [{third.low:+.1f}, {third.high:+.1f}]" in shown
    assert "released: hiding -10.0 [" in shown
    largest = max(shifts, key=shifts.__getitem__)
    (said,) = deviations.answer_box(effects).facts["verdicts"]
    assert f"Of 14 effects of a single choice on accuracy 0 are certain; the largest is that of {largest}, " in said
    assert shown.count("<tr>") == 1 + len(deviations.choices())


def test_another_rank_is_another_teacher_and_so_another_student():
    size = SCALES["cpu"]
    plain = Experiment(Source("hiding", size), size, "minilm", knobs("paper"), Store())
    other = replace(plain, rank=64)
    assert other.teacher_identity == plain.teacher_identity | {"rank": 64} != plain.teacher_identity
    assert key_of(other.student_identity("quantum", 0)) != key_of(plain.student_identity("quantum", 0))
    assert replace(plain, rank=16).teacher_identity == plain.teacher_identity
