"""The declared family: at each budget as many quantum designs as classical ones, named before anything was trained."""

from typing import Any

from qdllm_utils.students.classical_designs import (
    PCAMLP,
    PCALinear,
    PCALogistic,
    PCAPolynomial,
    RandomCosine,
    Small,
    WidePCAMLP,
)
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.quantum_designs import QuantumDesign

HE, SE = "hardware_efficient", "strongly_entangling"


def circuit(qubits: int, layers: int, ansatz: str = "qdllm", front: str = "pca", **more: Any) -> dict[str, Any]:
    """The attributes of a quantum design."""
    return {"qubits": qubits, "layers": layers, "ansatz": ansatz, "front": front, **more}


UP: dict[str, Any] = {"reuploading": True}
QUANTUM: dict[int, tuple[dict[str, Any], ...]] = {
    15: (
        circuit(2, 1),
        circuit(2, 1, HE),
        circuit(2, 1, HE, "random"),
        circuit(2, 1, SE),
        circuit(2, 1, HE, readout="zz"),
        circuit(2, 1, HE, readout="probabilities"),
    ),
    50: (
        circuit(4, 1),
        circuit(4, 2, HE),
        circuit(4, 2, SE, "random"),
        circuit(3, 3, HE, **UP),
        circuit(4, 1, HE, readout="zz"),
        circuit(4, 1, HE, readout="probabilities"),
    ),
    150: (
        circuit(8, 2),
        circuit(8, 4, SE),
        circuit(8, 2, front="random"),
        circuit(6, 4, HE, **UP),
        circuit(9, 2, front="amplitude"),
        circuit(8, 2, HE, readout="zz"),
    ),
    300: (
        circuit(14, 2),
        circuit(9, 9, SE, "amplitude"),
        circuit(11, 3, front="amplitude"),
        circuit(10, 5, HE, **UP),
        circuit(10, 4, HE, readout="zz"),
        circuit(7, 1, HE, readout="probabilities"),
    ),
    800: (
        circuit(2, 1, front="linear"),
        circuit(2, 2, SE, "linear", **UP),
        circuit(2, 1, HE, "linear", readout="probabilities"),
        circuit(14, 8),
        circuit(11, 10, front="amplitude"),
        circuit(12, 10, HE, **UP),
    ),
    4500: (
        circuit(11, 2, front="linear"),
        circuit(11, 2, HE, "linear"),
        circuit(11, 4, SE, "linear"),
        circuit(11, 2, HE, "linear", **UP),
        circuit(10, 2, HE, "linear", readout="zz"),
        circuit(9, 2, HE, "linear", readout="probabilities"),
    ),
}
# Each with its number in a row's name, from 1 on. Number 0 was a sparse probe, which trained all weights and counted
# those in use: equal budgets are equal trained numbers.
CLASSICAL: tuple[tuple[str, type[Small]], ...] = (
    ("components, linear", PCALinear),
    ("components, products", PCAPolynomial),
    ("random cosines", RandomCosine),
    ("components, narrow MLP", PCAMLP),
    ("components, wide MLP", WidePCAMLP),
    ("components, logistic", PCALogistic),
)


def named(base: type[QuantumStudents], name: str, title: str, attributes: dict[str, Any]) -> type[QuantumStudents]:
    """A design: its base with the attributes set."""
    return type(base.__name__, (base,), {"name": name, "title": title, **attributes, "__doc__": base.__doc__})


def quantum_title(chosen: dict[str, Any]) -> str:
    """'4 qubits, 2 x hardware_efficient, pca, z'."""
    parts = [f"{chosen['qubits']} qubits, {chosen['layers']} x {chosen['ansatz']}", chosen["front"]]
    return ", ".join([*parts, chosen.get("readout", "z"), *(["re-uploading"] if "reuploading" in chosen else [])])


BUDGETS = tuple(QUANTUM)
# A linear first layer grows with the embedding. The budgets are those of MiniLM's 384 numbers; where the reader is as
# wide as BERT (768), the largest quantum designs of these two have about so many, and the classical ones get as many.
WIDER = {800: 1600, 4500: 8600}
QUANTUM_DESIGNS: dict[int, dict[str, type[QuantumStudents]]] = {
    budget: {
        f"q{budget}_{number}": named(QuantumDesign, f"q{budget}_{number}", quantum_title(chosen), chosen)
        for number, chosen in enumerate(designs)
    }
    for budget, designs in QUANTUM.items()
}
CLASSICAL_DESIGNS: dict[int, dict[str, type[QuantumStudents]]] = {
    budget: {
        f"c{budget}_{number}": named(base, f"c{budget}_{number}", title, {"budget": budget})
        for number, (title, base) in enumerate(CLASSICAL, start=1)
    }
    for budget in (*BUDGETS, *WIDER.values())
}
DESIGNS = {
    name: design
    for family in (QUANTUM_DESIGNS, CLASSICAL_DESIGNS)
    for of in family.values()
    for name, design in of.items()
}
