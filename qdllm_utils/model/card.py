"""The model card: README.md of a saved folder, made from the same figures as the page."""

from typing import Any

from qdllm_utils.model.report import Report, size

HEAD = """---
library_name: qdllm-utils
pipeline_tag: text-classification
tags: [distillation, {kind}]
---

# {title}

{answer}

```python
from qdllm_utils.model import load

model = load("{folder}")
model.predict(["a text"])        # the name of a class
model.predict_proba(["a text"])  # calibrated probabilities, columns in the order of model.classes_
```
"""


def table(heads: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def model_card(distilled: Any, candidate: Any, config: dict[str, Any], onnx_difference: float | None) -> str:
    """The card of a candidate, in Markdown."""
    report = Report(distilled)
    data, frame = distilled.data, report.frame
    row = frame.set_index("name").loc[candidate.name]
    answer = report.answer
    if candidate.name != distilled.recommended:
        answer = f"This is not the recommended model of its run. There: {answer}"
    parts = [HEAD.format(kind=config["kind"], title=candidate.title, answer=answer, folder="model")]
    rows = {name: len(numbers) for name, numbers in data.rows.items()}
    parts.append(
        "## Data\n\n"
        f"{len(data.texts):,} labelled texts, {len(data.classes)} classes, split 6:2:2 by seed {distilled.seed}: "
        f"{rows['train']:,} to train, {rows['validation']:,} to choose, {rows['test']:,} to test; "
        f"{len(data.unlabelled):,} unlabelled texts. Left out: {data.repeated} repeated, {data.contradictory} "
        "with more "
        f"than one label. SHA-256 of texts and labels: `{report.data_hash}`.\n"
    )
    per_class = report.per_class(candidate.name)
    lines = [
        [str(line[0]), *(f"{value}" for value in line[1:3]), *(f"{value:.3f}" for value in line[3:])]
        for line in per_class.itertuples(index=False)
    ]
    parts.append(
        f"## On the {report.test_texts} test texts\n\n"
        f"Accuracy {row.accuracy:.3f} (95% interval over texts {row.low:.3f} to {row.high:.3f}), macro F1 "
        f"{row.f1:.3f}, "
        f"expected calibration error {row.ece:.3f} at temperature {row.temperature:.3g}, fitted on validation. Always "
        f"answering the largest class: {report.majority_accuracy:.3f}.\n\n"
        + table(["class", "test texts", "predicted", "precision", "recall", "F1"], lines)
        + "\n"
    )
    never = report.never_predicted(candidate.name)
    if never:
        parts.append(f"**Never predicted on the test texts: {', '.join(map(str, never))}.**\n")
    controls = [
        [
            line.title,
            f"{line.accuracy:.3f} [{line.low:.3f}, {line.high:.3f}]",
            "–" if line.bytes != line.bytes else size(line.bytes),
            "–" if line.head_bytes != line.head_bytes else size(line.head_bytes),
            "–" if line.texts_per_second != line.texts_per_second else f"{line.texts_per_second:,.0f}",
        ]
        for line in frame.itertuples()
    ]
    parts.append(
        "## Controls: all candidates of the run, on the same texts\n\n"
        + table(["model", "test accuracy", "bytes, text to class", "of these trained here", "texts a second"], controls)
        + "\n"
    )
    parts.append("## How it works\n\n" + how(candidate, config, onnx_difference) + "\n")
    classes = ", ".join(map(str, data.classes))
    parts.append(
        "## Intended use and limits\n\n"
        f"To sort texts like those above into these classes: {classes}. It answers one of them for every "
        "text, those of "
        "another kind, language or subject too, with a probability that was calibrated on texts like the "
        "training texts "
        f"and on no others. Texts are cut to {config['max_tokens']} tokens where an embedder reads them. What "
        "is biased "
        "in the labels is learnt. The accuracy is that of one split of one file of texts.\n"
    )
    return "\n".join(parts)


def how(candidate: Any, config: dict[str, Any], onnx_difference: float | None) -> str:
    """What the files are and how a text becomes a class."""
    if config["kind"] == "tfidf":
        return (
            "Words and pairs of words, and 3 to 5 characters within words, weighted by TF-IDF; logistic "
            "regression with "
            f"C = {config['C']:g}. scikit-learn runs it; torch is not needed. The weights are safetensors, "
            "the terms JSON."
        )
    if config["kind"] == "transformer":
        return "A whole sequence classifier in `teacher/`, run by transformers and torch."
    embedder, head = config["embedder"], config["head"]
    place = "in `embedder/`" if embedder["kind"] in ("static", "int8") else "which is not in this folder"
    lines = [
        f"Embedder: {embedder['model']}, {place}; SHA-256 of weights and tokeniser `{embedder['sha256']}`; pooling "
        f"{embedder['pooling']}.",
        f"Head: {head['kind']}, {head['dimension']} inputs, {head['bits']} bits a weight.",
        f"Trained on {candidate.settings['trained_on']}, {candidate.settings['texts']:,} texts.",
        "`head.onnx` goes from the embedding (float32, `model.embed(texts)`) to the calibrated probabilities; it "
        f"differs from torch by at most {onnx_difference:.1e} on the test texts.",
    ]
    if "int8_cost" in candidate.settings:
        lines.append(
            "The encoder's weights and activations have 8 bits. Accuracy less that of the same head on float32 "
            f"embeddings of the test texts: {candidate.settings['int8_cost']}."
        )
    if head["kind"] == "quantum":
        lines.append(
            f"`circuit.qasm`: the trained circuit, {head['qubits']} qubits and {head['layers']} layers, with "
            "the encoder's "
            "angles as inputs; the predictions here are computed exactly and without a quantum computer."
        )
    return "\n".join(f"* {line}" for line in lines)
