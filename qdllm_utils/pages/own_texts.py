"""The page of a user's own texts: what their file holds, which model to use, how sure that is, and the saved folder."""

import html
import time
from dataclasses import replace
from typing import Any

import numpy as np

from qdcircuits.errors import InputError, choose
from qdllm_utils.model.candidates import ARMS
from qdllm_utils.model.data import Labelled
from qdllm_utils.model.distillation import Distilled, distil, tokens_of
from qdllm_utils.model.report import Report, size
from qdllm_utils.model.teacher import BASELINES
from qdllm_utils.model.training import fitting_threads, say
from qdllm_utils.parameters import Parameters, read_parameters
from qdllm_utils.show.html_table import DEMO, HTML, cell, head, line, table
from qdllm_utils.texts.own_file import OwnTexts, read_own_file
from qdllm_utils.texts.own_file_tokens import read_tokens, without_equals

LABELS = "labels"  # as the teacher: none, the labels alone
EXAMPLE = 240  # generated texts, where no file is given


def settings(namespace: dict[str, Any]) -> Parameters:
    """The notebook's parameters, checked; an empty file name is refused, and never taken for no file."""
    if isinstance(namespace.get("csv"), str) and not namespace["csv"].strip():
        raise InputError(
            "csv is empty: give the path of your file of texts, or leave the parameter out for an example."
        )
    parameters = read_parameters(namespace)
    teacher = parameters.values["teacher"]
    if teacher not in (None, LABELS):
        from qdllm_utils.parameters import check_teacher

        check_teacher(teacher)
        if teacher == "all":
            raise InputError("teacher is 'all': one teacher is distilled here; give a name, a hub id or a folder.")
    if parameters.values["saved"] is not None:
        check_saved(parameters.values)
    return parameters


def check_saved(p: dict[str, Any]) -> None:
    """Raise InputError for a `saved` that will not be among the models of this run, before anything is trained."""
    if p["save"] is None:
        raise InputError("saved was given without save: give the folder too, or leave both out.")
    embedders = [name.strip() for name in p["embedder"].split(",")]
    suffixes = [f"@{name}" for name in embedders] if len(embedders) > 1 else [""]
    alone = p["teacher"] == LABELS
    arms = [arm for arm in ARMS if arm != "tfidf" and not (alone and arm == "labels")]
    names = ["tfidf", *(arm + suffix for suffix in suffixes for arm in arms)]
    names += [] if alone else ["teacher", *(BASELINES if p["baselines"] else ())]
    choose(p["saved"], names, "saved")


def read(parameters: Parameters) -> OwnTexts:
    """The user's texts, or, without a file, generated demo texts; without those that the token limit makes equal."""
    p = parameters.values
    if p["csv"] is not None:
        own = read_own_file(
            p["csv"], p["text_column"], p["label_column"], p["separator"], p["encoding"], unlabelled=True
        )
        tokens = read_tokens(own.texts, *tokenising(parameters))
        # such a text in another part of the split would be known there; texts that were equal before stay
        cut = tuple(group for group in tokens.equal if tokens.cut[list(group)].any())
        return without_equals(own, replace(tokens, equal=cut))
    import tempfile
    from pathlib import Path

    from qdllm_utils.texts import corpora

    texts, labels = corpora.generate("thematic", EXAMPLE // 4)
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated demo texts.csv"
        pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)
        return read_own_file(str(path))


def tokenising(parameters: Parameters) -> tuple[Any, int | str]:
    """The tokeniser of the first embedder, and max_tokens as a number or 'auto'."""
    from transformers import AutoTokenizer

    from qdllm_utils.model.tokens import encoder_name, folder_of

    name, asked = str(parameters.values["embedder"]).split(",")[0].strip(), parameters.values["max_tokens"]
    tokenizer = AutoTokenizer.from_pretrained(folder_of(encoder_name(name)), trust_remote_code=False)
    return tokenizer, int(asked) if str(asked).isdigit() else asked


def data_check(own: OwnTexts, parameters: Parameters) -> HTML:
    """What the file holds and what was assumed or left out, sentence by sentence."""
    from qdllm_utils.texts.own_file_checks import data_check as check
    from qdllm_utils.texts.sources import split

    rows = split(own.labels, parameters.values["seed"])
    sentences = check(own, *tokenising(parameters), rows).sentences()
    stamp = DEMO if parameters.values["csv"] is None else ""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return HTML(f'<div class="qd-check"><p>Data check{stamp}</p><ul>{items}</ul></div>')


def train(own: OwnTexts, parameters: Parameters) -> Distilled:
    """Distil as the parameters say; the file's own probabilities are the teacher unless another is asked for."""
    p = parameters.values
    names = [own.classes[label] for label in own.labels]
    unlabelled: list[str] | None = list(own.unlabelled)
    teacher: Any = p["teacher"] or "minilm"
    if p["teacher"] is None and own.probabilities is not None:
        order = [own.classes.index(name) for name in sorted(own.classes)]
        parts = [own.probabilities]
        if own.unlabelled_probabilities is not None:
            parts.append(own.unlabelled_probabilities)
        elif own.unlabelled:
            unlabelled = None
        teacher = np.concatenate(parts)[:, order]
        if p["saved"] == "teacher":
            raise InputError(
                "saved is 'teacher', and the file's columns p_<class> stand for it, so there is no model: name another "
                "one, or give the parameter teacher."
            )
    elif teacher == LABELS:
        teacher = unlabelled = None
    estimate(own, p, isinstance(teacher, str))
    return distil(
        own.texts,
        names,
        teacher,
        unlabelled,
        max_tokens=p["max_tokens"],
        embedder=p["embedder"],
        seed=p["seed"],
        baselines=p["baselines"],
    )


