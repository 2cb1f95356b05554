"""From a student to counts on any provider, and back: a folder of circuits out, a file of counts in.

    bundle/manifest.json    text hashes, angles, expected <Z>, parities, classical head, what each file is
    bundle/check.qasm       X on qubit 0, and nothing else: run it too, its counts prove the order of the bits
    bundle/text-0000.qasm   OpenQASM 2, every angle bound, qubit j measured into bit j; beside it .qasm3, OpenQASM 3

The owner of a chip runs every circuit there, with the provider's own tools, and writes one JSON file: an object from
'check', 'text-0000', ... to the counts of each, or a list in the manifest's order. counts.py reads the formats.
The circuits are those of the trained student less its dead gates and final CNOTs (export/reduction.py), so an output
is the parity of some bits; the manifest says of which.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.ansatz import Circuit
from qdcircuits.bundle_counts import counts_in
from qdcircuits.chip.counts import expectations, frequencies_of
from qdcircuits.errors import InputError
from qdcircuits.export.openqasm import Angles, openqasm2, openqasm3
from qdcircuits.export.reduction import without_dead_gates, without_final_cnots

FORMAT = "qdllm-bundle-1"
CHECK = "check"
CLEAR = 0.3  # how much more often qubit 0 must be read as 1 at one end of the bits than at the other


def check_circuits(n_qubits: int) -> tuple[str, str]:
    """X on qubit 0 with every qubit measured, in OpenQASM 2 and 3."""
    two = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{n_qubits}];", f"creg c[{n_qubits}];", "x q[0];"]
    two += [f"measure q[{k}] -> c[{k}];" for k in range(n_qubits)]
    three = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{n_qubits}] q;", f"bit[{n_qubits}] c;", "x q[0];"]
    three += [f"c[{k}] = measure q[{k}];" for k in range(n_qubits)]
    return "\n".join(two) + "\n", "\n".join(three) + "\n"


def export_bundle(
    folder: Path | str,
    *,
    circuit: Circuit,
    weights: Angles,
    inputs: np.ndarray,
    head_weight: np.ndarray,
    head_bias: np.ndarray,
    text_hashes: Sequence[str],
    classes: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    shots: int = 10_240,
    about: dict[str, Any] | None = None,
) -> Path:
    """Write a bundle and return its folder, which must be new or empty.

    weights (n_weights,) and inputs (N, n_inputs): rad. head_weight (n, C), head_bias (C,): logits are
    <Z> @ head_weight + head_bias. text_hashes: N SHA-256 of the texts; the texts themselves are not written. labels:
    N class numbers, for the accuracy; about: whatever names the student (JSON). Raises InputError.
    """
    folder = Path(folder).expanduser()
    inputs, head_weight, head_bias = (np.asarray(x, float) for x in (inputs, head_weight, head_bias))
    n, names = circuit.n_qubits, [str(name) for name in classes or range(head_weight.shape[-1])]
    shapes = (inputs.ndim, head_weight.shape, head_bias.shape, len(text_hashes), len(labels or text_hashes))
    if shapes != (2, (n, len(names)), (len(names),), len(inputs), len(inputs)) or not len(inputs):
        raise InputError(
            f"A bundle needs one row of angles, one hash and, if given, one label a text, and a head of {n} outputs by "
            f"{len(names)} classes; these are {inputs.shape}, {len(text_hashes)}, "
            f"{'none' if labels is None else len(labels)} and {head_weight.shape}."
        )
    if not all(np.isfinite(part).all() for part in (inputs, head_weight, head_bias)) or shots < 1:
        raise InputError("An angle or a weight of the head is not finite, or shots is below 1: nothing was written.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"The folder {folder.name} is not empty: give a new folder for the bundle.")
    reduced, parities = without_final_cnots(without_dead_gates(circuit))
    kept = np.asarray(weights, float)[: reduced.n_weights]
    expected = exact(circuit, inputs, np.asarray(weights, float))
    chosen = (expected @ head_weight + head_bias).argmax(axis=1)
    files = {CHECK: check_circuits(n)}
    rows = []
    for number, (row, sha, z) in enumerate(zip(inputs, text_hashes, expected, strict=True)):
        name = f"text-{number:04d}"
        files[name] = openqasm2(reduced, kept, row), openqasm3(reduced, kept, row)
        rows.append({"name": name, "sha256": str(sha), "angles": row.tolist(), "expected_z": z.tolist()})
        rows[-1] |= {"expected_class": int(chosen[number])}
        rows[-1] |= {} if labels is None else {"label": int(labels[number])}
    manifest = {
        "format": FORMAT,
        "about": about or {},
        "qubits": n,
        "bits": n,
        "shots": shots,
        "bit_order": "qubit j is measured into bit j; at which end of a string bit 0 stands, the check's counts show",
        "parities": [list(bits) for bits in parities],
        "head_weight": head_weight.tolist(),
        "head_bias": head_bias.tolist(),
        "classes": names,
        "check": {"name": CHECK, "expected": "bit 0 is 1, every other bit 0"},
        "texts": rows,
        "sha256": {name: hashlib.sha256(two.encode()).hexdigest() for name, (two, _) in files.items()},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (two, three) in files.items():
            (folder / f"{name}.qasm").write_text(two, encoding="utf-8")
            (folder / f"{name}.qasm3").write_text(three, encoding="utf-8")
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"The bundle {folder.name} cannot be written ({error.strerror}).") from None
    return folder


def exact(circuit: Circuit, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """<Z_j> of the student itself, (N, n), by the project's simulator."""
    import torch

    from qdcircuits.simulation import simulator

    return simulator(circuit, "torch")(torch.tensor(inputs), torch.tensor(weights)).numpy()


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """A bundle's manifest; raises InputError where there is none, or another version's."""
    path = Path(folder).expanduser() / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and bool(manifest["texts"]) and len(manifest["parities"]) > 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise InputError(f"{str(folder)!r} is no bundle of this version: its manifest.json must say {FORMAT}.")
    return dict(manifest)


