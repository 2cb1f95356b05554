"""The three tasks' texts, and anybody's own file: found, verified, cleaned and split.

The authors' files are looked for in `data_dir`, then in the environment variable QDLLM_DATA, then in the
user's cache; `fetch()` puts them into the cache from the published commit, each checked by its SHA-256.
"""

import hashlib
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.config import TASKS, Scale, Task
from qdllm_utils.texts.own_file import OwnTexts, read_own_file

COMMIT = "ced114d633d1e8c002e0e4c5a0cac9aa000bacad"
PUBLISHED = f"https://raw.githubusercontent.com/Lilingxiao-bupt/QD-LLM/{COMMIT}/Dataset/"
SHA256 = {
    "senti/train_neg.txt": "b3d8a2265429852c44121d627901c664e826284009e1cf7cf003f0dced5d2c47",
    "senti/train_pos.txt": "be23c612f032180f1e9fbf1ef0cb63116d9406a746ee0404649ac0fe9c3c49fe",
    "stega/train_neg.txt": "09f987132ef54f321edc48f0d1c26c45fa275909f2861f29b617501ad70e9f37",
    "stega/train_pos.txt": "c40f46cf1545f5103c3803833614fd9893dbde523b517e1f86e1a969f028e191",
    "topic/train_business.txt": "78366a40958aab012a22e3628bba03494f126556b58dbea3371855cc1bc8bdc4",
    "topic/train_sci.txt": "bdbc6b6c7573b9030804892d03ac7d92805b1da17c793b051e1e00bdba9dd0d4",
    "topic/train_sport.txt": "23236bf0b2a0f1c54ae9c8ab96079a9ba5f4e92f070a64e4df703f3eb20308d4",
    "topic/train_world.txt": "22f3bee8fa793b52a5863656c2a1eec002e3e19ea6df61210fd9151877b4200e",
}


@dataclass(frozen=True)
class Corpus:
    """Cleaned texts with their labels.

    labels: (N,) class numbers into `classes`. duplicates: further copies of a text; contradictions: texts
    removed because they carry more than one label.
    """

    title: str
    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    duplicates: int
    contradictions: int

    @property
    def cleaning(self) -> str:
        """What cleaning did, in a sentence."""
        return (
            f"{len(self.texts):,} texts after cleaning ({self.duplicates:,} duplicate rows and "
            f"{self.contradictions:,} texts with two labels removed)"
        )


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def find_folder(task: Task, data_dir: str | None) -> Path:
    """The folder that holds the authors' files of a task, or an InputError that says how to get them."""
    places = [("the parameter data_dir", data_dir), ("QDLLM_DATA", os.environ.get("QDLLM_DATA"))]
    for origin, place in places:
        if place:
            folder = Path(place).expanduser() / task.folder
            if not folder.is_dir():
                raise InputError(f"{origin} is {place!r}, but there is no folder {task.folder!r} in it.")
            return folder
    folder = cache() / task.folder
    if not folder.is_dir():
        raise InputError(
            f"The authors' {task.name} data is not here: set QDLLM_DATA or data_dir to a folder with "
            f"{task.folder}/ in it, or fetch it with `python -m qdllm_utils.texts.sources`, "
            "or use scale demo."
        )
    return folder


def cache() -> Path:
    """The user's cache folder for the authors' data."""
    import pooch

    return Path(pooch.os_cache("qdllm")) / "data"


def fetch() -> Path:
    """Download the authors' files at the published commit into the user's cache; returns the folder.

    Each file's SHA-256 is checked; a file that is there already is not fetched again. Raises InputError where a file
    cannot be fetched, is another one, or finds no room.
    """
    import pooch
    import requests

    registry = {name: f"sha256:{value}" for name, value in SHA256.items()}
    files = pooch.create(path=cache(), base_url=PUBLISHED, registry=registry, retry_if_failed=2)
    for name in registry:
        try:
            files.fetch(name, progressbar=True)
        except requests.RequestException as error:
            raise InputError(
                f"{name} of the authors' data could not be fetched ({type(error).__name__}): go online and try again, "
                "or set QDLLM_DATA or data_dir to a folder that has senti/, stega/ and topic/."
            ) from error
        except ValueError as error:  # pooch: the SHA-256 differs
            raise InputError(f"{name} came damaged or changed (its SHA-256 differs): try again later.") from error
        except OSError as error:
            raise InputError(
                f"{name} could not be written to the cache ({error.strerror or error}): make room there, or set "
                "XDG_CACHE_HOME to another folder."
            ) from error
    return cache()


def authors_fingerprint(task: Task) -> str:
    """The fingerprint of the authors' files of a task, from their published hashes."""
    return digest("".join(SHA256[f"{task.folder}/train_{label}.txt"] for label in task.classes).encode())


def read_authors(task: Task, data_dir: str | None) -> list[tuple[str, str]]:
    """(text, label) rows of the authors' files, each file checked against its published SHA-256."""
    folder = find_folder(task, data_dir)
    rows = []
    for label in task.classes:
        path = folder / f"train_{label}.txt"
        if not path.is_file():
            raise InputError(f"{path.name} is missing in {task.folder}/: fetch the data again.")
        raw = path.read_bytes()
        if digest(raw) != SHA256[f"{task.folder}/{path.name}"]:
            raise InputError(
                f"{task.folder}/{path.name} is not the published file (its SHA-256 differs): fetch it again, "
                "with its line ends unchanged, or pass your own texts as a CSV to notebooks/own_texts.ipynb."
            )
        lines = raw.decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
        rows += [(line, label) for line in lines]
    return rows


def same_text(text: str) -> str:
    """What two texts are compared by: case and spacing ignored, as an uncased tokeniser reads them."""
    return " ".join(text.lower().split())


