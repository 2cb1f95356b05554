"""Table 2: the simulation settings, measured from the environment that ran."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.export.pennylane_circuit import qnode
from qdcircuits.simulation import simulator
from qdllm_utils.config import Knobs
from qdllm_utils.runs import provenance
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, head, line, table
from qdllm_utils.show.verdicts import NOT, REPRODUCED, Verdict

PACKAGES = ("qdllm-utils", "numba", "pennylane", "pennylane-lightning", "torch", "transformers", "peft", "numpy")


@dataclass(frozen=True)
class Environment:
    """What Table 2 asks for, as found here.

    difference: the largest difference of any <Z_j> from PennyLane's on the paper's circuit with random angles.
    gpu: its name or None.
    """

    qubits: int
    layers: int
    python: str
    packages: dict[str, str]
    difference: float
    processor: str
    gpu: str | None


def measure(seed: int = 0) -> Environment:
    """Look at what is installed, and hold the project's simulator against PennyLane once."""
    knobs = Knobs()
    circuit = qdllm_circuit(knobs.qubits, knobs.layers)
    generator = np.random.default_rng(seed)
    inputs, weights = generator.uniform(0, 2 * np.pi, circuit.n_inputs), generator.normal(size=circuit.n_weights)
    with torch.no_grad():
        ours = simulator(circuit)(torch.tensor(inputs)[None, None], torch.tensor(weights)[None]).numpy().ravel()
    theirs = np.array(qnode(circuit)(inputs, weights))
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return Environment(
        knobs.qubits,
        knobs.layers,
        platform.python_version(),
        packages,
        float(np.abs(ours - theirs).max()),
        provenance.processor(),
        torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    )


def settings_table(found: Environment) -> HTML:
    """The paper's Table 2, a setting a row."""
    printed = paper.table("simulation").iloc[0]
    others = ", ".join(f"{name} {number}" for name, number in found.packages.items() if name != "qdllm-utils")
    kit = f"qdllm_utils {found.packages['qdllm-utils']}, an exact simulator"
    rows = [
        ("Qubits", str(found.qubits), f"{found.layers} layers", printed["qubits"]),
        ("Python", found.python, "", printed["python"]),
        ("Software development kit", kit, f"beside it {others}", printed["kit"]),
        (
            "Agreement with PennyLane",
            f"{found.difference:.1e}",
            "largest difference, random angles",
            "–",
        ),
        ("Measurement", "Z on every qubit", "exact expectations, no shots", printed["measurement"]),
        ("Processor", found.processor, found.gpu or "no GPU", paper.text("gpu")),
    ]
    lines = [line(head(name), [cell(value, note, wrap=True), cell(text)]) for name, value, note, text in rows]
    return table("The quantum part of the simulation, as it ran here.", ["Setting", "Here", "Paper"], lines)


def verdict(found: Environment) -> Verdict:
    """The circuit's width and measurement are the paper's; the simulator is another, held against PennyLane."""
    printed = paper.table("simulation").iloc[0]
    exact = found.difference < 1e-6
    same = str(found.qubits) == printed["qubits"] and exact
    why = (
        f"{found.qubits} qubits and Z measurements as printed; the simulator is not {printed['kit']} but ours, "
        f"which {'agrees' if exact else 'does not agree'} with PennyLane {found.packages['pennylane']} "
        f"(largest difference {found.difference:.0e})."
    )
    return Verdict(REPRODUCED if same else NOT, why)
