"""Features against students: steps are chosen on validation, told on the test rows, and shown whole."""

import re

import numpy as np
import pytest

from qdllm_utils.pages import features, features_views
from qdllm_utils.pages.features import FEATURES, STEPS, STUDENTS, Features, Panel
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Outcome
from qdllm_utils.show import plots
from tests.answers import LABELS, answers

TITLES = dict(zip(STUDENTS, ("QD-LLM", "cos", "MLP", "probe"), strict=True))
VALUES = {"scale": "cpu", "teacher": "minilm", "tasks": "hiding", "seeds": 10, "refresh": False}
NOISE = np.linspace(-0.005, 0.005, 10)


def outcome(title: str, accuracy: float, validation: float) -> Outcome:
    made = {"parameters": 100, "size": "384 x 2", "validation": validation}
    identity = {"kind": "student", "student": title}
    rows = [Row(identity | {"seed": s}, made | answers(accuracy + d), {}) for s, d in enumerate(NOISE)]
    return Outcome(title, rows, {}, "0.01")


def grid(without: tuple[str, ...] = ()) -> dict[str, dict[str, Outcome]]:
    """Validation prefers the MLP, `middle` and `teacher`; the test rows prefer the probe, `several` and `distilled`."""
    found = {}
    for feature in FEATURES:
        gain = {"middle": 0.05, "several": 0.07, "distilled": 0.09, "teacher": 0.08}.get(feature, 0.0)
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


def page(without: tuple[str, ...] = ()) -> Features:
    published = outcome("QD-LLM", 0.6, 0.5)
    teacher = Row({"kind": "teacher", "pretraining_steps": 0}, {"name": "minilm", "acc": 0.7}, {})
    made = grid(without)
    absent = dict.fromkeys(without, "not there")
    panel = Panel("Hiding", teacher, published, made, absent, features.steps(published, made, LABELS))
    parameters = Parameters(VALUES)
    return Features(parameters, [panel], Comparison("", "authors", None, parameters, [], Store()))


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
    assert {step.difference.family for step in steps.values()} == {len(STEPS)}


def test_a_teacher_without_states_leaves_its_feature_out_and_says_so():
    shown = page(without=("teacher",))
    assert shown.panels[0].steps["fine_tuned"].after == "distilled"
    assert "the teacher's own; not there" in str(features_views.grid_table(shown)).replace("&#x27;", "'")


def test_only_on_the_tasks_named_the_embedder_is_fine_tuned(monkeypatch):
    asked = {}

    def measured(fair, paper, seeds, distilled):
        asked[fair.source.task] = distilled
        return page().panels[0]

    monkeypatch.setattr(features, "measure", measured)
    features.run(Parameters(VALUES | {"tasks": "all", "distilled": "hiding, thematic"}))
    assert asked == {"emotion": False, "hiding": True, "thematic": True}
    features.run(Parameters(VALUES | {"tasks": "emotion", "distilled": None}))
    assert asked["emotion"]


def test_without_a_fine_tuned_feature_there_is_no_step_to_one():
    shown = page(without=("teacher", "distilled"))
    (panel,) = shown.panels
    assert list(panel.steps) == [name for name in STEPS if name != "fine_tuned"]
    assert {step.difference.family for step in panel.steps.values()} == {len(STEPS) - 1}
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
    forest = plots.forest(shown.groups(), "before", shown.parameters.demo)
    assert [label.get_text() for label in forest.axes[0].get_yticklabels()] == list(STEPS.values())
