"""Bad parameters and files end a notebook with one sentence, at once."""

import time

import pytest

from tests.notebooks.running import run_papermill


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (("-p", "teacher", "nonsense"), "Unknown teacher 'nonsense': choose one of bloomz-1.1b"),
        (("-p", "techer", "opt"), "Unknown parameter 'techer': this notebook takes teacher, scale"),
        (("-p", "scale", "huge"), "Unknown scale 'huge': choose one of demo, cpu, paper"),
        (("-p", "seeds", "0"), "seeds is 0: it must be a whole number from 1 to 1000"),
        (("-p", "epochs", "-3"), "epochs is -3: it must be a whole number between 1 and 1000"),
        (("-p", "pooling", "max"), "Unknown pooling 'max': choose one of last, mean, cls"),
        (("-p", "teacher", "./no/such/folder"), "There is no folder './no/such/folder'"),
    ],
)
def test_bad_parameter_ends_with_one_sentence(parameters, sentence, tmp_path):
    store = tmp_path / "store"
    done = run_papermill("table4", tmp_path / "out.ipynb", *parameters, QDLLM_STORE=str(store))
    assert done.returncode != 0
    assert f"InputError: {sentence}" in done.stderr
    assert "site-packages/qdllm" not in done.stderr and not store.exists()


def test_paper_scale_offline_fails_at_once(tmp_path):
    store = tmp_path / "store"
    start = time.perf_counter()
    done = run_papermill("table4", tmp_path / "out.ipynb", "-p", "scale", "paper", QDLLM_STORE=str(store))
    assert done.returncode != 0 and time.perf_counter() - start < 30
    assert "is neither in the local cache nor can the hub be reached" in done.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "texts.csv"),
        (b"words,label\na,b\n", "text_column"),
        (b"text,label\na,x\nb,x\n", "texts.csv"),
        (b"text,label\n\xff\xfe,x\n", "encoding"),
    ],
)
def test_bad_csv_ends_with_one_sentence(content, sentence, tmp_path):
    path = tmp_path / "texts.csv"
    path.write_bytes(content)
    done = run_papermill(
        "own_texts", tmp_path / "out.ipynb", "-p", "csv", str(path), QDLLM_STORE=str(tmp_path / "store")
    )
    assert done.returncode != 0
    assert "InputError: texts.csv" in done.stderr and sentence in done.stderr
