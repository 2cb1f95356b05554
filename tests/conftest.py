"""What all tests share: a hermetic environment, the authors' data where it is, and the check of a refusal."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Two processes of tests share the cores: more threads than cores make OpenMP spin, many times slower than one thread.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Set before anything imports the hub's client, which reads it once: no test may wait for the network.
os.environ["HF_HUB_OFFLINE"] = "1"
DATA = Path(os.environ.get("QDLLM_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A store of its own for each test, no hub, and none of the caller's settings of this project."""
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path_factory.mktemp("store")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("QDLLM_DATA", "QDLLM_DASK", "QDLLM_WORKERS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def authors_data() -> Path:
    """The folder of the authors' files: QDLLM_DATA, or ../shared/data beside the checkout."""
    if not (DATA / "SHA256SUMS").is_file():
        pytest.skip(f"the authors' data is not in {DATA}")
    return DATA


@contextmanager
def expect_refusal(*mentions: str) -> Iterator[None]:
    from qdcircuits.errors import InputError

    with pytest.raises(InputError) as caught:
        yield
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".") and len(sentence) < 400
    assert caught.value._render_traceback_() == [f"InputError: {sentence}"]
    for mention in mentions:
        assert mention in sentence


@pytest.fixture(scope="session")
def refused() -> Callable[..., AbstractContextManager[None]]:
    """`with refused("a", "b"):` expects an InputError of one line that names a and b."""
    return expect_refusal
