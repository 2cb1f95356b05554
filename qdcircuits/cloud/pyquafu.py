"""What is taken from pyquafu itself: its paths, its documented refusals, and its parser of circuits.

pyquafu comes with the extra `hardware`. Its own requests are not used: they have no time-out, it writes the token
where everybody can read it, and it passes results through eval().
"""

import importlib.metadata
from typing import Any

from qdcircuits.errors import InputError

MISSING = "The service quafu needs pyquafu: run pip install 'qdllm-utils[hardware]', or choose another service."


def pyquafu_user() -> Any:
    """pyquafu's class User, whose attributes are the service's paths; no account is read or written."""
    try:
        from quafu.users.userapi import User
    except ImportError:
        raise InputError(MISSING) from None
    return User


def pyquafu_version() -> str:
    """The version that is installed, as the service asks for it."""
    return importlib.metadata.version("pyquafu")


def pyquafu_refusal(answer: Any) -> str:
    """What a documented refusal says (status 201, 205, 400, 5001 or 5004 in an answer), '' for any other answer.

    5003, pyquafu's ServerError, is none: a server in trouble may have taken the task.
    """
    from quafu.exceptions import ServerError, UserError, validate_server_resp
    from quafu.exceptions.quafu_error import CircuitError, CompileError

    try:
        validate_server_resp(answer)
    except (UserError, CircuitError, CompileError) as error:
        return str(error) or type(error).__name__
    except (ServerError, KeyError, TypeError):
        return ""
    return ""


def check_with_pyquafu(qasm: str, n_qubits: int) -> None:
    """Raise InputError where pyquafu's parser cannot read a circuit, before it is sent and paid for."""
    try:
        from quafu import QuantumCircuit
    except ImportError:
        raise InputError(MISSING) from None
    try:
        circuit = QuantumCircuit(n_qubits)
        circuit.from_openqasm(qasm)
    except Exception as error:  # its parser raises whatever comes
        raise InputError(
            f"pyquafu cannot read the circuit ({type(error).__name__}), so nothing was sent: choose another service, "
            "or report this circuit."
        ) from None
    if circuit.num > n_qubits:
        raise InputError(f"pyquafu reads {circuit.num} qubits where the circuit has {n_qubits}: nothing was sent.")
