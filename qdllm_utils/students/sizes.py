"""What each model of the paper holds and costs, counted on the real architectures (Table 3).

The models are built on torch's meta device: shapes without numbers, so that an LLM of 8 billion parameters takes a
second and no memory. Their published configurations stand below as facts, because no network is needed here.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BloomConfig,
    LlamaConfig,
    OPTConfig,
)

from qdcircuits.ansatz import Circuit, fused
from qdllm_utils.config import Knobs
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.texts.embeddings import MAX_TOKENS
from qdllm_utils.texts.teacher_specs import NAMED

LLMS: dict[str, Any] = {
    "bloomz-1.1b": BloomConfig(vocab_size=250_880, hidden_size=1536, n_layer=24, n_head=16),
    "bloomz-3b": BloomConfig(vocab_size=250_880, hidden_size=2560, n_layer=30, n_head=32),
    "opt": OPTConfig(
        vocab_size=50_272,
        hidden_size=4096,
        word_embed_proj_dim=4096,
        num_hidden_layers=32,
        num_attention_heads=32,
        ffn_dim=16_384,
    ),
    "llama2": LlamaConfig(
        vocab_size=32_000,
        hidden_size=4096,
        intermediate_size=11_008,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
    ),
    "llama3": LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    ),
}
BERTS: dict[str, dict[str, Any]] = {
    "tinybert": {"num_hidden_layers": 4, "hidden_size": 312, "intermediate_size": 1200},
    "minillm": {"num_hidden_layers": 12, "hidden_size": 384, "intermediate_size": 1536},
    "distilbert": {"num_hidden_layers": 4},
    "pkd": {"num_hidden_layers": 4},
}
WITHOUT_HEAD = ("distilbert", "pkd")  # counted as the paper seems to: neither pooler nor classifier
EMBEDDING = 768  # of BERT-base, the paper's embedder
LLM_BYTES, STUDENT_BYTES = 2, 4  # a parameter in bfloat16, in float32


@dataclass(frozen=True)
class Lora:
    """The adapter of an LLM: its own parameters, and those of the class head, of which PEFT keeps two copies."""

    adapter: int
    head: int

    @property
    def with_both_heads(self) -> int:
        """The count that the paper prints at rank 200: the adapter, the trained head and its frozen first copy."""
        return self.adapter + 2 * self.head


@dataclass(frozen=True)
class ModelSize:
    """trained: parameters that training changes; deployed: those that classifying a text needs.

    bytes: of the deployed ones; flops: floating point operations for one text (60 tokens unless told), two a
    multiply-add; of them own_flops outside of the frozen embedder.
    """

    trained: int
    deployed: int
    bytes: int
    flops: float
    own_flops: float


def parameters(model: nn.Module) -> int:
    """The number of a model's parameters."""
    return sum(values.numel() for values in model.parameters())


def flops(model: nn.Module, tokens: int) -> int:
    """Floating point operations of the matrix products for one text, as torch counts them on the meta device.

    Element-wise operations (softmax, layer norm, activations) are not counted; they are about a hundredth.
    """
    ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(ids)
    return counter.get_total_flops()


def llm(name: str, tokens: int = MAX_TOKENS) -> ModelSize:
    """A teacher as it is published (a causal language model, tied weights counted once) and run as a classifier."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(LLMS[name])
    total = parameters(model)
    run = flops(model.base_model, tokens)
    return ModelSize(total, total, LLM_BYTES * total, run, run)


def lora(name: str, ranks: tuple[int, ...], labels: int = 4) -> dict[int, Lora]:
    """LoRA of each rank on the modules that Table 3 implies; four labels, as the released code sets everywhere."""
    config = copy.deepcopy(LLMS[name])
    config.num_labels, config.pad_token_id = labels, 0
    with torch.device("meta"):
        model: Any = AutoModelForSequenceClassification.from_config(config)
        for rank in ranks:
            adapter = LoraConfig(task_type=TaskType.SEQ_CLS, r=rank, target_modules=list(NAMED[name].targets))
            if rank == ranks[0]:
                model = get_peft_model(model, adapter, f"rank{rank}")
            else:
                model.add_adapter(f"rank{rank}", adapter)
    counts = {}
    for rank in ranks:
        own = {key: values.numel() for key, values in model.named_parameters() if f".rank{rank}." in key}
        adapters = sum(count for key, count in own.items() if "lora_" in key)
        counts[rank] = Lora(adapters, sum(own.values()) - adapters)
    return counts


def bert_student(student: str, classes: int = 2, tokens: int = MAX_TOKENS) -> ModelSize:
    """A compression student in the paper's size, with the vocabulary of bert-base-uncased."""
    config = BertConfig(**BERTS[student])
    config.num_labels = classes
    with torch.device("meta"):
        if student in WITHOUT_HEAD:
            model: nn.Module = BertModel(config, add_pooling_layer=False)
        else:
            model = BertForSequenceClassification(config)
    total, run = parameters(model), flops(model, tokens)
    return ModelSize(total, total, STUDENT_BYTES * total, run, run)


def embedder(tokens: int = MAX_TOKENS) -> ModelSize:
    """The frozen BERT-base that QD-LLM reads its text through."""
    with torch.device("meta"):
        model = BertModel(BertConfig())
    total, run = parameters(model), flops(model, tokens)
    return ModelSize(0, total, STUDENT_BYTES * total, run, 0)


def quantum_student(layers: int, classes: int = 2, tokens: int = MAX_TOKENS) -> ModelSize:
    """QD-LLM, counted on the student that is trained, and deployed with the embedder it cannot do without."""
    student = QuantumStudents(EMBEDDING, classes, Knobs(layers=layers), [0])
    circuit, frozen = student.circuit(), embedder(tokens)
    linear = 2 * (EMBEDDING * circuit.n_inputs + circuit.n_qubits * classes)
    own = circuit_flops(circuit) + linear
    deployed = student.trainable() + frozen.deployed
    return ModelSize(student.trainable(), deployed, STUDENT_BYTES * deployed, frozen.flops + own, own)


def circuit_flops(circuit: Circuit) -> int:
    """Operations of simulating a circuit gate by gate on all 2^n complex amplitudes, and reading every <Z_j>.

    A rotation takes 6 a complex amplitude: RX and RY multiply a pair by two real (or imaginary) numbers each (8) and
    add (4); RZ and RZZ multiply one amplitude by a phase (6). Rotations in a row count as one; a CNOT only moves.
    Reading: 3 for |amplitude|^2 and one addition for each qubit.
    """
    small, _ = fused(circuit)
    rotations = sum(gate.source != "none" for gate in small.gates)
    return (6 * rotations + 3 + circuit.n_qubits) * 2**circuit.n_qubits
