"""Files of a store: written whole or not at all, by one writer at a time, in a folder that is tried beforehand."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qdcircuits.errors import InputError

TRIAL = 2**20  # bytes written to see whether there is room
CLAIMS = ".claims"
LOOK = 1.0  # seconds between two looks at what another process holds


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other writers, so that none takes away arrays that another has just named."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise no_room(folder / "a row", error) from error
    try:
        yield
    finally:
        lock.release()


def no_room(path: Path, error: Exception) -> InputError:
    """The sentence for a file that could not be written."""
    return InputError(
        f"{path.name} could not be written to {path.parent.name}/ ({getattr(error, 'strerror', None) or error}): make "
        "room or set QDLLM_STORE to another folder; the store is as it was."
    )


def write(files: dict[Path, bytes]) -> None:
    """Write files so that all are there whole or none is: each beside its place first, then moved into it."""
    staged: dict[Path, str] = {}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, staged[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(staged[path], 0o644)
        for path in files:
            os.replace(staged[path], path)
    except OSError as error:
        raise no_room(next(reversed(files)), error) from error
    finally:
        for temporary in staged.values():
            Path(temporary).unlink(missing_ok=True)


def try_folder(folder: Path) -> None:
    """Raise InputError where a row could not be written to the folder: hours of training would be lost at their end."""
    with locked(folder):
        sweep(folder)
        trial = folder / ".trial"
        try:
            with trial.open("wb") as file:
                file.write(bytes(TRIAL))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise no_room(folder / "A row", error) from error
        finally:
            trial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Take away what writers that were killed left half-written; only while `locked`, when nobody else writes."""
    for pattern in (".*.json.*", ".*.npz.*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


class Claim:
    """A run that this process makes and no other: a lock of the system, gone with the process however it ends.

    Where the file system has no locks (some network disks), every claim is granted: a run may then be made twice.
    """

    def __init__(self, folder: Path, key: str) -> None:
        """The claim on the run `key` of a store; nothing is held yet."""
        self.path = folder / CLAIMS / f"{key}.lock"
        self.lock = FileLock(self.path)

    def take(self) -> bool:
        """Hold it if nobody else does; whether it is held now."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=0)
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            return True
        return True

    def release(self) -> None:
        """Let others have it, and leave no file behind."""
        if self.lock.is_locked:
            self.path.unlink(missing_ok=True)  # who waits for it looks into the store before it starts
            self.lock.release()

    @contextmanager
    def held(self, told: str, say: Callable[[str], None]) -> Iterator[None]:
        """Wait until it is free, saying `told` once, then hold it."""
        if not self.take():
            say(told)
            while not self.take():
                time.sleep(LOOK)
        try:
            yield
        finally:
            self.release()
