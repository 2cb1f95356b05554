import pytest

from qdllm_utils.pages import anatomy, anatomy_views
from qdllm_utils.parameters import Parameters


def parameters(**changes):
    given = {"scale": "demo", "preset": "released", "layers": 2, "qubits": 4, "samples": 100, "refresh": False}
    return Parameters(given | changes)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDLLM_STORE", str(tmp_path_factory.mktemp("store")))
        patch.setattr(anatomy, "DEPTHS", (1, 3))
        patch.setattr(anatomy, "SMALL_DEPTHS", (1, 2))
        patch.setattr(anatomy, "PLATEAU_QUBITS", (3, 4))
        patch.setattr(anatomy, "PLATEAU_DEPTHS", (1, 2))
        yield anatomy.study(parameters())


def test_counts_are_of_every_depth_and_of_the_students_own(study):
    rows = study.row.result["depths"]
    assert [row["layers"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row["rank"] == row["independent"] < row["weights"] - row["dead"]
        assert row["dead_gradient"] < 1e-12 < 1e-6 < row["live_gradient"]
    assert list(study.row.result["untouched"]) == ["3"] and study.row.result["untouched"]["3"] < 1e-12


def test_tables_show_the_rows_numbers(study):
    counts = anatomy_views.counts_table(study)
    for row in study.row.result["depths"]:
        assert f"<td>{row['dead']}</td><td>{row['effective']}</td><td>{row['independent']}</td>" in counts
    assert "= cos z<sub>3</sub>" in counts
    shares = anatomy_views.shares_table(study)
    for text in ("9,275", "8,459 (91.2%)", "9,299", "8,627", "47 (0.5%)", "299 (3.2%)"):
        assert text in shares
    note = anatomy_views.sampled_note(study)
    assert "100 pairs" in note and "demo scale: not a result" in note
    assert "1 row, source: measured" in anatomy_views.provenance_strip(study)


def test_figures_show_the_light_cones_and_the_watermark(study):
    cones = anatomy_views.cones(study)
    labels = [text.get_text() for text in cones.axes[0].get_yticklabels()]
    assert len(cones.axes) == 3 and labels[-1] == "3 (0)"
    sampled = anatomy_views.sampled(study)
    assert any(text.get_text() == "demo" for text in sampled.texts)
    assert anatomy_views.diagram(study).axes


@pytest.mark.parametrize(
    ("change", "mentions"),
    [({"samples": 99}, ("samples is 99", "between 100")), ({"qubits": 2}, ("qubits is 2", "3 to 20"))],
)
def test_bad_parameters_are_refused(refused, change, mentions):
    with refused(*mentions):
        anatomy.study(parameters(**change))
