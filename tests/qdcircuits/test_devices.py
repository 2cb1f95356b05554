"""The chain of PennyLane devices: what is taken, what is said, and that results do not depend on it."""

import numpy as np
import pennylane as qml
import pytest

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.export import devices
from qdcircuits.export.pennylane_circuit import qnode


@pytest.fixture(autouse=True)
def anew():
    devices.first_that_works.cache_clear()
    yield
    devices.first_that_works.cache_clear()


def broken(monkeypatch, **errors):
    """Make devices fail as they do where their plugin or their driver is absent."""
    really = qml.device

    def device(name, **options):
        if name in errors:
            raise errors[name]
        return really(name, **options)

    monkeypatch.setattr(devices.qml, "device", device)


@pytest.mark.parametrize(
    "error",
    [
        qml.exceptions.DeviceError("Device lightning.gpu does not exist."),
        RuntimeError("CUDA driver version is insufficient\nfor CUDA runtime version."),
        ImportError("libcustatevec.so.1: cannot open shared object file"),
    ],
)
def test_without_a_plugin_or_a_gpu_the_cpu_is_taken_and_it_is_said_once(monkeypatch, capsys, error):
    broken(monkeypatch, **{"lightning.gpu": error})
    assert devices.device(3).name == "lightning.qubit"
    told = capsys.readouterr().out
    assert told.count("\n") == 1 and "lightning.qubit" in told and str(error).split()[0] in told
    devices.device(5)
    assert capsys.readouterr().out == ""


def test_the_gpu_comes_first_where_it_works(monkeypatch):
    really = qml.device
    asked = []

    def device(name, **options):
        asked.append(name)
        return really("default.qubit" if name == "lightning.gpu" else name, **options)

    monkeypatch.setattr(devices.qml, "device", device)
    devices.device(2)
    assert asked == ["lightning.gpu", "lightning.gpu"]


def test_a_device_that_gives_wrong_results_is_passed_over(monkeypatch, capsys):
    really = devices.works

    def works(name):
        if name != "default.qubit":
            raise ValueError("<Z> after X is 1.0")
        really(name)

    monkeypatch.setattr(devices, "works", works)
    assert devices.device(2).name == "default.qubit"
    assert "after X" in capsys.readouterr().out


def test_nothing_that_works_and_an_unknown_name_are_refused(refused, monkeypatch):
    with refused("nonesuch.qubit", "auto"):
        devices.device(2, "nonesuch.qubit")
    broken(monkeypatch, **{name: RuntimeError("broken") for name in devices.CHAIN})
    with refused("No PennyLane device", "broken"):
        devices.device(2)


def test_a_named_device_is_never_replaced(refused, monkeypatch):
    broken(monkeypatch, **{"lightning.gpu": RuntimeError("no driver")})
    with refused("lightning.gpu", "no driver"):
        devices.device(2, "lightning.gpu")


def test_a_circuit_gives_the_same_on_every_device():
    circuit = qdllm_circuit(4, 2)
    generator = np.random.default_rng(0)
    inputs, weights = generator.uniform(0, 10, circuit.n_inputs), generator.uniform(-3, 3, circuit.n_weights)
    expected = np.array(qnode(circuit)(inputs, weights))
    for name in ("auto", "lightning.qubit"):
        np.testing.assert_allclose(np.array(qnode(circuit, name)(inputs, weights)), expected, atol=1e-10)