def estimate(own: OwnTexts, p: dict[str, Any], tuned: bool) -> None:
    """Say about how long it will take, from what the embedder takes for a few of the texts on this machine."""
    from qdllm_utils.model.embedders import embedder
    from qdllm_utils.model.teacher import spec_of

    name, texts = p["embedder"].split(",")[0].strip(), list(own.texts[:48])
    data = Labelled(list(own.texts), own.labels, list(own.classes), [], {}, None, 0, 0)
    encoder = embedder(name, tokens_of(p["max_tokens"], data, name))
    encoder.poolings(texts[:8])
    with fitting_threads():
        start = time.perf_counter()
        encoder.poolings(texts)
        each = (time.perf_counter() - start) / len(texts)
    passes = 1.0
    if tuned:  # a step of fine-tuning costs three forward passes; validation and the last pass one each
        epochs = spec_of("minilm", int(0.6 * len(own.texts)), p["seed"]).epochs
        passes += epochs * (0.6 * 3 + 0.2) + 1
    seconds = 40 + passes * each * (len(own.texts) + len(own.unlabelled))
    note = "" if not tuned or (p["teacher"] or "minilm") == "minilm" else " if the teacher is as small as MiniLM"
    say(f"This will take about {seconds / 60:.1f} minutes on this machine{note}.", True)


def answer(distilled: Distilled, parameters: Parameters) -> HTML:
    """The answer on top: which model to use."""
    report, stamp = Report(distilled), DEMO if parameters.values["csv"] is None else ""
    never = report.never_predicted()
    warning = ""
    if never:
        names = ", ".join(html.escape(str(name)) for name in never)
        warning = f"<br><strong>Never predicted on the test texts: {names}.</strong>"
    return HTML(f'<div class="qd-answer"><strong>{html.escape(report.answer)}</strong>{warning}{stamp}</div>')


def candidates(distilled: Distilled, parameters: Parameters) -> HTML:
    """Every candidate, smallest first, with intervals, differences and costs."""
    report = Report(distilled)
    data = distilled.data
    other = "the teacher" if distilled.choice.reference == "teacher" else "the best"
    heads = [
        "model",
        "test accuracy",
        "macro F1",
        f"on validation, from {other}",
        "ECE",
        "bytes, text to class",
        "texts a second",
    ]
    lines = []
    for row in report.frame.itertuples():
        known = row.bytes == row.bytes
        name = head(f"{row.title}{' (recommended)' if row.recommended else ''}")
        difference = "" if row.name == distilled.choice.reference else f"{100 * row.difference:+.1f}"
        interval = f"[{100 * row.low_difference:+.1f}, {100 * row.high_difference:+.1f}] points" if difference else ""
        cells = [
            cell(f"{row.accuracy:.3f}", f"[{row.low:.3f}, {row.high:.3f}]"),
            cell(f"{row.f1:.3f}"),
            cell(difference or "–", interval, "level" if difference and row.level else ""),
            cell(f"{row.ece:.3f}", f"T = {row.temperature:.2f}"),
            cell(size(row.bytes) if known else "–", f"trained here: {size(row.head_bytes)}" if known else ""),
            cell(f"{row.texts_per_second:,.0f}" if row.texts_per_second == row.texts_per_second else "–"),
        ]
        lines.append(line(name, cells))
    caption = (
        f"All candidates on the same {report.test_texts} test texts, with 95% intervals over texts. Always answering "
        f"{data.classes[data.majority]!r} is right on {report.majority_accuracy:.3f}. Texts are cut to "
        f"{distilled.max_tokens} tokens for embedder and teacher; TF-IDF reads them whole. Trained in "
        f"{distilled.seconds:.0f} s; texts a second on this machine, from text to class."
    )
    return table(caption, heads, lines, parameters.values["csv"] is None)


def per_class(distilled: Distilled, parameters: Parameters) -> HTML:
    """Precision, recall and F1 of each class for the recommended model."""
    report = Report(distilled)
    rows = report.per_class()
    lines = [
        line(
            head(str(row[0])),
            [cell(f"{row[1]}"), cell(f"{row[2]}"), *(cell(f"{value:.3f}") for value in row[3:])],
        )
        for row in rows.itertuples(index=False)
    ]
    caption = f"{distilled.candidate().title}, class by class, on the {report.test_texts} test texts."
    heads = ["class", "test texts", "predicted", "precision", "recall", "F1"]
    return table(caption, heads, lines, parameters.values["csv"] is None)


def save(distilled: Distilled, parameters: Parameters) -> HTML:
    """Write the recommended model, or the one that `saved` names, where `save` says, and how to use it."""
    import shlex
    from pathlib import Path

    curve = f"<p>{html.escape(distilled.curve.sentence)}</p>" if distilled.curve else ""
    target = parameters.values["save"]
    if target is None:
        return HTML(f"{curve}<p>Nothing is saved: give the parameter <code>save</code>, a folder for the model.</p>")
    distilled.save(target, parameters.values["saved"])
    name = Path(target).name
    shown = shlex.quote(name)
    code = html.escape(
        f"from qdllm_utils.model import load\n\nmodel = load({name!r})\nmodel.predict(['a text'])\n\n"
        f"python -m qdllm_utils predict {shown} texts.txt"
    )
    title = html.escape(distilled.candidate(parameters.values["saved"]).title)
    return HTML(f"{curve}<p>Saved in the folder <code>{html.escape(name)}</code>, {title}:</p><pre>{code}</pre>")
