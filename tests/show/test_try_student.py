"""The data of the page *Try the student* are those of the published rows and of our generator's texts."""

import re

import numpy as np
import pytest

from qdllm_utils.show import try_student

FOLDER = try_student.FOLDER
PAGE = FOLDER.parents[1] / "try.md"


@pytest.fixture(scope="module")
def stored():
    return try_student.read((FOLDER / "students.js").read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", try_student.ROWS)
def test_the_numbers_are_the_rows(stored, task):
    again = try_student.numbers_of(task, try_student.row_of(try_student.ROWS[task]))
    assert {name: stored["students"][task][name] for name in again} == again
    assert stored["gates"] == try_student.gates()


def test_the_texts_are_our_generators(stored):
    fresh = try_student.texts_of()
    for task, student in stored["students"].items():
        pairs = [[(one["text"], one["label"]) for one in texts] for texts in (student["texts"], fresh[task])]
        assert pairs[0] == pairs[1] and len(pairs[0]) == try_student.TEXTS
        angles = [np.array([one["angles"] for one in texts]) for texts in (student["texts"], fresh[task])]
        assert np.abs(angles[0] - angles[1]).max() < 1e-3  # the embedder's float32 differs from machine to machine


def test_the_terms_are_the_largest_of_the_expansion(stored):
    """Of one student; `make test-browser` holds those of all three against Python."""
    counts, terms = try_student.terms_of(try_student.trained(try_student.row_of(try_student.ROWS["hiding"])))
    student = stored["students"]["hiding"]
    assert student["counts"] == counts
    for old, new in zip(student["terms"], terms, strict=True):
        assert [word for _, word in old] == [word for _, word in new]
        assert np.allclose([size for size, _ in old], [size for size, _ in new], atol=1e-12)


def test_the_picture_is_current(stored):
    assert (FOLDER / "picture.svg").read_text(encoding="utf-8") == try_student.picture(stored)


def test_the_page_names_the_rows(stored):
    lines = re.findall(r"\| (\w+) \| `(\S+)` \| `(\w+)` \| ([\d.]+)% \|", PAGE.read_text(encoding="utf-8"))
    told = {task: (key, commit, accuracy) for task, key, commit, accuracy in lines}
    assert told == {
        task: (one["key"], one["commit"], f"{100 * one['accuracy']:.1f}") for task, one in stored["students"].items()
    }


def test_a_sharp_bracket_cannot_end_the_script():
    text = try_student.script({"text": "</script>"})
    assert "</script" not in text and try_student.read(text) == {"text": "</script>"}
