"""Arms: all are tuned alike and on validation alone, rows are found again, and the sentences say what the rows say."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer

from qdllm_utils.config import SCALES, knobs
from qdllm_utils.pages import bytes, bytes_views, controls, controls_views
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs import jobs, reading, recompute, tuning
from qdllm_utils.runs import store as store_module
from qdllm_utils.runs.comparison import Comparison
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, against
from qdllm_utils.show import plots
from qdllm_utils.students.probes import PROBES
from qdllm_utils.texts.sources import Source
from tests.answers import LABELS, answers

SEEDS = range(10)
VALUES = {"scale": "cpu", "teacher": "minilm", "tasks": "hiding", "preset": None, "seeds": 10, "refresh": False}


def experiment(preset="tuned") -> Experiment:
    scale = SCALES["cpu"]
    store = Store(say=lambda sentence: None)
    return Experiment(Source("hiding", scale), scale, "minilm", knobs(preset, pooling="mean"), store)


def row(identity, acc, validation=0.5, **result) -> Row:
    made = answers(acc) | {"validation": validation, "parameters": 100, "stored_bytes": 400, "size": "small"}
    return Row(identity, made | {"inner_states": False} | result, {"source": "measured"})


def outcome(title, accuracies, validation=0.5, **result) -> Outcome:
    identity = {"kind": "student", "student": title}
    rows = [row(identity | {"seed": s}, acc, validation, **result) for s, acc in enumerate(accuracies)]
    return Outcome(title, rows, {}, "0.06")


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """jobs.run_jobs that trains nothing: validation is best at 0.01, test is best at 0.03; what was asked is kept."""
    asked = []
    monkeypatch.setattr(store_module, "PUBLISHED", tmp_path)

    def run(listed, total):
        for job in listed:
            asked.append((job.student, job.knobs.learning_rate, job.knobs.alpha, tuple(job.seeds)))
            for identity in job.identities:
                rate = job.knobs.learning_rate
                yield row(identity, 0.9 if rate == 0.03 else 0.6, 0.8 if rate == 0.01 else 0.7)

    template = jobs.Job("quantum", [], [], knobs("tuned"), False, 2, *[None] * 7)  # type: ignore[arg-type]
    monkeypatch.setattr(Experiment, "jobs", lambda self, missing: [template])
    monkeypatch.setattr(jobs, "run_jobs", run)
    return asked


def test_every_arm_is_tuned_over_the_same_rates_and_seeds_and_on_validation(trained):
    chosen = [Arm("quantum"), Arm("cosine"), Arm("quantum", distilled=False)]
    found = tuning.train(experiment(), chosen, SEEDS, "tuned")
    rates = (0.001, 0.003, 0.01, 0.03, 0.1)
    for arm in chosen:
        alpha = 0.9 if arm.distilled else 0.0
        tries = [(rate, seeds) for name, rate, a, seeds in trained if (name, a) == (arm.student, alpha)]
        assert tries == [(rate, (0, 1, 2)) for rate in rates] + [(0.01, tuple(range(3, 10)))]
        assert found[arm].chosen == "0.01" and len(found[arm].rows) == 10
        assert {r.identity["knobs"]["alpha"] for r in found[arm].rows} == {alpha}
        assert {r.identity["knobs"]["learning_rate"] for r in found[arm].rows} == {0.01}


def test_other_presets_keep_the_papers_optimiser(trained):
    found = tuning.train(experiment("paper"), [Arm("linear")], SEEDS, "paper")
    assert trained == [("linear", 0.06, 0.9, tuple(SEEDS))] and found[Arm("linear")].tried == {}


def test_each_arm_takes_the_scaling_that_is_better_for_it_on_validation(monkeypatch, trained):
    """On validation QD-LLM is better on raw E and the linear probe on standardised E; on test it is the other way."""

    def run(listed, total):
        for job in listed:
            trained.append((job.student, job.knobs.standardise, tuple(job.seeds)))
            for identity in job.identities:
                better = job.knobs.standardise == (job.student == "linear")
                yield row(identity, 0.6 if better else 0.9, 0.8 if better else 0.7)

    monkeypatch.setattr(jobs, "run_jobs", run)
    chosen = [Arm("quantum"), Arm("linear")]
    asked = experiment("paper")
    found = tuning.train(asked, chosen, SEEDS, "paper", controls.scalings(asked))
    assert [(arm.student, found[arm].chosen) for arm in chosen] == [("quantum", "raw E"), ("linear", "standardised E")]
    for student in ("quantum", "linear"):
        tries = [(scaled, seeds) for name, scaled, seeds in trained if name == student]
        assert tries == [(False, (0, 1, 2)), (True, (0, 1, 2)), (student == "linear", tuple(range(3, 10)))]
    assert controls.scalings(experiment("tuned")) == []


def test_rows_are_trained_once_and_only_those_that_are_missing(trained):
    tuning.train(experiment("paper"), [Arm("linear")], range(4), "paper")
    tuning.train(experiment("paper"), [Arm("linear"), Arm("mlp")], range(6), "paper")
    assert trained == [
        ("linear", 0.06, 0.9, (0, 1, 2, 3)),
        ("linear", 0.06, 0.9, (4, 5)),
        ("mlp", 0.06, 0.9, tuple(range(6))),
    ]


def test_the_quantum_arm_is_the_student_of_the_tables(trained):
    """The rows of Tables 4 to 6 are taken, and a control has the student's identity but for its name."""
    chosen = experiment("paper")
    chosen.store.save(row(chosen.student_identity("quantum", 0), 0.77))
    (found,) = tuning.train(chosen, [Arm("quantum")], range(1), "paper").values()
    assert found.accuracies == [0.77] and not trained
    one, other = chosen.student_identity("quantum", 3), chosen.student_identity("mlp", 3)
    assert one | {"student": "mlp"} == other


