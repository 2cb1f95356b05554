"""HiTIN, hierarchy-aware tree isomorphism network. Zhu et al., ACL 2023.

Text encoder: word vectors -> BiGRU -> convolutions over 2, 3 and 4 words, the maximum of each -> text vector.
The vector is projected once for every node of the label graph; the nodes are the leaves of a coding tree of
depth 2, found by greedy minimisation of the graph's structural entropy (their algorithm 1). Up the tree, layer
by layer: sum of the children -> MLP -> batch norm -> ReLU; the logits are the sum over layers of a linear layer
on the sum of that layer's nodes. Binary cross-entropy on every label node but the root, the class and its
ancestors being true; a class is predicted by the greatest logit among the classes.

Flat labels make the label graph a star, the root and a leaf for each class, in which no class is nearer to
one than to another: the method then has no hierarchy to use. `HiTINTree` gives it one.

Departures: word vectors that start at random instead of GloVe's; the rate 3e-3 and few epochs for 1e-4 and 250;
dropout 0.1 where they have 0.5; no penalty on the difference between a label's and its parent's weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import log2

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, pad, relu
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from qdllm_utils.learning.training import Data
from qdllm_utils.students.word_students import WordStudent

Tree = int | tuple["Tree", ...]  # a leaf is a vertex of the graph, an inner node the tuple of its children
KERNELS = (2, 3, 4)
DEPTH = 2
DROPOUT = 0.1


@dataclass(frozen=True)
class Size:
    """Dimensions of a word vector, of the GRU (one direction), of each convolution, of a node of the tree.

    groups: the label tree, class numbers in groups under the root; () for flat labels.
    """

    embedding: int
    recurrent: int
    filters: int
    node: int
    groups: tuple[tuple[int, ...], ...] = ()


def leaves(tree: Tree) -> list[int]:
    """The vertices below a node."""
    return [tree] if isinstance(tree, int) else [leaf for child in tree for leaf in leaves(child)]


def height(tree: Tree) -> int:
    """Edges from a node down to its lowest leaf."""
    return 0 if isinstance(tree, int) else 1 + max(height(child) for child in tree)


def structural_entropy(adjacency: np.ndarray, tree: Tree) -> float:
    """H = - sum over nodes v but the root of g_v / vol(G) log2(vol_v / vol_parent), in bits (Li and Pan 2016).

    adjacency: (n, n), symmetric. vol_v: the degrees of the vertices below v, summed; g_v: the weight of the
    edges that leave them.
    """
    total = adjacency.sum()

    def below(node: Tree, parent_volume: float) -> float:
        inside = leaves(node)
        volume = adjacency[inside].sum()
        leaving = volume - adjacency[np.ix_(inside, inside)].sum()
        own = -leaving / total * log2(volume / parent_volume) if leaving else 0.0
        return own + sum(below(child, volume) for child in (() if isinstance(node, int) else node))

    return float(below(tree, total))


def merged(root: tuple[Tree, ...], first: int, second: int) -> tuple[Tree, ...]:
    """The root with two of its children put under a new node, which takes the place of the first."""
    pair = (root[first], root[second])
    kept = [child for number, child in enumerate(root) if number not in (first, second)]
    return (*kept[:first], pair, *kept[first:])


def shortened(tree: Tree, depth: int, above: int = 0) -> Iterator[tuple[Tree, ...]]:
    """The tree with one inner node removed, its children lifted to its parent, for each node on too deep a path.

    above: edges between the whole tree's root and this node.
    """
    if isinstance(tree, int):
        return
    for number, child in enumerate(tree):
        if isinstance(child, tuple) and above + 1 + height(child) > depth:
            yield (*tree[:number], *child, *tree[number + 1 :])
            for smaller in shortened(child, depth, above + 1):
                yield (*tree[:number], smaller, *tree[number + 1 :])


def filled(tree: Tree, depth: int) -> Tree:
    """The tree with nodes of one child put in, so that every leaf is `depth` edges below the root."""
    if depth == 0:
        return tree
    children = (tree,) if isinstance(tree, int) else tree
    return tuple(filled(child, depth - 1) for child in children)


def coding_tree(adjacency: np.ndarray, depth: int = DEPTH) -> Tree:
    """The coding tree of a graph, every leaf at `depth` (HiTIN's algorithm 1), of equals the first.

    Greedily: merge the two children of the root that leave the least entropy, until the tree is binary; remove
    the inner node that leaves the least entropy, until no leaf is deeper than `depth`; fill up short paths.
    """

    def entropy(tree: Tree) -> float:
        return round(structural_entropy(adjacency, tree), 12)  # equals stay equal in spite of rounding

    root: tuple[Tree, ...] = tuple(range(len(adjacency)))
    while len(root) > 2:
        pairs = combinations(range(len(root)), 2)
        root = min((merged(root, *pair) for pair in pairs), key=entropy)
    while height(root) > depth:
        root = min(shortened(root, depth), key=entropy)
    return filled(root, depth)


def label_graph(classes: int, groups: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    """The label graph and the labels of each class: adjacency (n, n), targets (C, n - 1) of zeros and ones.

    Vertices: the classes, then the groups, then the root, n in all. A class is joined to its group, or to the
    root where it has none; a group to the root. The targets leave out the root, which is always true.
    """
    size = classes + len(groups) + 1
    parent = {label: size - 1 for label in range(size - 1)}
    parent |= {label: classes + number for number, group in enumerate(groups) for label in group}
    adjacency = np.zeros((size, size))
    targets = np.eye(classes, size)
    for label, above in parent.items():
        adjacency[label, above] = adjacency[above, label] = 1
        if label < classes:
            targets[label, above] = 1
    return adjacency, targets[:, : size - 1]


def child_tables(tree: Tree) -> tuple[Tensor, Tensor]:
    """For a tree of depth 2: which leaf is below which middle node, (m, n), and the root above them, (1, m)."""
    assert isinstance(tree, tuple)
    lower = torch.zeros(len(tree), len(leaves(tree)))
    for number, node in enumerate(tree):
        lower[number, leaves(node)] = 1
    return lower, torch.ones(1, len(tree))


class HiTIN(WordStudent):
    """A text vector for every label, summed up a coding tree; flat labels: a star."""

    name, title = "hitin", "HiTIN, flat labels"
    small = Size(100, 32, 50, 100)
    paper = Size(300, 64, 100, 300)
    note = "label graph: a star; word vectors start at random"
    learning_rate = 3e-3
    lower: Tensor
    upper: Tensor
    targets: Tensor

    def build(self) -> None:
        """The text encoder, the projections to the label nodes, the tree's layers."""
        size = self.size
        adjacency, targets = label_graph(self.classes, size.groups)
        self.tree = coding_tree(adjacency)
        lower, upper = child_tables(self.tree)
        for name, table in (("lower", lower), ("upper", upper), ("targets", torch.tensor(targets).float())):
            self.register_buffer(name, table, persistent=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.recurrent = nn.GRU(size.embedding, size.recurrent, batch_first=True, bidirectional=True)
        self.convolutions = nn.ModuleList(nn.Conv1d(2 * size.recurrent, size.filters, kernel) for kernel in KERNELS)
        self.project = nn.Linear(len(KERNELS) * size.filters, size.node)
        self.spread_over_nodes = nn.Linear(len(adjacency), len(adjacency))
        self.mlps, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(DEPTH):
            self.mlps.append(nn.Sequential(nn.Linear(size.node, size.node), nn.ReLU(), nn.Linear(size.node, size.node)))
            self.norms.append(nn.BatchNorm1d(size.node))
        self.heads = nn.ModuleList(nn.Linear(size.node, targets.shape[1]) for _ in range(DEPTH + 1))

    def text_vectors(self, words: Tensor, mask: Tensor) -> Tensor:
        """(B, 3 filters): the greatest answer of every filter over the text's words."""
        vectors = self.dropout(self.embedding(words))
        packed = pack_padded_sequence(vectors, mask.sum(dim=(1, 2)).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        states = pad(
            states.mT, (0, max(KERNELS))
        )  # zeros behind every text, so that the batch's longest does not matter
        return torch.cat([relu(convolution(states)).amax(dim=-1) for convolution in self.convolutions], dim=-1)

    def label_logits(self, batch: Data) -> Tensor:
        """The logit of every label node but the root, (B, n - 1)."""
        text = self.dropout(self.project(self.text_vectors(*self.cut(batch))))
        nodes = self.spread_over_nodes(text.unsqueeze(-1).expand(-1, -1, self.lower.shape[1]))
        nodes = self.dropout(nodes).mT  # (B, n, node)
        logits = self.heads[0](nodes.sum(dim=1))
        for table, mlp, norm, head in zip((self.lower, self.upper), self.mlps, self.norms, self.heads[1:], strict=True):
            nodes = mlp(table @ nodes)
            nodes = relu(norm(nodes.flatten(0, 1)).view_as(nodes))
            logits = logits + head(self.dropout(nodes.sum(dim=1)))
        return logits

    def logits(self, batch: Data) -> Tensor:
        """The classes' logits, (1, B, C)."""
        return self.label_logits(batch)[:, : self.classes].unsqueeze(0)

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """Binary cross-entropy of each row, the mean over the label nodes, (1, B)."""
        targets = self.targets[batch["labels"].squeeze(0)]
        loss = binary_cross_entropy_with_logits(self.label_logits(batch), targets, reduction="none")
        return loss.mean(dim=1).unsqueeze(0)

    def describe(self) -> str:
        """The size in words."""
        return f"embedding {self.size.embedding}, BiGRU {self.size.recurrent}, coding tree of depth {DEPTH}"


class HiTINTree(HiTIN):
    """HiTIN with a label tree over the thematic classes: news -> {business, sci}, {sport, world}."""

    name, title = "hitin_tree", "HiTIN, label tree"
    small = replace(HiTIN.small, groups=((0, 1), (2, 3)))
    paper = replace(HiTIN.paper, groups=((0, 1), (2, 3)))
    note = "business, sci / sport, world; word vectors start at random"
