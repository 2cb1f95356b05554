import numpy as np
import pytest
import torch

from qdcircuits.expansion import expand
from qdllm_utils.config import knobs
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.surrogate import SurrogateStudents, restored


@pytest.fixture(params=["tuned", "released"])
def trained(request):
    """The arrays of a student's row, as a training run leaves them (float32), its knobs, and some texts."""
    chosen = knobs(request.param, qubits=5)
    torch.manual_seed(0)
    student = QuantumStudents(12, 3, chosen, [0])
    features = 3 * torch.randn(60, 12) + 1
    student.prepare(features)
    with torch.no_grad():
        student.angles.normal_()
        student.head_weight.normal_()
    arrays = {name: values[0].numpy() for name, values in student.state_dict().items()}
    return arrays | {"test_logits": np.zeros(3)}, chosen, features.double()[None], student


def test_restored_student_is_the_trained_one_in_double_precision(trained):
    arrays, chosen, features, student = trained
    logits = restored(arrays, chosen).logits({"features": features})
    assert logits.dtype == torch.float64
    assert torch.allclose(logits.float(), student.logits({"features": features.float()}), atol=1e-4)


def test_surrogate_is_the_circuit_and_survives_its_arrays(trained):
    arrays, chosen, features, _ = trained
    student = restored(arrays, chosen)
    surrogate = SurrogateStudents.of(student, [expand(student.circuit(), student.angles[0].detach().numpy())])
    again = SurrogateStudents.from_arrays(surrogate.arrays(), chosen)
    expected = student.logits({"features": features})
    for one in (surrogate, again):
        logits = one.logits({"features": features})
        assert (logits - expected).abs().max() < 1e-9
        assert torch.equal(logits.argmax(dim=-1), expected.argmax(dim=-1))
        assert not hasattr(one, "simulator") and not hasattr(one, "angles")
    assert len(set(expected.argmax(dim=-1).flatten().tolist())) > 1
