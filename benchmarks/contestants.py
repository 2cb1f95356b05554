"""The simulators that are compared, each running the same student on the same numbers (`shells`)."""

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contestant:
    """Where a simulator is: module and class here, the package whose version counts, the environment in build/."""

    module: str
    name: str
    package: str
    environment: str | None = "peers"

    def kind(self) -> Any:
        """The class; its library is imported when it is built."""
        return getattr(importlib.import_module(self.module), self.name)


CONTESTANTS = {
    "qdllm numba": Contestant("contestants_torch", "Ours", "numba", None),
    "qdllm torch": Contestant("contestants_torch", "OursPlain", "torch", None),
    "jax by hand": Contestant("contestants_jax", "HandWritten", "jax"),
    "tensorcircuit-ng": Contestant("contestants_jax", "TensorCircuit", "tensorcircuit-ng"),
    "default.qubit": Contestant("contestants_torch", "DefaultQubit", "pennylane"),
    "lightning.qubit": Contestant("contestants_torch", "LightningQubit", "pennylane-lightning"),
    "catalyst": Contestant("contestants_more", "Catalyst", "pennylane-catalyst", "peers-catalyst"),
    "mindquantum": Contestant("contestants_torch", "MindQuantum", "mindquantum"),
    "qulacs": Contestant("contestants_more", "Qulacs", "qulacs"),
    "deepquantum": Contestant("contestants_more", "DeepQuantum", "deepquantum", "peers-torch"),
    "torchquantum-ng": Contestant("contestants_more", "TorchQuantum", "torchquantum-ng", "peers-torchquantum"),
    "torq": Contestant("contestants_more", "Torq", "torq-quantum", "peers-torch"),
}
