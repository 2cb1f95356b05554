"""The data and the static picture of the page *Try the student*, written from published rows.

    python -m qdllm_utils.show.try_student

The page simulates a trained student in the browser. What it needs goes into one script beside it: the circuit's gates,
and for each task the student's angles and head from its row, the largest terms of its exact expansion, and a few texts
of our own generator with the encoder's angles. A page that is opened as a file may load a script, but no JSON file.
"""

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qdcircuits.ansatz import fused
from qdcircuits.errors import InputError
from qdcircuits.expansion import expand
from qdllm_utils.config import TASKS, Knobs
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.surrogate import restored
from qdllm_utils.texts.corpora import CLASSES, generate
from qdllm_utils.texts.embeddings import embed

ROWS = {  # preset tuned, teacher and reader minilm, seed 0; the arrays are in book/results/headline-<task>.zip
    "emotion": "student-f6402850ef6f21b1d446",
    "hiding": "student-5a01c503f1dcbcf2c465",
    "thematic": "student-65a8c10044345a368011",
}
NAMES = {"hiding": ("cover", "hidden message"), "emotion": ("negative", "positive")}
TEXTS = 12  # a task
TERMS = 10  # kept for each output
OPENING = "// Written by `python -m qdllm_utils.show.try_student`: do not edit.\nwindow.qdllmStudents = "
FOLDER = Path(__file__).parents[2] / "book" / "_extra" / "try"


def main() -> None:
    """Write students.js and picture.svg."""
    data = everything()
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "students.js").write_text(script(data), encoding="utf-8")
    (FOLDER / "picture.svg").write_text(picture(data), encoding="utf-8")
    print(f"{len(script(data)):,} bytes of students, {len(picture(data)):,} of picture.")


def everything() -> dict[str, Any]:
    """What the page needs, as plain data: `gates`, shared by all students, and `students`, one a task."""
    texts = texts_of()
    students = {}
    for task, key in ROWS.items():
        row = row_of(key)
        counts, terms = terms_of(trained(row))
        students[task] = {**numbers_of(task, row), "counts": counts, "terms": terms, "texts": texts[task]}
    return {"qubits": 11, "gates": gates(), "students": students}


def gates() -> list[list[Any]]:
    """The fused circuit of every student: name, qubits, where the angle comes from, and its number."""
    circuit, _ = fused(trained(row_of(ROWS["hiding"])).circuit())
    return [[gate.name, list(gate.wires), gate.source, gate.index] for gate in circuit.gates]


def row_of(key: str) -> Row:
    """The published row of a student, with its arrays."""
    found = Store().find(key)
    row = found and Store().load(found.identity, arrays=True)
    if row is None or not row.arrays:
        raise InputError(f"The row {key} or its arrays are missing: restore book/results from the repository.")
    return row


def trained(row: Row) -> QuantumStudents:
    """The student of a row, in float64."""
    return restored(row.arrays, Knobs(**row.identity["knobs"]))


@torch.inference_mode()
def numbers_of(task: str, row: Row) -> dict[str, Any]:
    """Where a student comes from and what it has learnt.

    weights: the fused circuit's angles in rad; head: 11 lines of C numbers; bias: C numbers.
    """
    student = trained(row)
    angles = student.angles[0].numpy()
    _, sums = fused(student.circuit())
    return {
        "title": TASKS[task].title,
        "key": ROWS[task],
        "commit": row.provenance["commit"],
        "accuracy": row.result["acc"],
        "classes": list(NAMES.get(task, CLASSES[task])),
        "weights": [float(angles[one].sum()) for one in sums],
        "head": student.head_weight[0].tolist(),
        "bias": student.head_bias[0].tolist(),
    }


@torch.inference_mode()
def terms_of(student: QuantumStudents) -> tuple[list[int], list[list[Any]]]:
    """How many terms each output has, and its largest: up to TERMS pairs of a coefficient and a word.

    A word has a digit for each input: 0 for 1, 1 for cos z, 2 for sin z.
    """
    table = expand(student.circuit(), student.angles[0].numpy())
    terms = []
    for output in range(student.knobs.qubits):
        factors, coefficients = table.truncated(TERMS).digits(output)
        pairs = zip(coefficients.tolist(), factors.tolist(), strict=True)
        terms.append([[coefficient, "".join(map(str, digits))] for coefficient, digits in pairs])
    return table.counts, terms


@torch.inference_mode()
def texts_of() -> dict[str, list[dict[str, Any]]]:
    """For each task a few generated texts: the text, the number of its class, and the encoder's angles in rad."""
    corpora = {task: generate(task, TEXTS // len(CLASSES[task])) for task in ROWS}
    vectors = embed([text for texts, _ in corpora.values() for text in texts], "minilm")
    found, start = {}, 0
    for task, (texts, labels) in corpora.items():
        student = trained(row_of(ROWS[task]))
        features = torch.from_numpy(vectors[student.knobs.pooling][start : start + len(texts)]).double()[None]
        angles = np.round(student.encode(features)[0].numpy(), 6).tolist()
        start += len(texts)
        found[task] = [
            {"text": text, "label": CLASSES[task].index(label), "angles": one}
            for text, label, one in zip(texts, labels, angles, strict=True)
        ]
    return found


def script(data: dict[str, Any]) -> str:
    """The data as a script of the page."""
    return OPENING + json.dumps(data, separators=(",", ":")).replace("<", "\\u003c") + ";\n"


def read(text: str) -> dict[str, Any]:
    """The data of a script that `script` wrote."""
    return dict(json.loads(text.removeprefix(OPENING).removesuffix(";\n")))


def picture(data: dict[str, Any]) -> str:
    """What the page shows of its first text, as an SVG for a reader without scripts."""
    student = data["students"]["emotion"]
    text = student["texts"][0]
    model = trained(row_of(student["key"]))
    inputs = torch.tensor(text["angles"], dtype=torch.float64)[None, None]
    with torch.inference_mode():
        exact = model.expectations(inputs)[0, 0].tolist()
    factors = np.stack([np.ones(11), np.cos(text["angles"]), np.sin(text["angles"])])
    short = [
        sum(
            coefficient * np.prod([factors[int(digit), i] for i, digit in enumerate(word)]) for coefficient, word in one
        )
        for one in (terms[:3] for terms in student["terms"])
    ]
    lines = []
    for qubit, pair in enumerate(zip(exact, short, strict=True)):
        top = 58 + 26 * qubit
        lines.append(f'<text x="14" y="{top + 14}">⟨Z{qubit}⟩</text>')
        for shift, (value, colour) in enumerate(zip(pair, ("#0b5cad", "#a85a00"), strict=True)):
            left, width = 230 + 150 * min(value, 0), 150 * abs(value)
            lines.append(f'<rect x="{left:.1f}" y="{top + 9 * shift}" width="{width:.1f}" height="8" fill="{colour}"/>')
        lines.append(f'<text x="400" y="{top + 14}">{pair[0]:+.3f} and {pair[1]:+.3f}</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 540 350" font-family="sans-serif" font-size="14">'
        '<rect width="540" height="350" fill="#fff"/>'
        f'<text x="14" y="22">“{html.escape(text["text"])}”</text>'
        '<text x="14" y="44" fill="#0b5cad">upper bar: the circuit</text>'
        '<text x="200" y="44" fill="#a85a00">lower bar: three terms an output</text>'
        '<path d="M230 52V344" stroke="#555"/>' + "".join(lines) + "</svg>\n"
    )


if __name__ == "__main__":
    main()
