"""Times: turns are taken, medians are medians, the sizes are the paper's, and the implied epochs are arithmetic."""

import json
import time

import pytest

from qdcircuits.errors import InputError
from qdllm_utils.pages import timing, timing_views
from qdllm_utils.pages.timing import Contestant
from qdllm_utils.parameters import Parameters
from qdllm_utils.show import paper


def test_contestants_take_turns_and_their_medians_are_scaled() -> None:
    calls: list[str] = []
    pauses = iter([0.5, 0.02, 0.02, 0.3, 0.02, 0.02])  # the first, a compilation, and one disturbance do not count

    def step_a() -> None:
        calls.append("a")
        time.sleep(next(pauses))

    found = {
        "a": Contestant(lambda: calls.append("A"), 10, {"batch": 4}, step_a, batches=50),
        "b": Contestant(lambda: time.sleep(0.03), 10, {}),
    }
    result = timing.time_in_turns(found, steps=5, calls=2)
    assert calls == ["a"] * 6 + ["A"] * 3
    assert 1.0 <= result["a"]["epoch_wall_s"] < 2.0  # 50 steps of 20 ms
    assert result["a"]["epoch_cpu_s"] < 0.3  # asleep, not at work
    assert 3.0 <= result["b"]["infer_wall_ms"] < 6.0  # 30 ms for ten texts
    assert "epoch_cpu_s" not in result["b"]


def test_the_paper_sizes_are_those_of_table_3() -> None:
    printed = paper.table("parameters").set_index("name")["parameters"]
    for name in ("tinybert", "minillm"):
        model = timing.baseline(name, "paper", classes=2)
        assert f"{model.trainable() / 1e6:.2f}M" == printed[name]
    assert timing.baseline("pkd", "paper", classes=2).describe() == "4 x 768"
    assert timing.baseline("pkd", "small", classes=2).describe() == "2 x 384"


def test_implied_epochs_are_those_of_the_specification() -> None:
    """SPEC, section 8: 464-587 s on emotion, 81-92 s on hiding, 131-284 s on thematic."""
    for task, low, high in (("emotion", 464, 587), ("hiding", 81, 92), ("thematic", 131, 284)):
        seconds = timing.implied_epoch_seconds(task, "quantum").values()
        assert len(seconds) == 5
        assert (round(min(seconds)), round(max(seconds))) == (low, high)


@pytest.mark.parametrize(("name", "value"), [("sizes", "large"), ("steps", 0)])
def test_bad_parameters_end_in_one_sentence(name: str, value: object) -> None:
    values = {"scale": "demo", "sizes": "small", "steps": 3, "preset": "paper", "data_dir": None, "refresh": False}
    with pytest.raises(InputError, match=name):
        timing.time_tasks(Parameters(values | {name: value}))


def test_a_missing_or_broken_benchmark_file_is_named(tmp_path) -> None:
    broken = tmp_path / "mine.json"
    broken.write_text("{")
    for path in (broken, tmp_path / "absent.json"):
        with pytest.raises(InputError, match=path.name):
            timing_views.benchmark(str(path))


def test_the_peers_table_divides_by_our_own_time() -> None:
    row = {"n": 11, "layers": 2, "batch": 8, "students": 1, "task": "train", "version": "1", "wall_ms": 1, "note": ""}
    rows = [row | {"simulator": "qdllm numba", "cpu_ms": 2.0}, row | {"simulator": "default.qubit", "cpu_ms": 100.0}]
    shown = timing_views.peers_table(json.loads(json.dumps(rows)))
    assert "100.00 ms" in shown
    assert "50.0 x" in shown


def test_the_verdict_counts_the_embedder_in() -> None:
    def row(quantum: float, embedder: float) -> object:
        others = {
            name: {"epoch_cpu_s": 9.0, "infer_cpu_ms": 1.0} for name in ("tinybert", "minillm", "distilbert", "pkd")
        }
        own = {"quantum": {"epoch_cpu_s": 1.0, "infer_cpu_ms": quantum}, "embedder": {"infer_cpu_ms": embedder}}
        return type("Row", (), {"result": others | own})()

    quick = timing_views.verdict({"emotion": row(0.1, 0.5)}, demo=False)
    slow = timing_views.verdict({"emotion": row(0.1, 5.0)}, demo=False)
    assert (quick.status, slow.status) == ("reproduced", "not reproduced")


def test_the_sentence_names_the_fastest_peer_of_each_case_and_where_it_is_faster():
    def row(simulator, n, cpu):
        case = {"n": n, "layers": 2, "batch": 8, "students": 1, "task": "train"}
        return case | {"simulator": simulator, "cpu_ms": cpu}

    rows = [row("qdllm numba", 11, 2.0), row("qdllm torch", 11, 1.0), row("qulacs", 11, 10.0), row("torq", 11, 6.0)]
    rows += [row("qdllm numba", 8, 2.0), row("qulacs", 8, 1.0), row("torq", 8, None)]
    short, sentence = timing_views.peers_sentence(rows, False).facts["verdicts"]
    torq, qulacs = (timing_views.SIMULATORS[name] for name in ("torq", "qulacs"))
    assert f"3.0 at 2 layers and 8 texts ({torq})." in sentence
    assert f"Faster than ours: 8 qubits, 2 layers, 8 texts ({qulacs}, 0.50)." in sentence
    assert "3.0 to 3.0 times our" in short and "in 1 of 2 cases timed another one is faster" in short


def test_the_table_of_texts_is_over_the_fastest_of_the_baselines():
    times = {"tinybert": 2.0, "pkd": 4.0, "quantum@static": 0.1, "setfit": 0.5}
    rows = [
        {"model": name, "version": "", "note": "", "accuracy": 0.9, "low": 0.8, "high": 0.95, "cpu_ms": value,
         "wall_ms": 2 * value, "tokenising": None, "rounds": 3, "date": "2026-01-01", "texts": 50, "test_texts": 10,
         "data": "a.csv"}
        for name, value in times.items()
    ]  # fmt: skip
    shown = timing_views.texts_table(rows)
    parts = shown.split("<tr")
    ratios = {name: row for name in ("static", "setfit", "TinyBERT", "PKD") for row in parts if name in row}
    assert "20.0" in ratios["static"] and "10,000" in ratios["static"]
    assert "4.0" in ratios["setfit"] and "1.0" in ratios["TinyBERT"] and "0.5" in ratios["PKD"]