def test_differences_are_in_points_and_a_row_without_seed_meets_every_seed():
    student, words = outcome("QD-LLM", [0.6, 0.7, 0.65]), outcome("words", [0.7])
    found = against(student, [outcome("a", [0.61, 0.72, 0.65]), words], LABELS)
    assert found["a"].values.tolist() == pytest.approx([1, 2, 0])
    assert found["words"].values.tolist() == pytest.approx([10, 0, 5])
    assert found["a"].family == 2


def page(first: float, second: float, alone: float = 0.0) -> controls.Controls:
    """One block: a control is ahead by `first` points but for noise, (c) by `second`, QD-LLM on labels by `alone`."""
    noise = np.linspace(-0.01, 0.01, 10)
    student = outcome("QD-LLM", 0.6 + noise)
    others = [
        outcome("cos in place of the circuit", 0.6 + noise[::-1] * 0.1 + noise + second / 100),
        outcome("other <b>", 0.6 + noise[::-1] * 0.1 + noise + first / 100, 0.9),
        outcome("QD-LLM, CE alone", 0.6 + noise[::-1] * 0.1 + noise + alone / 100),
    ]
    teacher = Row(
        {"kind": "teacher", "pretraining_steps": 0}, {"name": "minilm", "acc": 0.7, "rows": {"test": 800}}, {}
    )
    block = controls.Block("hiding", "", "paper", teacher, student, others, against(student, others, LABELS))
    parameters = Parameters(VALUES)
    return controls.Controls(parameters, [block], Comparison("", "authors", None, parameters, [], Store()))


def test_the_conclusion_counts_the_verdicts():
    both = page(3, -2)
    (sentence,) = controls.conclusions(both)
    assert "of 3 controls 1 is ahead of the student, 1 behind, 1 inconclusive at 10 seeds" in sentence
    assert "prefers is the other <b>: +3.0 [" in sentence and "800 test texts has a standard error of 1.7" in sentence
    assert controls.answer(both)[0].startswith("In 1 of 1 block the circuit helps, where no arm was tuned: ")
    assert controls.answer(page(0.0, 2))[0].startswith("In none of 1 block the circuit helps: ")
    assert (
        "of 3 controls 0 are ahead of the student, 0 behind, 3 inconclusive" in controls.conclusions(page(0.0, 0.0))[0]
    )
    taught = "Taught by the labels alone (CE alone) the student is ahead of itself taught by the teacher too in"
    assert controls.answer(page(0.0, 0.0, 3))[2] == f"{taught} 1 of 1, behind in 0."
    assert controls.answer(page(0.0, 0.0, -3))[2] == f"{taught} 0 of 1, behind in 1."


