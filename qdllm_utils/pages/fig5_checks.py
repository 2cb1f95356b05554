"""What Figure 5's parameters must be, looked at before anything is trained or sent."""

from pathlib import Path

from qdcircuits.chip.calibration import best_line, read_calibration
from qdcircuits.chip.counts import BIT_ORDERS
from qdcircuits.cloud.ledger import Ledger, check_place
from qdcircuits.cloud.mitigation import MITIGATIONS
from qdcircuits.cloud.quafu import SERVICES
from qdcircuits.cloud.quafu_http import check_url
from qdcircuits.cloud.service import Service
from qdcircuits.cloud.submission import check_shots
from qdcircuits.cloud.token import read_token
from qdcircuits.errors import InputError, choose
from qdllm_utils.parameters import Parameters

RECORDED = "recorded"


def kind_of(parameters: Parameters) -> type[Service]:
    """The service that was chosen."""
    return SERVICES[choose(parameters.service, SERVICES, "service")]


def shots_of(parameters: Parameters) -> int:
    """The shots of a circuit; by default what the service takes."""
    kind = kind_of(parameters)
    shots = int(parameters.shots or kind.usual_shots)
    check_shots(shots, kind)
    return shots


def mitigation_of(parameters: Parameters) -> str:
    """The mitigation that was asked for on a chip's counts."""
    return choose(parameters.values.get("mitigation") or "none", MITIGATIONS, "mitigation")


def ledger_path(parameters: Parameters) -> Path | None:
    """The ledger's file; None for the recorded one."""
    return None if parameters.ledger in (None, RECORDED) else Path(parameters.ledger).expanduser()


def check_submission(parameters: Parameters) -> None:
    """Service, shots, bit order, mitigation, address; and with `submit` the ledger's place and the token."""
    kind, path = kind_of(parameters), ledger_path(parameters)
    shots_of(parameters)
    if parameters.bit_order is not None:
        choose(parameters.bit_order, BIT_ORDERS, "bit_order")
    if mitigation_of(parameters) in ("extrapolation", "both") and not parameters.calibration:
        raise InputError(
            "mitigation by extrapolation needs the chip's calibration table, since a service that compiles takes the "
            "repeated gates out: give -p calibration FILE, or choose readout."
        )
    if parameters.url is not None:
        check_url(parameters.url)
    if path is not None and path.is_file():
        Ledger.open(path)
    elif path is not None:
        check_place(path)
    if parameters.submit:
        if path is None:
            raise InputError("submit needs a ledger of its own: give a file, for example -p ledger ledger.jsonl.")
        kind(read_token(parameters.token_file, kind.tokens), parameters.url)


def check_study(parameters: Parameters, qubits: int) -> None:
    """The subset's size, the seed, and a calibration table with a line of so many qubits."""
    if parameters.texts is not None and parameters.texts < 1:
        raise InputError(f"texts is {parameters.texts}: it must be 1 or more.")
    if not 0 <= parameters.seed < 2**32:
        raise InputError(f"seed is {parameters.seed}: it must be a whole number from 0 to {2**32 - 1}.")
    best_line(read_calibration(parameters.calibration), qubits)
