"""Other quantum and quantum-inspired students, and the classical ones of equal size that each is held against."""

from qdllm_utils.students.factored import LowRank, LowRankCosine, TensorTrain, TensorTrainCosine
from qdllm_utils.students.iqp import IQP, RandomCosines
from qdllm_utils.students.mps import MPS, ReducedMLP
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.relational import Fidelity, FidelityCosine, Relational, RelationalCosine

ALTERNATIVES: dict[str, type[QuantumStudents]] = {
    student.name: student
    for student in (
        TensorTrain,
        TensorTrainCosine,
        LowRank,
        LowRankCosine,
        IQP,
        RandomCosines,
        MPS,
        ReducedMLP,
        Relational,
        RelationalCosine,
        Fidelity,
        FidelityCosine,
    )
}