def test_the_table_and_the_plot_show_every_arm():
    both = page(3, -2)
    shown = str(controls_views.controls_table(both))
    assert "other &lt;b&gt;" in shown and "other <b>" not in shown and "demo" not in shown
    assert shown.count("<tr") == 1 + 1 + 4 and len(set(map(len, re.findall(r"<tr><th.*?</tr>", shown)))) > 1
    for line in re.findall(r"<tr><th scope=\"row\">.*?</tr>", shown):
        assert line.count("<td>") == len(controls_views.COLUMNS)
    assert "+3.0 [" in shown and ">ahead<" in shown and ">behind<" in shown and ">reference<" in shown
    figure = plots.forest({"one": both.blocks[0].differences}, "student", demo=True)
    assert [text.get_text() for text in figure.texts] == ["demo"]
    differences, drawn = both.blocks[0].differences.values(), figure.axes[0].containers
    points = [container.lines[0].get_xdata()[0] for container in drawn if isinstance(container, ErrorbarContainer)]
    assert points == pytest.approx([d.mean for d in differences])
    widths = [container.patches[0].get_width() for container in drawn if isinstance(container, BarContainer)]
    assert widths == pytest.approx([2 * d.detectable for d in differences])


def entry(family, title, stored_bytes, acc, validation, form="float32", states="middle"):
    return bytes.Entry(family, title, stored_bytes, outcome(title, [acc, acc], validation).rows, form, states)


PANEL = bytes.Panel(
    "Hiding",
    [
        entry(bytes.FAMILIES[0], "QD-LLM, float32", 20_000, 0.60, 0.62, states="last"),
        entry(bytes.FAMILIES[0], "QD-LLM, int8", 5_000, 0.60, 0.62, "int8", "last"),
        entry(bytes.FAMILIES[1], "QD-LLM tuned", 17_000, 0.64, 0.66),
        entry(bytes.FAMILIES[2], "probe of last", 3_080, 0.61, 0.62, states="last"),
        entry(bytes.FAMILIES[2], "MLP of last", 16_000, 0.66, 0.63, states="last"),
        entry("probe", "1-bit probe", 52, 0.59, 0.63, "1 bits"),
        entry("probe", "2-bit probe", 100, 0.70, 0.61, "2 bits"),
        entry("classical student", "MLP", 17_000, 0.65, 0.65),
    ],
    ["PKD"],
    "a reader",
)


def test_front_and_smallest_are_chosen_on_validation_and_told_with_test():
    assert [entry.title for entry in PANEL.front] == ["1-bit probe", "QD-LLM tuned"]


def test_a_student_is_held_against_the_same_states_at_the_same_format_only():
    """Not against the one bit of another feature, which is smaller and better on validation."""
    paper, tuned = (bytes.smallest(PANEL, family) for family in bytes.FAMILIES[:2])
    assert paper.startswith("Hiding, QD-LLM, preset paper reading a reader (states: last): at float32 it stores 20,000")
    assert "probe of last is level on validation with 3,080 bytes for 61.0%" in paper and "1-bit" not in paper
    assert "at int8 it stores 5,000 bytes for 60.0%, and nothing classical was stored like that." in paper
    assert "and none of 1 classical entries like that is level" in tuned and "states: middle" in tuned
    stored = bytes.Stored(Parameters(VALUES), [PANEL], Comparison("", "authors", None, Parameters(VALUES), [], Store()))
    assert bytes.conclusions(stored) == [paper, tuned]
    assert bytes.answer(stored) == (
        "In 1 of 3 cases a classical student of the same states and number format is level with QD-LLM on validation; "
        "QD-LLM stores 6.5 to 6.5 times the bytes of the smallest."
    )
    assert [bytes.form_of(name) for name in ("linear", "probe_8bit", "probe_3bit")] == ["float32", "int8", "3 bits"]


def test_the_bytes_page_names_what_is_absent():
    parameters = Parameters(VALUES)
    shown = bytes_views.stored_table(
        bytes.Stored(parameters, [PANEL], Comparison("", "authors", None, parameters, [], Store()))
    )
    assert "Hiding: no rows of PKD in the store" in shown and shown.index("1-bit probe") < shown.index("MLP")
    figure = bytes_views.accuracy_against_bytes([PANEL], demo=False)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2"]


