"""Tables 1 and 2: counted on the authors' files, by hand on a few texts, and what is said of them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from qdllm_utils.config import SCALES, TASKS
from qdllm_utils.pages import table1, table2
from qdllm_utils.texts.sources import Corpus, statistics


def texts_of(average: float, count: int, task: str) -> table1.TaskTexts:
    """A task's texts with this average length, as far as the page looks at them."""
    numbers = {"texts": count, "classes": 2, "average length": average, "words": average * count, "vocabulary": 9}
    corpus = Corpus(task, ("a b", "c"), np.array([0, 1]), ("neg", "pos"), 0, 0)
    return table1.TaskTexts("authors", numbers, numbers, corpus)


@pytest.fixture
def texts() -> dict[str, table1.TaskTexts]:
    """Lengths as they were measured on the authors' files (words between spaces)."""
    given = {"emotion": (13.3, 20_000), "hiding": (10.6, 4_000), "thematic": (31.8, 8_000)}
    return {task: texts_of(*values, task) for task, values in given.items()}


def test_printed_lengths_are_given_to_the_task_that_has_them(texts):
    said = str(table1.verdict(texts, demo=False))
    assert said.startswith("Not reproduced: only training files were released (emotion analysis 20,000 of 24,000 texts")
    assert "printed for emotion (33.1704) is that of thematic" in said
    assert "printed for thematic (13.9625) is that of emotion" in said and "printed for hiding" not in said
    assert table1.owner(100.0, texts) is None
    assert table1.verdict(texts, demo=True).status == "not attempted"


def test_contradictions_divide_every_token_count_by_every_length(texts):
    """By hand: 335,101 / 13.9625 = 24,000.1; 331,704 / 33.1704 = 10,000.0; 53,996 / 10.7992 = 5,000.0."""
    shown = re.sub("<[^>]+>", " ", table1.contradictions_table(texts, demo=False))
    rows = {title: shown.partition(title)[2] for title in ("Emotion analysis", "Hiding detection", "Thematic analysis")}
    assert re.findall(r"[\d,]+\d(?= )", rows["Emotion analysis"])[1:4] == ["10,102", "31,030", "24,000"]
    assert re.findall(r"[\d,]+\d(?= )", rows["Hiding detection"])[1:4] == ["1,628", "5,000", "3,867"]
    assert re.findall(r"[\d,]+\d(?= )", rows["Thematic analysis"])[1:4] == ["10,000", "30,716", "23,757"]


def test_statistics_are_counted_before_and_after_cleaning(monkeypatch):
    """Five times 2 + 3 + 4 + 5 words, and one of the texts again in another writing."""
    lines = [("a", "neg"), ("a b", "pos"), ("a b c", "neg"), ("a b c d", "pos")]
    rows = [(f"{text} x{number}", label) for number in range(5) for text, label in lines]
    rows.append(("A  B c D X0", "pos"))
    monkeypatch.setattr(table1.Source, "rows", property(lambda self: rows))
    monkeypatch.setattr("qdllm_utils.pages.table1.TASKS", {"emotion": TASKS["emotion"]})
    found = table1.read(replace(SCALES["cpu"], max_texts=2), None)["emotion"]
    assert (found.raw["texts"], found.raw["words"]) == (21, 75) and found.raw["average length"] == 75 / 21
    assert (found.cleaned["texts"], found.cleaned["words"]) == (20, 70)
    assert found.per_class == {"neg": 10, "pos": 10} and found.cleaned == statistics(found.corpus)


def test_the_authors_files_are_what_the_specification_says(authors_data):
    found = table1.read(SCALES["cpu"], str(authors_data))
    assert [found[task].raw["texts"] for task in TASKS] == [20_000, 4_000, 8_000]
    assert found["emotion"].raw["average length"] == pytest.approx(13.3, abs=0.05)
    assert found["thematic"].raw["average length"] == pytest.approx(31.8, abs=0.05)
    assert [found[task].corpus.duplicates for task in TASKS] == [85, 0, 136]
    assert "paper 24,000" in table1.statistics_table(found, demo=False)
    assert "is that of thematic" in table1.verdict(found, demo=False).why


def test_table_2_holds_the_environment_and_a_simulator_that_agrees_with_pennylane():
    import platform

    found = table2.measure()
    assert (found.qubits, found.python) == (11, platform.python_version()) and 0 < found.difference < 1e-9
    shown = table2.settings_table(found)
    assert platform.python_version() in shown and "mindquantum=0.9.0" in shown
    assert table2.verdict(found).status == "reproduced"
    wrong = replace(found, difference=0.1)
    assert table2.verdict(wrong).status == "not reproduced" and "does not agree" in table2.verdict(wrong).why
