"""Exact simulation of layered circuits, many parameter sets in one call, and the way from a circuit to a chip.

    from qdcircuits import qdllm_circuit, simulator

    circuit = qdllm_circuit(n_qubits=11, n_layers=2)
    z = simulator(circuit)(inputs, weights)      # (students, batch, qubits), differentiable

Nothing here knows of texts, teachers or the paper's tables; README.md beside this file has the rooms.
"""

from importlib import import_module
from typing import Any

PUBLIC = {
    "Circuit": "qdcircuits.ansatz",
    "Gate": "qdcircuits.ansatz",
    "qdllm_circuit": "qdcircuits.ansatz",
    "layered_circuit": "qdcircuits.ansatz",
    "simulator": "qdcircuits.simulation",
    "expand": "qdcircuits.expansion",
    "openqasm2": "qdcircuits.export.openqasm",
    "openqasm3": "qdcircuits.export.openqasm",
    "export_bundle": "qdcircuits.bundle",
    "import_bundle": "qdcircuits.bundle",
    "InputError": "qdcircuits.errors",
}
__all__ = list(PUBLIC)


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for."""
    if name not in PUBLIC:
        raise AttributeError(f"qdcircuits has no {name!r}; it offers {', '.join(PUBLIC)}.")
    return getattr(import_module(PUBLIC[name]), name)
