"""A peer of texts.py in its own environment: trains setfit or model2vec's classifier, then classifies when asked.

A line of JSON in, a line of JSON out: first what to train on, then an empty line for each call that is timed.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from typing import Any


def setfit(task: dict[str, Any]) -> Any:
    """SetFitModel on MiniLM: contrastive steps, then logistic regression."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(task["minilm"], local_files_only=True)
    model.model_body.max_seq_length = task["max_tokens"]
    arguments = TrainingArguments(
        output_dir=task["scratch"], batch_size=16, max_steps=task["setfit_steps"], seed=0, report_to="none",
        show_progress_bar=False, save_strategy="no",
    )  # fmt: skip
    train = Dataset.from_dict({"text": task["texts"], "label": task["labels"]})
    Trainer(model=model, args=arguments, train_dataset=train).train()
    return lambda texts: [int(label) for label in model.predict(texts, use_labels=False)]


def model2vec(task: dict[str, Any]) -> Any:
    """A StaticModelForClassification on the same token vectors as ours."""
    from model2vec.train import StaticModelForClassification

    names = [str(label) for label in task["labels"]]
    held = [str(label) for label in task["held_labels"]]
    model = StaticModelForClassification.from_pretrained(task["static"], max_length=task["max_tokens"])
    model.fit(task["texts"], names, X_val=task["held_texts"], y_val=held, device="cpu", random_seed=0)
    return lambda texts: [int(label) for label in model.predict(texts)]


def main() -> None:
    """Train, say what the test texts are, then answer each line with the CPU and wall seconds of one call."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print goes elsewhere
    task = json.loads(sys.stdin.readline())
    import torch

    start = time.perf_counter()
    classify = {"setfit": setfit, "model2vec": model2vec}[task["peer"]](task)
    about = {"seconds": time.perf_counter() - start, "version": version(task["peer"])}
    print(json.dumps({"predicted": classify(task["test_texts"]), **about}), file=answers, flush=True)
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {task["core"]})
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        classify(task["timed_texts"])
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), file=answers, flush=True)


if __name__ == "__main__":
    main()