def clean(rows: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], int, int]:
    """Keep the first of repeated texts and none of those with more than one label; count both.

    Returns (rows, duplicates, contradictions): duplicates counts every further copy of a text (SPEC section 4's
    count), contradictions the distinct texts that carry more than one label.
    """
    labels_of: dict[str, set[str]] = defaultdict(set)
    copies = 0
    for text, label in rows:
        copies += same_text(text) in labels_of
        labels_of[same_text(text)].add(label)
    kept: dict[str, tuple[str, str]] = {}
    for text, label in rows:
        same = same_text(text)
        if same and len(labels_of[same]) == 1:
            kept.setdefault(same, (text.strip(), label))
    contradictions = sum(len(labels) > 1 for labels in labels_of.values())
    return list(kept.values()), copies, contradictions


@dataclass(frozen=True)
class Source:
    """Where a corpus comes from: a task at a scale, or a user's own file (`path`), of which every text is taken.

    Its fingerprint is known without the authors' files (their hashes are published), so that rows in the
    store can be found without them; `corpus` reads and cleans the texts. text_column, label_column, separator,
    encoding, unlabelled: of an own file (see `read_own_file`).
    """

    task: str
    scale: Scale
    data_dir: str | None = None
    path: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    separator: str | None = None
    encoding: str | None = None
    unlabelled: bool = False

    @property
    def kind(self) -> str:
        """Who wrote the texts: csv, generated or authors."""
        return "csv" if self.path is not None else "generated" if self.scale.generated else "authors"

    @property
    def title(self) -> str:
        """The task's title, or the own file's name."""
        return TASKS[self.task].title if self.path is None else Path(self.path).stem

    @cached_property
    def own(self) -> OwnTexts:
        """The user's own file, read and checked; an InputError where there is none."""
        if self.path is None:
            raise InputError("The texts come from no file of one's own: pass `csv` with the path of one.")
        return read_own_file(
            self.path, self.text_column, self.label_column, self.separator, self.encoding, self.unlabelled
        )

    @cached_property
    def rows(self) -> list[tuple[str, str]]:
        """The raw (text, label) rows; of an own file those that are used."""
        if self.path is not None:
            own = self.own
            return [(text, own.classes[label]) for text, label in zip(own.texts, own.labels, strict=True)]
        if self.scale.generated:
            from qdllm_utils.texts import corpora

            texts, labels = corpora.generate(self.task, self.scale.generated // len(TASKS[self.task].classes))
            return list(zip(texts, labels, strict=True))
        return read_authors(TASKS[self.task], self.data_dir)

    @cached_property
    def fingerprint(self) -> str:
        """A hash that identifies the raw texts and labels."""
        if self.kind == "authors":
            return authors_fingerprint(TASKS[self.task])
        if self.path is not None:
            return self.own.fingerprint
        return digest("\n".join(f"{label}\t{text}" for text, label in self.rows).encode())

    @cached_property
    def corpus(self) -> Corpus:
        """The texts, cleaned, and thinned to the scale's max_texts (evenly, always the same ones).

        An own file is never thinned: all its texts are taken, whatever the scale.
        """
        if self.path is not None:
            own = self.own
            return Corpus(self.title, own.texts, own.labels, own.classes, own.duplicates, own.contradictions)
        rows, duplicates, contradictions = clean(self.rows)
        classes = TASKS[self.task].classes
        rows = thin(rows, self.scale.max_texts, len(classes))
        labels = np.array([classes.index(label) for _, label in rows], dtype=int)
        smallest = min(np.bincount(labels, minlength=len(classes)), default=0)
        if len(classes) < 2 or smallest < 5:
            raise InputError(
                f"{self.title}: {len(classes)} classes, the smallest with {smallest} texts after cleaning; "
                "two classes with at least 5 texts each are needed."
            )
        texts = tuple(text for text, _ in rows)
        return Corpus(self.title, texts, labels, classes, duplicates, contradictions)


def thin(rows: list[tuple[str, str]], max_texts: int, n_classes: int) -> list[tuple[str, str]]:
    """At most max_texts // n_classes rows of each class (0: all), drawn once with a fixed generator."""
    if not max_texts or len(rows) <= max_texts:
        return rows
    order = np.random.default_rng(0).permutation(len(rows))
    taken: dict[str, int] = defaultdict(int)
    chosen = []
    for number in order:
        label = rows[number][1]
        if taken[label] < max_texts // n_classes:
            taken[label] += 1
            chosen.append(number)
    return [rows[number] for number in sorted(chosen)]


def split(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Row numbers of a stratified 6:2:2 split by seed: train, validation, test."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(labels))
    train, rest = train_test_split(rows, test_size=0.4, stratify=labels, random_state=seed)
    validation, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=seed)
    return {"train": train, "validation": validation, "test": test}


def share_of(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A share of row numbers in their order, drawn by seed; a smaller one lies within a larger."""
    kept = np.random.default_rng(seed).permutation(len(rows))[: round(share * len(rows))]
    return rows[np.sort(kept)]


def statistics(corpus: Corpus) -> dict[str, float]:
    """Table 1's columns for a corpus: texts, classes, average length in words, words, vocabulary."""
    words = [text.split() for text in corpus.texts]
    total = sum(map(len, words))
    return {
        "texts": len(corpus.texts),
        "classes": len(corpus.classes),
        "average length": total / len(words),
        "words": total,
        "vocabulary": len({word for text in words for word in text}),
    }


if __name__ == "__main__":
    try:
        print(f"The authors' data is in {fetch()}.")
    except InputError as problem:
        sys.exit(f"InputError: {problem}")
