"""The benchmarks run by hand: the card's takes the same way on any machine, in small; the peers' agree with us first.

Nothing is said here of how fast anything is.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), *arguments]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_cards_benchmark_takes_the_same_way_in_small(tmp_path):
    teachers = ("bloomz-1.1b", "opt", "llama3")
    small = ("--tiny", "--device", "cpu", "--steps", "1", "--batch", "2", "--tokens", "8", "--checkpointing")
    done = run(*small, "--teachers", *teachers, "--students", "quantum", "--json", str(tmp_path / "rows.json"))
    assert done.returncode == 0, done.stderr[-1000:]
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["name"] for row in rows] == [*teachers, "quantum"]
    for row in rows:
        assert row["source"] == "random weights, timing only, tiny configurations" and row["device"] == "CPU"
        assert row["seconds"] > 0 and row["peak_gb"] > 0 and row["trained"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="a card is here")
def test_without_a_card_it_is_a_sentence():
    done = run()
    assert done.returncode == 1 and done.stderr.startswith("There is no CUDA device here") and not done.stdout


def test_every_published_peer_agreed_before_it_was_timed():
    rows = json.loads((BENCHMARKS / "simulator.json").read_text())
    for row in rows:
        assert row["agrees"] or row["cpu_ms"] is None or row["students"] > 1, row
        assert row["version"] and row["note"] == "" if row["cpu_ms"] else row["note"]


def test_every_contestant_stands_in_the_list_of_its_environment_at_the_version_published(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from contestants import CONTESTANTS

    rows = json.loads((BENCHMARKS / "simulator.json").read_text())
    published = {row["simulator"]: row["version"] for row in rows if row["version"]}
    for name, contestant in CONTESTANTS.items():
        if contestant.environment:
            lines = (BENCHMARKS / f"{contestant.environment}.txt").read_text().splitlines()
            assert f"{contestant.package}=={published[name]}" in lines, name


def test_a_contestant_that_ended_is_a_row_with_a_note(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from simulator import ENDED, Worker

    worker = Worker("any", sys.executable, 5)
    worker.process = subprocess.Popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker.process.wait()
    assert worker.ask(time="train") == {"failed": ENDED} and worker.process is None
