"""A row computed again from its identity: the same where nothing changed, told where something did."""

import json
import os

import pandas as pd
import pytest

from qdllm_utils import __main__ as commands
from qdllm_utils.config import SCALES
from qdllm_utils.runs import recompute as module
from qdllm_utils.runs.experiments import ON_EMBEDDINGS_RECIPE, STUDENTS, WIDE
from qdllm_utils.runs.recompute import differences, recompute
from qdllm_utils.runs.store import PUBLISHED, Row, Store
from qdllm_utils.show.frame import frame_of, rows
from qdllm_utils.texts.sources import Source


def test_an_unknown_key_is_refused_with_the_command_that_lists_them(refused):
    with refused("'student-0'", "python -m qdllm_utils rows"):
        recompute("student-0")


def test_what_a_page_computes_is_sent_to_its_page(refused):
    (key,) = rows("surrogate", kind="surrogate")["key"].head(1)
    with refused(key, "-p refresh True"):
        recompute(key)


def test_times_are_no_difference_and_anything_else_is():
    published = {"acc": 0.5, "history": [0.1, 0.2], "epoch_seconds": 1.0}
    assert differences(published, {"acc": 0.5, "history": [0.1, 0.2], "epoch_seconds": 9.0, "predicted": "new"}) == {}
    assert differences(published, {"acc": 0.6, "history": [0.1, 0.3]}) == {
        "acc": (0.5, 0.6),
        "history": ([0.1, 0.2], [0.1, 0.3]),
    }


def test_a_row_of_an_earlier_recipe_says_so(refused):
    with refused("student-1", "earlier recipe", "student-"):
        module.check_same("student-1", {"kind": "student", "recipe": 2})


def test_every_student_of_today_is_known(refused):
    for student in (*STUDENTS, *WIDE, "cosine", "lsfls", "textrcnn"):
        module.check_known("student-1", student)
    with refused("student-1", "whose student sparse is gone"):
        module.check_known("student-1", "sparse")


def test_a_published_row_comes_out_again(authors_data):
    """TF-IDF on hiding detection, which needs no embedding: seconds once the texts are read."""
    (key,) = set(rows(task="hiding", student="tfidf")["key"])
    check_again(key, recompute(key, str(authors_data)))


@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get("QDLLM_SLOW"), reason="two minutes of embedding on a core; QDLLM_SLOW=1 runs it")
def test_a_published_student_on_an_embedding_comes_out_again(authors_data):
    """The linear probe on MiniLM's states of hiding detection, seed 0."""
    found = rows(task="hiding", embedder="minilm", student="linear", seed=0, teacher="minilm")
    recent = [key for key in found["key"] if Store().find(key).identity["recipe"] == ON_EMBEDDINGS_RECIPE]
    check_again(recent[0], recompute(recent[0], str(authors_data)))


def check_again(key: str, again: module.Again) -> None:
    """On another processor the last bits differ, and the classes of a few of the 800 texts with them."""
    assert abs(again.again.result["acc"] - again.published.result["acc"]) < 0.01
    assert set(again.differing) <= {"acc", "p", "r", "f1", "predicted", "validation", "best_epoch", "history", "tried"}
    assert key in again.sentence


def test_rows_are_a_frame_of_every_published_row(refused):
    frame = rows()
    published = [json.loads(line) for path in PUBLISHED.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(frame) == len(published) == frame["key"].nunique()
    accuracies = {row["key"]: row["result"].get("acc") for row in published}
    seen = frame.set_index("key")["acc"].to_dict()
    assert all(seen[key] == value for key, value in accuracies.items() if value is not None)
    some = rows("controls", task="hiding", student="mlp")
    assert len(some) and set(some["task"]) == {"hiding"} and set(some["student"]) == {"mlp"}
    with refused("'nonsense'", "controls"):
        rows("nonsense")
    with refused("'colour'", "task"):
        rows("controls", colour="red")


def test_a_notebooks_frame_has_the_lines_of_the_published_one():
    published = rows("table6").drop(columns="page").sort_values("key", ignore_index=True)
    found = [Store().find(key) for key in published["key"]]
    pd.testing.assert_frame_equal(frame_of([*found, found[0]]).sort_values("key", ignore_index=True), published)
    data = {"fingerprint": Source("hiding", SCALES["demo"]).fingerprint, "split_seed": 0}
    assert frame_of([Row({"kind": "tfidf", "data": data}, {"acc": 0.5}, {})])["task"].tolist() == ["hiding"]


def test_the_command_lists_rows_and_ends_an_unknown_key_with_one_sentence(capsys):
    commands.main(["rows", "--page", "controls", "--task", "hiding", "--student", "linear", "--seed", "0"])
    shown = capsys.readouterr().out
    assert "hiding" in shown and shown.strip().endswith("rows.")
    with pytest.raises(SystemExit, match="InputError: There is no row"):
        commands.main(["recompute", "student-0"])
