"""The data of the page *Try the student* are those of the published rows and of our generator's texts."""

import re

import numpy as np
import pytest

from qdllm_utils.show import try_student

FOLDER = try_student.FOLDER
PAGE = FOLDER.parents[1] / "try.md"


@pytest.fixture(scope="module")
def fresh():
    return try_student.everything()


@pytest.fixture(scope="module")
def stored():
    return try_student.read((FOLDER / "students.js").read_text(encoding="utf-8"))


def test_the_script_is_current(fresh, stored):
    assert stored["gates"] == fresh["gates"] and stored["students"].keys() == fresh["students"].keys()
    for task, student in stored["students"].items():
        again = fresh["students"][task]
        exact = ("title", "key", "commit", "accuracy", "classes", "weights", "head", "bias")
        assert {name: student[name] for name in exact} == {name: again[name] for name in exact}
        assert [(one["text"], one["label"]) for one in student["texts"]] == [
            (one["text"], one["label"]) for one in again["texts"]
        ]
        angles = [np.array([text["angles"] for text in one["texts"]]) for one in (student, again)]
        assert np.abs(angles[0] - angles[1]).max() < 1e-3  # the embedder's float32 differs from machine to machine
        for old, new in zip(student["terms"], again["terms"], strict=True):
            assert np.allclose([c for c, _ in old], [c for c, _ in new], atol=1e-12)


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
