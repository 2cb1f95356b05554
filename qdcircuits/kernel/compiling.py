"""numba's compiler with a cache that is never stale and needs no writable package folder.

numba's own cache notices a change in the file of the compiled function, not in the files of the functions
that it calls. Here the folder's name is a digest of all these files: another text, another folder.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

SOURCES = ("compiling.py", "registers.py", "pieces.py", "forward_backward.py")

# Not fastmath=True: a NaN must come out as a NaN.
OPTIONS: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy", "nogil": True}


def cache_folder() -> Path:
    """Where compiled code is kept: in NUMBA_CACHE_DIR, XDG_CACHE_HOME or ~/.cache."""
    texts = [Path(__file__).with_name(name).read_bytes() for name in SOURCES]
    digest = hashlib.sha256(b"".join(texts)).hexdigest()[:16]
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "qdllm-utils" / digest


def forgiving(function: Any) -> Any:
    """A compiled function that goes on where its code cannot be kept: a full disk is no reason not to compute."""
    keep = function._cache.save_overload

    def keep_where_there_is_room(*given: Any) -> None:
        with contextlib.suppress(OSError):
            keep(*given)

    function._cache.save_overload = keep_where_there_is_room
    return function


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled at its first call and kept for the next process where that can be."""
    settings: Any = numba.config
    before = settings.CACHE_DIR
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        settings.CACHE_DIR = str(folder)
        return forgiving(numba.njit(cache=True, **OPTIONS)(function))
    except (OSError, RuntimeError):  # no home, no right to write, no source file: compiled in each process
        return numba.njit(**OPTIONS)(function)
    finally:
        settings.CACHE_DIR = before
