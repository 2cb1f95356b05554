"""Features against students: steps are chosen on validation, told on the test rows, and shown whole."""

import re
from dataclasses import replace

import numpy as np
import pytest

from qdllm_utils.pages import features, features_views
from qdllm_utils.pages.features import FEATURES, STEPS, STUDENTS, Features, Panel
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Outcome
from tests.answers import LABELS, answers

TITLES = dict(zip(STUDENTS, ("QD-LLM", "cos", "MLP", "probe"), strict=True))
VALUES = {"scale": "cpu", "teacher": "minilm", "embedders": None, "tasks": "hiding", "seeds": 10, "refresh": False}
NOISE = np.linspace(-0.005, 0.005, 10)


def outcome(title: str, accuracy: float, validation: float) -> Outcome:
    made = {"parameters": 100, "size": "384 x 2", "validation": validation}
    identity = {"kind": "student", "student": title}
    rows = [Row(identity | {"seed": s}, made | answers(accuracy + d), {}) for s, d in enumerate(NOISE)]
    return Outcome(title, rows, {}, "0.01")


def grid(without: tuple[str, ...] = (), more: float = 0.0) -> dict[str, dict[str, Outcome]]:
    """Validation prefers the MLP, `middle` and `teacher`; the test rows prefer the probe, `several` and `distilled`."""
    found = {}
    for feature in FEATURES:
        gain = more + {"middle": 0.05, "several": 0.07, "distilled": 0.09, "teacher": 0.08}.get(feature, 0.0)
        preferred = {"middle": 0.03, "teacher": 0.06, "distilled": 0.05}.get(feature, 0.0)
        if feature not in without:
            found[feature] = {
                student: outcome(
                    TITLES[student],
                    0.6 + gain + {"mlp": 0.02, "linear": 0.04}.get(student, 0),
                    0.5 + preferred + {"mlp": 0.03, "linear": 0.01}.get(student, 0),
                )
                for student in STUDENTS
            }
    return found


def panel_of(reader: str, without: tuple[str, ...] = (), gain: float = 0.0, first: Panel | None = None) -> Panel:
    published = outcome("QD-LLM", 0.6 + gain, 0.5)
    teacher = Row({"kind": "teacher", "pretraining_steps": 0}, {"name": "MiniLM", "acc": 0.7}, {})
    made = grid(without, gain)
    absent = dict.fromkeys(without, "not there")
    return Panel("hiding", reader, teacher, published, made, absent, features.steps(published, made, LABELS, first))


def page(without: tuple[str, ...] = (), *others: Panel) -> Features:
    parameters = Parameters(VALUES)
    comparison = Comparison("", "authors", None, parameters, [], Store())
    return Features(parameters, [panel_of("MiniLM", without), *others], comparison)


def test_each_step_goes_where_validation_points():
    steps = page().panels[0].steps
    assert [(step.before, step.after) for step in steps.values()] == [
        ("preset paper", "preset tuned"),
        ("QD-LLM", "MLP"),
        ("last", "middle"),
        ("QD-LLM", "MLP"),
        ("middle", "teacher"),
    ]
    assert [step.difference.mean for step in steps.values()] == pytest.approx([0, 2, 5, 2, 3])
    assert {step.difference.family for step in steps.values()} == {len(STEPS) - 1}  # there is one reader


def test_a_second_reader_is_held_against_the_first_on_the_features_that_validation_prefers():
    first = panel_of("MiniLM")
    second = panel_of("MPNet", without=("middle",), gain=0.04, first=first)
    step = second.steps["reader"]
    assert (step.before, step.after) == ("MiniLM, middle", "last")
    assert step.difference.mean == pytest.approx(4 - 5) and "reader" not in first.steps
    assert {each.difference.family for each in second.steps.values()} == {len(STEPS)}
    shown = page((), second)
    assert features.answer(shown) == (
        "Of 2 cases (task, reader), a better frozen feature is a certain gain in 1, a fine-tuned one on top of it in "
        "2; another student is one on the released feature in 2, on the better feature in 2; another reader of "
        "the text is one in 0 of 1."
    )
    other = replace(first, teacher=Row(first.teacher.identity, {"name": "qwen", "acc": 0.8}, {}))
    assert features.answer(page((), second, other)).startswith("Of 3 cases (task, teacher, reader), ")
    told = features.conclusions(shown)[1]
    assert told.startswith("Hiding detection, read by MPNet, teacher MiniLM:")
    assert "MPNet in place of MiniLM, middle gives QD-LLM -1.0 [" in told and "reader" in str(shown.groups())
    forest = features_views.steps_forest(shown)
    assert [label.get_text() for label in forest.axes[0].get_yticklabels()] == list(STEPS.values())
    drawn = [sorted(line.get_ydata()[0] for line in axis.lines if len(line.get_xdata()) == 1) for axis in forest.axes]
    assert [max(places) for places in drawn] == [len(STEPS) - 2, len(STEPS) - 1]
    left, right = forest.axes[0].get_xlim()  # nothing is beyond the axis
    assert left < min(s.difference.low for p in shown.panels for s in p.steps.values())
    assert right > max(s.difference.high for p in shown.panels for s in p.steps.values())
    assert len(features_views.accuracy_on_features(shown).axes) == 2