@dataclass(frozen=True)
class Imported:
    """What a provider's counts say. z, expected: (N, n); predicted, expected_class: (N,) class numbers.

    order: 'left' or 'right', where bit 0 stands, as the check proved; shots (N,): of each text; labels: (N,) or None;
    frequencies: (N, 2^n), bit 0 leftmost; notices: sentences that a reader should see.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    z: np.ndarray
    expected: np.ndarray
    predicted: np.ndarray
    expected_class: np.ndarray
    labels: np.ndarray | None
    order: str
    shots: np.ndarray
    counts: dict[str, dict[str, int]] = field(repr=False)
    notices: tuple[str, ...] = ()

    def summary(self) -> str:
        """Accuracy, agreement with the simulator and error of <Z>, in sentences, with 95% Wilson intervals."""
        same = int((self.predicted == self.expected_class).sum())
        error = float(np.sqrt(np.mean((self.z - self.expected) ** 2)))
        parts = [f"{len(self.z)} texts, {int(self.shots.min()):,} shots or more each, bit 0 at the {self.order} end."]
        parts.append(f"The class is the simulator's in {share(same, len(self.z))}; error of <Z> (rms) {error:.3f}.")
        if self.labels is not None:
            right = int((self.predicted == self.labels).sum())
            ideal = int((self.expected_class == self.labels).sum())
            parts.append(f"Right: {share(right, len(self.z))}; the simulator: {share(ideal, len(self.z))}.")
        return " ".join([*parts, *self.notices])


def share(count: int, of: int) -> str:
    """'7 of 8 (0.875, 0.53 to 0.98)': the 95% Wilson interval."""
    from scipy.stats import binomtest

    found = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count} of {of} ({count / of:.3f}, {found.low:.2f} to {found.high:.2f})"


def import_bundle(folder: Path | str, counts_file: Path | str) -> Imported:
    """Counts of a bundle's circuits to <Z>, classes and accuracy; texts without counts are left out with a notice.

    Raises InputError where the counts cannot be read, the check is missing or unclear, or the texts' bits stand in
    the other order than the check's.
    """
    manifest = read_manifest(folder)
    n, parities = int(manifest["bits"]), manifest["parities"]
    names = [CHECK, *(row["name"] for row in manifest["texts"])]
    found = {name: counts_in(item, n, name) for name, item in named_items(counts_file, names).items()}
    if CHECK not in found:
        raise InputError("The counts have none of 'check': run check.qasm too, its counts prove the order of the bits.")
    order = proved_order(found[CHECK])
    rows = [row for row in manifest["texts"] if row["name"] in found]
    if not rows:
        raise InputError(f"The counts have none of the bundle's texts: name them {names[1]}, {names[-1]} and so on.")
    expected = np.array([row["expected_z"] for row in rows])

    def z_of(which: str) -> np.ndarray:
        return np.array([expectations(frequencies_of(found[row["name"]], n, which), parities) for row in rows])

    z, turned = z_of(order), z_of({"left": "right", "right": "left"}[order])
    errors = [float(np.sqrt(np.mean((values - expected) ** 2))) for values in (z, turned)]
    if errors[1] < errors[0] / 2:
        raise InputError(
            f"Read in the order that the check proved ({order}) the texts are off by {errors[0]:.2f} (rms of <Z>), in "
            f"the other order by {errors[1]:.2f}: the bits of check and texts do not stand in the same order."
        )
    notices = []
    missing = len(names) - 1 - len(rows)
    if missing:
        notices.append(f"{missing} of {len(names) - 1} texts have no counts and are left out.")
    shots = np.array([sum(found[row["name"]].values()) for row in rows])
    if (shots != manifest["shots"]).any():
        notices.append(f"The bundle asked for {manifest['shots']:,} shots a text.")
    head, bias = np.array(manifest["head_weight"]), np.array(manifest["head_bias"])
    labels = np.array([row["label"] for row in rows]) if all("label" in row for row in rows) else None
    return Imported(
        names=tuple(row["name"] for row in rows),
        classes=tuple(manifest["classes"]),
        z=z,
        expected=expected,
        predicted=(z @ head + bias).argmax(axis=1),
        expected_class=(expected @ head + bias).argmax(axis=1),
        labels=labels,
        order=order,
        shots=shots,
        counts=found,
        notices=tuple(notices),
    )


def write_ledger(bundle: Path | str, found: Imported, path: Path | str, source: str, chip: str) -> None:
    """Imported counts as a new ledger, which Figure 5 replays; source: who made them, chip: on what.

    The bundle's `about` must name the student's row as 'student', and 'numbers' the text of each circuit.
    """
    from qdcircuits.cloud.ledger import Job, Ledger

    manifest = read_manifest(bundle)
    about = manifest["about"]
    if "student" not in about or len(about.get("numbers", ())) != len(manifest["texts"]):
        raise InputError("The bundle does not name a student's row and its texts: Figure 5 cannot show its counts.")
    if Path(path).expanduser().exists():
        raise InputError(f"{str(path)!r} is there already: give a new file for the ledger.")
    shots = sorted(set(found.shots.tolist()))
    settings = {"source": source, "service": "bundle", "chip": chip, "shots": shots[0], "bit_order": found.order}
    ledger = Ledger.open(path, settings)
    folder = Path(bundle).expanduser()
    for row, number in zip(manifest["texts"], about["numbers"], strict=True):
        if row["name"] not in found.counts or "label" not in row:
            continue
        data = {"inputs": row["angles"], "label": row["label"], "parities": manifest["parities"]}
        qasm = (folder / f"{row['name']}.qasm").read_text(encoding="utf-8")
        job = Job({"student": about["student"], "text": number}, qasm, manifest["qubits"], manifest["bits"], data)
        what = {"about": job.about, "data": data, "n_bits": job.n_bits, "qasm": qasm}
        ledger.write({"event": "sending", "name": job.name, **what})
        ledger.write({"event": "counts", "name": job.name, "counts": found.counts[row["name"]]})


def named_items(counts_file: Path | str, names: Sequence[str]) -> dict[str, Any]:
    """The counts of each circuit by its name: from an object, a list in the manifest's order, or Qiskit's result."""
    from qdcircuits.cloud.quafu_http import strict_json

    path = Path(counts_file).expanduser()
    try:
        data = strict_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"The counts {path.name} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise InputError(f"The counts {path.name} are no JSON ({str(error)[:80]}).") from None
    if isinstance(data, dict) and isinstance(data.get("results"), list):
        data = data["results"]
    if isinstance(data, list):
        titles = [str(item.get("header", {}).get("name")) if isinstance(item, dict) else "" for item in data]
        if set(titles) <= set(names) and len(set(titles)) == len(data):
            return dict(zip(titles, data, strict=True))
        if len(data) != len(names):
            raise InputError(
                f"The list has counts of {len(data)} circuits and the bundle {len(names)}, the check first."
            )
        return dict(zip(names, data, strict=True))
    if not isinstance(data, dict):
        raise InputError(f"The counts {path.name} must be an object from names such as 'check' to counts, or a list.")
    plain = {str(name).removesuffix(".qasm3").removesuffix(".qasm"): item for name, item in data.items()}
    unknown = sorted(set(plain) - set(names))
    if unknown:
        raise InputError(
            f"The bundle has no circuit {unknown[0][:40]!r}: its names are check, {names[1]} to {names[-1]}."
        )
    return plain


def proved_order(counts: dict[str, int]) -> str:
    """'left' or 'right', at which end the check's 1 is read."""
    shots = sum(counts.values())
    left, right = (sum(count for bits, count in counts.items() if bits[end] == "1") / shots for end in (0, -1))
    if abs(left - right) <= CLEAR:
        raise InputError(
            f"X on qubit 0 was read as 1 in {left:.0%} of the shots at the left end of the bits and {right:.0%} at the "
            "right: the order of the bits is not clear."
        )
    return "left" if left > right else "right"
