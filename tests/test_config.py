"""The presets are the ones that were agreed on, and what cannot be run is refused in a sentence."""

from dataclasses import asdict

import pytest

from qdllm_utils.config import PRESETS, SCALES, TASKS, Knobs, changed, knobs

# DESIGN's table of presets, one line a preset.
COLUMNS = ("layers", "pooling", "learning_rate", "schedule", "batch_size", "epochs", "scaling", "alpha")
COLUMNS += ("temperature", "divergence", "qubits", "soft", "standardise")
TABLE = {
    "paper": (11, "last", 0.06, "constant", 8, 10, "minmax", 0.9, 2.0, "jensen_shannon", 11, "kl+js", False),
    "released": (2, "last", 0.06, "constant", 8, 10, "minmax", 0.5, 2.0, "released", 11, "kl+js", False),
    "tuned": (2, "chosen", 0.003, "cosine", 32, 10, "tanh", 0.9, 2.0, "jensen_shannon", 11, "kl+js", False),
}


@pytest.mark.parametrize("preset", TABLE)
def test_a_preset_is_its_line_of_the_table(preset):
    assert asdict(PRESETS[preset]) == dict(zip(COLUMNS, TABLE[preset], strict=True))


def test_a_later_knob_stands_in_a_key_only_where_it_is_not_the_default():
    assert set(PRESETS["paper"].identity) == set(COLUMNS) - {"soft", "standardise"}
    for later in ({"soft": "js"}, {"standardise": True}):
        assert knobs("paper", **later).identity == PRESETS["paper"].identity | later


def test_there_are_no_other_presets_scales_or_tasks():
    assert list(PRESETS) == list(TABLE)
    assert list(SCALES) == ["demo", "cpu", "paper"]
    assert {name: (task.folder, task.classes) for name, task in TASKS.items()} == {
        "emotion": ("senti", ("neg", "pos")),
        "hiding": ("stega", ("neg", "pos")),
        "thematic": ("topic", ("business", "sci", "sport", "world")),
    }


def test_an_unknown_preset_is_refused_with_the_known_ones(refused):
    with refused("'papre'", "paper, released, tuned"):
        knobs("papre")


def test_an_unknown_knob_is_refused_with_the_known_ones(refused):
    with refused("'learningrate'", "learning_rate", "batch_size"):
        knobs("paper", learningrate=0.1)


@pytest.mark.parametrize(
    ("knob", "value", "allowed"),
    [
        ("pooling", "max", "last, mean, cls"),
        ("scaling", "linear", "minmax, tanh"),
        ("divergence", "js", "jensen_shannon, released"),
        ("schedule", "step", "constant, cosine"),
        ("soft", "ce", "kl+js, kl, js"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_known_ones(refused, knob, value, allowed):
    with refused(knob, repr(value), allowed):
        knobs("paper", **{knob: value})


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("layers", 0),
        ("layers", 101),
        ("qubits", 1),
        ("qubits", 21),
        ("epochs", 0),
        ("epochs", -3),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("alpha", -0.1),
        ("alpha", 1.1),
        ("alpha", float("nan")),
        ("temperature", 0.0),
        ("temperature", "2"),
    ],
)
def test_a_knob_out_of_range_is_refused_with_its_range(refused, knob, value):
    with refused(knob, repr(value), "between"):
        knobs("tuned", **{knob: value})


@pytest.mark.parametrize("knob", ["layers", "qubits", "epochs", "batch_size"])
def test_a_fraction_of_a_layer_qubit_epoch_or_row_is_refused(refused, knob):
    with refused(knob, "2.5"):
        Knobs(**{knob: 2.5})


@pytest.mark.parametrize(
    ("knob", "edge"), [("alpha", 0), ("alpha", 1), ("layers", 1), ("layers", 100), ("qubits", 2), ("qubits", 20)]
)
def test_the_ends_of_a_range_are_allowed(knob, edge):
    assert getattr(knobs("paper", **{knob: edge}), knob) == edge


def test_only_what_is_set_changes_a_preset_and_is_told():
    chosen = knobs("tuned", layers=3, epochs=None, alpha=0.9)
    assert chosen == Knobs(3, 11, "chosen", "tanh", 10, 32, 0.003, "cosine", 0.9, 2.0, "jensen_shannon")
    assert changed("tuned", chosen) == {"layers": 3}
    assert changed("tuned", PRESETS["tuned"]) == {}
