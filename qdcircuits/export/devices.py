"""Which PennyLane device runs a circuit: the fastest that is installed and works, said aloud.

lightning.gpu needs the extra `[gpu]` and an NVIDIA driver; lightning.qubit is C++ on the CPU; default.qubit is Python
and always there.
"""

from functools import lru_cache
from typing import Any

import pennylane as qml

from qdcircuits.errors import InputError

CHAIN = ("lightning.gpu", "lightning.qubit", "default.qubit")


def device(wires: int, name: str = "auto") -> Any:
    """A PennyLane device for so many qubits: `auto` (the first of CHAIN that works) or any device by its name.

    The choice of `auto` is printed once a process, with the reason for each that was passed over. A device asked for
    by name is never replaced by another: an InputError says why it cannot be had.
    """
    if name == "auto":
        return qml.device(first_that_works(), wires=wires)
    try:
        return qml.device(name, wires=wires)
    except Exception as error:
        raise InputError(
            f"The PennyLane device {name!r} cannot be used ({why(error)}): install its plugin, or choose auto or "
            f"one of {', '.join(CHAIN)}."
        ) from error


@lru_cache(maxsize=1)
def first_that_works() -> str:
    """The first device of CHAIN that can be made and runs a circuit; prints which and why not those before it."""
    passed = []
    for name in CHAIN:
        try:
            works(name)
        except Exception as error:  # absent plugins, absent drivers and broken CUDA set-ups raise all sorts of errors
            passed.append(f"not {name} ({why(error)})")
            continue
        print(f"PennyLane runs circuits on {name}" + (f"; {'; '.join(passed)}" if passed else "") + ".")
        return name
    raise InputError(f"No PennyLane device works: {'; '.join(passed)}; install PennyLane again.")


def works(name: str) -> None:
    """Run one gate on a device; raises whatever the device raises, or ValueError for a wrong result."""
    tried = qml.device(name, wires=1)

    @qml.qnode(tried)
    def flipped() -> Any:
        qml.PauliX(wires=0)
        return qml.expval(qml.PauliZ(0))

    found = float(flipped())
    if abs(found + 1) > 1e-6:
        raise ValueError(f"<Z> after X is {found}")


def why(error: Exception) -> str:
    """An error in a few words, without its line ends."""
    return " ".join(str(error).split()).rstrip(".")[:120] or type(error).__name__
