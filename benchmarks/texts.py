"""From text to class, side by side: the student on float32, int8 and static embeddings, four baselines, and peers.

    python benchmarks/texts.py --data thematic --json texts.json   # the authors' texts (QDLLM_DATA), or a CSV

All are trained on the same split, then classify the same texts in turns, one thread on one core; CPU and wall time are
medians over the turns. Without --data the texts are generated. Peers run in the environment of peers-texts.txt.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROOT = Path(__file__).parents[1]
ENCODERS = ("minilm", "minilm:int8", "static")
STUDENT = "quantum"  # of the arms on an embedding
Times = list[tuple[float, float]]


def clock(call: Callable[[], object]) -> tuple[float, float]:
    """(CPU, wall) seconds of one call; the CPU time is this process's, over all its threads."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def tokenising(scorer: Any, texts: list[str], max_tokens: int) -> Callable[[], object] | None:
    """What a model does before it computes anything: texts to token ids; None for TF-IDF, which is nothing else."""
    from qdllm_utils.model.static import Static
    from qdllm_utils.model.tokens import tokeniser
    from qdllm_utils.model.transformer import Transformer

    if isinstance(scorer, Transformer):
        encode = scorer.parts[0]
        return lambda: [encode(text, truncation=True, max_length=max_tokens) for text in texts]
    if not hasattr(scorer, "embedder"):
        return None
    embedder = scorer.embedder
    if isinstance(embedder, Static):
        return lambda: embedder.model.tokenizer.encode_batch(texts)
    folder = embedder.folder if embedder.name == "minilm" else embedder.place
    return lambda: tokeniser(folder).encode_batch(texts)


class Peer:
    """A process in the peers' environment."""

    def __init__(self, python: str, task: dict[str, Any]) -> None:
        """Start it and give it what to learn from."""
        command = [python, str(Path(__file__).with_name("worker_texts.py"))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.ask(json.dumps(task))

    def ask(self, line: str = "") -> Any:
        """Its answer to a line."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"A peer ended with status {self.process.wait()}: read what it wrote above.")
        return json.loads(answer)


def labelled_texts(name: str | None, most: int) -> tuple[list[str], list[str], str]:
    """Texts, labels and what they are: a task of the authors' data, a CSV, or generated ones; at most so many."""
    import numpy as np

    from qdllm_utils.config import SCALES, TASKS
    from qdllm_utils.texts import corpora
    from qdllm_utils.texts.own_file import read_own_file
    from qdllm_utils.texts.sources import Source

    if name is None:
        texts, labels = corpora.generate("thematic", 150)
        return list(texts), [str(label) for label in labels], "generated demo texts"
    if name in TASKS:
        own: Any = Source(name, SCALES["cpu"], None).corpus
        about = f"the authors' {TASKS[name].name} texts"
    else:
        own, about = read_own_file(name), Path(name).name
    chosen = np.random.default_rng(0).permutation(len(own.texts))[:most]
    return [own.texts[i] for i in chosen], [own.classes[own.labels[i]] for i in chosen], about


def main() -> None:
    """Train all, time all, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="emotion, hiding, thematic, or a file of labelled texts; default: generated")
    parser.add_argument("--most", type=int, default=2000, help="of these texts, drawn with seed 0")
    parser.add_argument("--peers", default=str(ROOT / "build" / "peers-texts" / "bin" / "python"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--texts", type=int, default=256, help="classified in one call: the test texts, again and again"
    )
    parser.add_argument("--setfit-steps", type=int, default=300, help="of 16 pairs each")
    parser.add_argument("--json", help="where the rows go")
    arguments = parser.parse_args()
    rows = measured(arguments)
    print(json.dumps(rows, indent=1))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")


def measured(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a model: accuracy with its interval, CPU and wall milliseconds a text, the tokeniser's share."""
    import numpy as np
    import torch

    from qdllm_utils.model import distil
    from qdllm_utils.model.choice import accuracy_interval
    from qdllm_utils.model.static import distilled_static
    from qdllm_utils.texts.pretrained import minilm_folder

    texts, labels, name = labelled_texts(arguments.data, arguments.most)
    arms = ("tfidf", STUDENT)
    made = distil(texts, labels, "minilm", embedder=",".join(ENCODERS), arms=arms, baselines=True, curve=False)
    data = made.data
    truth, test = data.labels[data.rows["test"]], data.part("test")
    timed = (test * (1 + arguments.texts // len(test)))[: arguments.texts]
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    scratch = tempfile.mkdtemp(prefix="qdllm-bench-")
    task = {
        "texts": data.part("train"), "labels": data.labels[data.rows["train"]].tolist(), "test_texts": test,
        "held_texts": data.part("validation"), "held_labels": data.labels[data.rows["validation"]].tolist(),
        "timed_texts": timed, "max_tokens": made.max_tokens, "core": core, "minilm": minilm_folder(),
        "static": str(distilled_static()), "setfit_steps": arguments.setfit_steps, "scratch": scratch,
    }  # fmt: skip
    peers = {peer: Peer(arguments.peers, task | {"peer": peer}) for peer in ("setfit", "model2vec")}
    predicted = {one.name: one.test.argmax(axis=1) for one in made.candidates.values()}
    predicted |= {peer: np.array(found.about["predicted"]) for peer, found in peers.items()}

    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    models = {one.name: one.model for one in made.candidates.values() if one.model is not None}
    times: dict[str, Times] = {one: [] for one in predicted}
    before: dict[str, Times] = {one: [] for one in models}
    for _ in range(arguments.rounds + 1):
        for one, model in models.items():
            times[one].append(clock(lambda model=model: model.probabilities(timed)))
            first = tokenising(model.scorer, timed, made.max_tokens)
            if first is not None:
                before[one].append(clock(first))
        for peer, found in peers.items():
            times[peer].append(tuple(found.ask()))
    for found in peers.values():
        found.process.stdin.close()
        found.process.wait()
    rows = []
    for one, right in ((one, answer == truth) for one, answer in predicted.items()):
        cpu, wall = (median(pair[number] for pair in times[one][1:]) for number in (0, 1))
        low, high = accuracy_interval(right)
        candidate = made.candidates.get(one)
        embedder = getattr(models[one].scorer, "embedder", None) if one in models else None
        share = median(pair[0] for pair in before[one][1:]) / cpu if before.get(one) else None
        rows.append(
            {
                "model": one,
                "version": peers[one].about["version"] if one in peers else "",
                "note": f"{arguments.setfit_steps} steps of 16 pairs" if one == "setfit" else "",
                "accuracy": float(right.mean()), "low": low, "high": high, "test_texts": len(truth),
                "bytes": candidate.stored_bytes if candidate else None,
                "pooling": embedder.pooling if embedder else None,
                "cpu_ms": 1e3 * cpu / len(timed), "wall_ms": 1e3 * wall / len(timed), "tokenising": share,
                "data": name, "texts": len(data.texts), "rounds": arguments.rounds, "date": date.today().isoformat(),
            }
        )  # fmt: skip
    packages = ("torch", "transformers", "onnxruntime", "model2vec", "scikit-learn")
    rows[0]["packages"] = {package: version(package) for package in packages}
    return sorted(rows, key=lambda row: row["cpu_ms"])


if __name__ == "__main__":
    main()
