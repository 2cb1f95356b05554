"""The whole head as ONNX: embedding (N, d) in, calibrated class probabilities (N, C) out, float32; float64 inside.

Written node by node from the head's own arrays; a circuit is a product state, then matrix products, element-wise
phases and gathers. `checked` holds it against torch before a model is saved.
"""

from pathlib import Path
from typing import Any

import numpy as np

from qdllm_utils.model.circuit import Permutation, Phase, Rotation
from qdllm_utils.model.heads import Head, restored

OPSET = 17
TOLERANCE = 1e-5


class Graph:
    """Nodes and constants as they are added; every method returns the name of the result."""

    def __init__(self) -> None:
        """Empty."""
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, dtype: type = np.float64) -> str:
        """A constant tensor."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def __call__(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node of one output."""
        from onnx import helper

        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def affine(self, value: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """value @ weight + bias."""
        return self("Add", self("MatMul", value, self.constant(weight)), self.constant(bias))

    def reshape(self, value: str, *shape: int) -> str:
        """To (N, *shape)."""
        return self("Reshape", value, self.constant([-1, *shape], np.int64))

    def columns(self, value: str, start: int, stop: int) -> str:
        """value[:, start:stop]."""
        ends = (self.constant([number], np.int64) for number in (start, stop, 1))
        return self("Slice", value, *ends)


def circuit_nodes(graph: Graph, head: Head, angles: str) -> str:
    """<Z_j> (N, n) from the encoder's angles (N, n)."""
    n = head.qubits
    half = graph("Mul", angles, graph.constant(0.5))
    pairs = [graph.reshape(graph(name, half), n, 1) for name in ("Cos", "Sin")]
    both = graph("Concat", *pairs, axis=2)  # (N, n, 2)
    real = ""
    for wire in range(n):
        index = graph.constant(wire, np.int64)
        amplitudes = graph("Gather", both, index, axis=1)  # (N, 2)
        left, right = graph.reshape(real, 2**wire, 1) if real else "", graph.reshape(amplitudes, 1, 2)
        real = graph.reshape(graph("Mul", left, right), 2 ** (wire + 1)) if real else amplitudes
    imaginary = graph("Mul", real, graph.constant(0.0))
    for step in head.steps:
        if isinstance(step, Phase):
            cos, sin = graph.constant(step.cos), graph.constant(step.sin)
            real, imaginary = (
                graph("Sub", graph("Mul", real, cos), graph("Mul", imaginary, sin)),
                graph("Add", graph("Mul", real, sin), graph("Mul", imaginary, cos)),
            )
        elif isinstance(step, Permutation):
            index = graph.constant(step.index, np.int64)
            real, imaginary = (graph("Gather", part, index, axis=1) for part in (real, imaginary))
        elif isinstance(step, Rotation):
            left, right = graph.constant(step.left), graph.constant(step.right.T)
            shape = (len(step.left), len(step.right))
            real, imaginary = (
                graph.reshape(graph("MatMul", graph("MatMul", left, graph.reshape(part, *shape)), right), 2**n)
                for part in (real, imaginary)
            )
        else:
            chances = graph("Add", graph("Mul", real, real), graph("Mul", imaginary, imaginary))
            real = graph("MatMul", chances, graph.constant(step.signs))
    return real


def terms_nodes(graph: Graph, head: Head, angles: str) -> str:
    """The surrogate's read-out (N, n) from the angles (N, n)."""
    n = head.qubits
    cos, sin = graph("Cos", angles), graph("Sin", angles)
    pairs = [
        graph("Mul", graph.columns(left, 0, n - 1), graph.columns(right, 1, n))
        for left in (cos, sin)
        for right in (cos, sin)
    ]
    return graph("MatMul", graph("Concat", cos, sin, *pairs, axis=1), graph.constant(head.arrays["coefficients"]))


def onnx_model(head: Head, temperature: float) -> Any:
    """The ONNX model of a head."""
    from onnx import TensorProto, checker, helper

    graph, arrays = Graph(), head.arrays
    embedding = graph("Cast", "embedding", to=TensorProto.DOUBLE)
    if head.kind == "linear":
        logits = graph.affine(embedding, head.weight, arrays["head_bias"])
        if len(arrays["head_bias"]) == 1:
            logits = graph("Concat", graph("Mul", logits, graph.constant(0.0)), logits, axis=1)
    else:
        bent = graph("Tanh", graph.affine(embedding, arrays["reduce_weight"], arrays["reduce_bias"]))
        angles = graph("Mul", graph("Add", bent, graph.constant(1.0)), graph.constant(np.pi / 2))
        read = (circuit_nodes if head.kind == "quantum" else terms_nodes)(graph, head, angles)
        logits = graph.affine(read, arrays["head_weight"], arrays["head_bias"])
    chances = graph("Softmax", graph("Div", logits, graph.constant(temperature)), axis=1)
    graph("Cast", chances, output="probabilities", to=TensorProto.FLOAT)
    whole = helper.make_graph(
        graph.nodes,
        f"qdllm {head.kind} head",
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", head.dimension])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", head.classes])],
        graph.constants,
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(model, full_check=True)
    return model


def save_checked(head: Head, temperature: float, path: Path, features: np.ndarray) -> float:
    """Write the ONNX file and return its greatest difference from torch on `features` (N, d), in probability.

    Raises RuntimeError where that is above TOLERANCE: such a model is not handed over.
    """
    import onnxruntime
    import torch

    path.write_bytes(onnx_model(head, temperature).SerializeToString())
    (found,) = session(path).run(None, {"embedding": features.astype(np.float32)})
    with torch.inference_mode():
        logits = restored(head).logits({"features": torch.from_numpy(features.astype(float))[None]})[0]
    difference = float(np.abs(found - torch.softmax(logits / temperature, dim=1).numpy()).max())
    if not difference <= TOLERANCE:
        raise RuntimeError(f"onnxruntime {onnxruntime.__version__} and torch differ by {difference:.1e} on this head.")
    return difference


def session(path: Path, threads: int = 0) -> Any:
    """An inference session on the CPU that says nothing below an error; threads: 0 for all cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