def test_a_teacher_without_states_leaves_its_feature_out_and_says_so():
    shown = page(without=("teacher",))
    assert shown.panels[0].steps["fine_tuned"].after == "distilled"
    assert "the teacher's own; not there" in str(features_views.grid_table(shown)).replace("&#x27;", "'")


def test_the_states_of_a_known_encoder_can_be_had_although_its_row_was_published_without_them():
    assert features.has_states("mpnet", {}) and features.has_states("./own", {"adapter/q": np.ones(1)})
    assert not features.has_states("qwen", {}) and not features.has_states("./own", {"logits": np.ones(1)})


def test_only_the_readers_named_are_fine_tuned_and_on_the_tasks_named(monkeypatch, refused):
    asked = {}

    def measured(fair, paper, seeds, distilled, first):
        assert fair.asked.scaling == "tanh" and paper.asked.scaling == "minmax"
        assert (first is None) == (fair.scale.embedder == "minilm")
        asked[fair.source.task, fair.scale.embedder] = distilled
        return page().panels[0]

    monkeypatch.setattr(features, "measure", measured)
    both = VALUES | {"tasks": "emotion, hiding", "embedders": "minilm, mpnet"}
    features.run(Parameters(both | {"distilled": "minilm, mpnet@hiding"}))
    assert {pair for pair, told in asked.items() if not told} == {("emotion", "mpnet")} and len(asked) == 4
    features.run(Parameters(both | {"distilled": None}))
    assert all(asked.values()) and len(asked) == 4
    for wrong in ("bert", "mpnet@hidding", "hiding"):
        with refused(f"distilled names {wrong}", "embedders"):
            features.run(Parameters(both | {"distilled": f"minilm, {wrong}"}))


def test_without_a_fine_tuned_feature_there_is_no_step_to_one():
    shown = page(without=("teacher", "distilled"))
    (panel,) = shown.panels
    assert list(panel.steps) == [name for name in STEPS if name not in ("fine_tuned", "reader")]
    assert {step.difference.family for step in panel.steps.values()} == {len(STEPS) - 2}
    (sentence,) = features.conclusions(shown)
    assert sentence.endswith("a gain).") and "fine-tuned" not in sentence
    assert "a fine-tuned one on top of it in 0" in features.answer(shown)
    assert "fine-tuned feature" not in str(features_views.steps_table(shown))


def test_the_sentences_say_what_the_steps_say():
    (sentence,) = features.conclusions(page())
    assert "gives QD-LLM +0.0 [+0.0, +0.0] points (preset tuned; inconclusive)" in sentence
    assert re.search(
        r"the frozen feature that validation prefers \+5\.0 \[\+[34].*?\] points \(middle; a gain\)", sentence
    )
    assert features.answer(page()) == (
        "Of 1 task, a better frozen feature is a certain gain in 1, a fine-tuned one on top of it in 1; another "
        "student is one on the released feature in 1, on the better feature in 1."
    )


def test_the_tables_and_the_figures_show_every_feature_student_and_step():
    shown = page()
    for table in (features_views.grid_table(shown), features_views.steps_table(shown)):
        columns = str(table).count('scope="col"')
        lines = re.findall(r'<tr><th scope="row">.*?</tr>', str(table))
        assert lines and all(line.count("<td>") == columns - 1 for line in lines) and "demo" not in str(table)
    assert len(re.findall(r'<tr><th scope="row">', str(features_views.grid_table(shown)))) == 1 + len(FEATURES)
    figure = features_views.accuracy_on_features(shown)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == list(FEATURES.values())
    assert len(axis.containers) == len(FEATURES) * len(STUDENTS)
    forest = features_views.steps_forest(shown)
    assert [label.get_text() for label in forest.axes[0].get_yticklabels()] == list(STEPS.values())[:-1]
