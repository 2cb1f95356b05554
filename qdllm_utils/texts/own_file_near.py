"""Texts that nearly repeat each other: Jaccard similarity of their character 5-grams, exact, without all pairs."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from qdllm_utils.texts.own_file_words import reads

GRAM = 5
JACCARD = 0.5
BLOCK = 1024  # rows of each side that are compared at once: bounds the memory


@dataclass(frozen=True)
class Near:
    """A row, its nearest found neighbour among other rows, and their similarity in [0, 1]."""

    row: int
    neighbour: int
    jaccard: float


def grams(texts: list[str]) -> sparse.csr_array:
    """(N, V) which character 5-grams each text has; columns from the rarest gram to the commonest.

    Texts are compared as they read (case, spacing and invisible characters ignored); one of fewer than five
    characters has none.
    """
    hashes: list[np.ndarray] = [np.empty(0, dtype=np.uint64)]
    sizes: list[int] = []
    for text in texts:
        codes = np.frombuffer(reads(text).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
        mixed = np.zeros(max(len(codes) - GRAM + 1, 0), dtype=np.uint64)
        for place in range(GRAM):
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(mixed)]
        mixed = np.unique(mixed)
        hashes.append(mixed)
        sizes.append(len(mixed))
    _, columns, frequency = np.unique(np.concatenate(hashes), return_inverse=True, return_counts=True)
    rank = np.empty(len(frequency), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ones = np.ones(len(columns), dtype=np.float32)
    table = sparse.csr_array((ones, rank[columns], starts), shape=(len(texts), max(len(frequency), 1)))
    table.sort_indices()
    return table


def rarest(table: sparse.csr_array, jaccard: float) -> sparse.csr_array:
    """Only each row's rarest grams, so many that two rows at least so similar share one of them (prefix filter)."""
    sizes = np.diff(table.indptr)
    kept = np.where(sizes > 0, sizes - np.ceil(jaccard * sizes - 1e-9).astype(np.int64) + 1, 0)
    place = np.arange(table.nnz) - np.repeat(table.indptr[:-1], sizes)
    chosen = place < np.repeat(kept, sizes)
    starts = np.concatenate([[0], np.cumsum(kept)])
    return sparse.csr_array((table.data[chosen], table.indices[chosen], starts), shape=table.shape)


def near_rows(texts: list[str], rows: np.ndarray, others: np.ndarray, jaccard: float = JACCARD) -> list[Near]:
    """The rows with a near-duplicate among `others`, each with the first found and their similarity.

    A row is settled once it has a neighbour, so that a corpus of templates costs no more than one of prose.
    """
    asked = np.concatenate([rows, others]).astype(int)
    table = grams([texts[row] for row in asked])
    sizes = np.diff(table.indptr)
    prefix = rarest(table, jaccard)
    open_rows = np.flatnonzero(sizes[: len(rows)])
    found: list[Near] = []
    start, step = len(rows), 64
    while start < len(asked) and len(open_rows):
        block = np.arange(start, min(start + step, len(asked)))
        start, step = start + step, min(2 * step, BLOCK)
        settled = []
        for chunk in np.array_split(open_rows, math.ceil(len(open_rows) / BLOCK)):
            one, other, shared = intersections(table, prefix, chunk, block, jaccard)
            similarity = shared / (sizes[one] + sizes[other] - shared)
            near = similarity >= jaccard
            first = np.unique(one[near], return_index=True)[1]
            for at in np.flatnonzero(near)[first]:
                found.append(Near(int(asked[one[at]]), int(asked[other[at]]), float(similarity[at])))
                settled.append(one[at])
        open_rows = np.setdiff1d(open_rows, settled)
    return sorted(found, key=lambda pair: pair.row)


def intersections(
    table: sparse.csr_array, prefix: sparse.csr_array, rows: np.ndarray, others: np.ndarray, jaccard: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, other, shared grams) of every pair that may be similar.

    Of two rows, all shared grams but those in their rarest ones lie in the rest of one of them, so the number of
    rare ones shared bounds the whole intersection from above.
    """
    pairs = sparse.coo_array(prefix[rows] @ prefix[others].T)
    one, other = rows[pairs.row], others[pairs.col]
    sizes, rest = np.diff(table.indptr), np.diff(table.indptr) - np.diff(prefix.indptr)
    needed = jaccard / (1 + jaccard) * (sizes[one] + sizes[other])
    may = pairs.data + np.maximum(rest[one], rest[other]) >= needed - 1e-6
    one, other = one[may], other[may]
    if len(one) > 0.05 * len(rows) * len(others):  # nearly all: one product is cheaper than pair by pair
        whole = sparse.coo_array(table[rows] @ table[others].T)
        return rows[whole.row], others[whole.col], whole.data
    shared = np.zeros(len(one))
    for start in range(0, len(one), 20_000):
        part = slice(start, start + 20_000)
        shared[part] = np.asarray(table[one[part]].multiply(table[other[part]]).sum(axis=1)).ravel()
    return one, other, shared