def test_every_probe_has_a_name_of_its_own_and_a_title_that_tells_its_bits():
    assert {Arm(name).title for name in PROBES} == {f"{bits}-bit probe" for bits in (1, 2, 3, 4, 8)}
    assert Arm("quantum", distilled=False).title == "QD-LLM, CE alone"


def test_default_seeds_and_tasks():
    parameters = Parameters(VALUES | {"seeds": None, "tasks": None})
    assert tuning.number_of_seeds(parameters) == range(10)
    assert tuning.tasks_of(parameters) == ["emotion", "hiding", "thematic"]
    demo = Parameters(parameters.values | {"scale": "demo"})
    assert tuning.number_of_seeds(demo) == range(2) and tuning.tasks_of(demo) == ["hiding"]
    assert tuning.tasks_of(Parameters(demo.values | {"tasks": "thematic, emotion"})) == ["emotion", "thematic"]


def test_each_reader_of_the_controls_has_blocks_of_its_own_and_a_decoder_reads_what_it_has(tmp_path, monkeypatch):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path))
    values = VALUES | {"teacher": "minilm, qwen", "tasks": "all", "embedders": "mpnet, qwen@hiding"}
    found = tuning.experiments_of(Parameters(values), ("paper", "tuned"), Store())
    assert [(e.source.task, e.scale.embedder, e.teacher, preset, e.asked.pooling) for preset, e in found] == [
        (task, reader, teacher, preset, "last" if (preset, reader) == ("paper", "mpnet") else "chosen")
        for task, readers in (("emotion", ["mpnet"]), ("hiding", ["mpnet", "qwen"]), ("thematic", ["mpnet"]))
        for reader in readers
        for teacher in (("minilm", "qwen") if reader == "mpnet" else ("qwen",))
        for preset in ("paper", "tuned")
    ]
    by_default = tuning.experiments_of(Parameters(values | {"embedders": None}), ("tuned",), Store())
    assert {e.scale.embedder for _, e in by_default} == {"mpnet"}
    block = page(3, -2).blocks[0]
    assert block.title == "Hiding detection, preset paper, teacher MiniLM"
    assert replace(block, reader="qwen").title == f"{block.title}, reader Qwen2.5-Coder-1.5B"


def test_a_pooling_that_a_decoder_lacks_is_refused_before_its_states_are_made(tmp_path, monkeypatch, refused):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path))
    monkeypatch.setattr(reading, "made", None)
    chosen = experiment()
    with refused("qwen is a decoder", "no pooling last", "middle_last"):
        replace(chosen, scale=replace(chosen.scale, embedder="qwen")).embeddings("last")


def test_the_weights_beside_a_row_are_found_without_training(tmp_path, monkeypatch):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path))
    chosen = experiment("paper")
    bare = row(chosen.student_identity("mlp", 0), 0.7)
    chosen.store.save(replace(bare, arrays={"weights": np.ones(2)}))
    monkeypatch.setattr(recompute, "trained", None)
    assert recompute.with_weights(chosen, bare).arrays["weights"].tolist() == [1, 1]


@pytest.mark.parametrize("other", [{}, answers(0.6), {"validation": 0.4}])
def test_a_student_published_without_weights_is_trained_again_and_said_to_differ(tmp_path, monkeypatch, other):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path))
    chosen, told = experiment("paper"), []
    chosen.store.say = told.append
    bare = row(chosen.student_identity("mlp", 0), 0.7)
    chosen.store.save(replace(bare, arrays={"weights": np.ones(2)}))
    for path in tmp_path.glob(f"{bare.key}*.npz"):
        path.unlink()
    again = replace(bare, result=bare.result | other, provenance={"commit": "now"}, arrays={"weights": np.zeros(2)})
    monkeypatch.setattr(recompute, "trained", lambda of, identity: again)
    found = recompute.with_weights(chosen, bare)
    assert found.arrays["weights"].tolist() == [0, 0]
    assert found.provenance == ({"commit": "now"} if other else bare.provenance)
    assert chosen.store.load(bare.identity, arrays=True).result == bare.result | other
    accuracy = 100 * (bare.result | other)["acc"]
    assert (f"{accuracy:.2f}% in place of 70.00%" in " ".join(told)) is bool(other)
