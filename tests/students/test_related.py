"""The related-task baselines: the special part of each against something independent, and that each learns.

The references are literal: one text at a time, loops over words, nodes and windows, gates from PennyLane.
"""

from itertools import product
from math import log2

import numpy as np
import pennylane as qml
import pytest
import torch
from sklearn.metrics import accuracy_score
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from qdllm_utils.learning.training import fit, predict
from qdllm_utils.students import bert_qtc, hitin, textrcnn, word_students
from qdllm_utils.students.bert import Size as BertSize
from qdllm_utils.students.bert_qtc import BertQTC, TrainedBertQTC
from qdllm_utils.students.hitin import HiTIN, HiTINTree, coding_tree, label_graph, structural_entropy
from qdllm_utils.students.lsfls import LSFLS
from qdllm_utils.students.textrcnn import TextRCNN

GROUPS = ((0, 1), (2, 3))
SIZES = {
    TextRCNN: textrcnn.Size(6, 5, 4),
    HiTIN: hitin.Size(6, 3, 4, 5),
    HiTINTree: hitin.Size(6, 3, 4, 5, GROUPS),
}
TEXTS = ["good day", "the night was bad bad bad .", "happy", "the day was good and the night was gloomy"]
RNG = np.random.default_rng(0)


def ready(baseline, classes=4, seed=0):
    """A tiny student in eval mode that has read TEXTS, and its data."""
    student = baseline(SIZES[baseline], classes, 2, seed)
    data = student.read(TEXTS * 2, np.arange(len(TEXTS) * 2)) | {"labels": torch.arange(8) % classes}
    return student.eval(), data


def batch_of(data, rows):
    return {name: values[rows][None] for name, values in data.items()}


# --- words ------------------------------------------------------------------------------------------------


def test_the_vocabulary_is_of_the_training_rows_and_rare_words_are_unknown():
    student = TextRCNN(SIZES[TextRCNN], 2, 1, 0)
    data = student.read(["Good day!", "good night", "day day", "night moon night moon"], np.array([0, 1, 2]))
    assert student.vocabulary == {"day": 2, "good": 3}
    assert data["words"].tolist() == [[3, 2, 1, 0], [3, 1, 0, 0], [2, 2, 0, 0], [1, 1, 1, 1]]
    assert data["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    assert student.embedding.weight.shape == (4, 6) and not student.embedding.weight[0].any()


def test_words_are_lower_case_marks_stand_alone_and_a_text_ends_after_sixty():
    assert word_students.split_words("Don't STOP, now!") == ["don't", "stop", ",", "now", "!"]
    assert len(word_students.split_words("a " * 100)) == 60


@pytest.mark.parametrize("baseline", [TextRCNN, HiTIN])
def test_the_seed_alone_draws_the_weights(baseline):
    draws = []
    for global_seed, seed in ((10, 0), (11, 0), (10, 1)):
        torch.manual_seed(global_seed)
        draws.append(predict(*ready(baseline, seed=seed)))
    assert torch.equal(draws[0], draws[1]) and not torch.allclose(draws[0], draws[2])


@pytest.mark.parametrize("baseline", [TextRCNN, HiTIN, HiTINTree])
def test_a_text_is_classified_the_same_in_any_batch(baseline):
    student, data = ready(baseline)
    together = student.logits(batch_of(data, torch.arange(8)))[0]
    for row in range(4):
        torch.testing.assert_close(student.logits(batch_of(data, torch.tensor([row])))[0, 0], together[row])


# --- TextRCNN ---------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_states(vectors, weights):
    """The states of an LSTM after each vector (Hochreiter and Schmidhuber, with a forget gate)."""
    w_in, w_state, b_in, b_state = weights
    state = memory = np.zeros(w_state.shape[1])
    states = []
    for vector in vectors:
        i, f, g, o = np.split(w_in @ vector + b_in + w_state @ state + b_state, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(memory)
        states.append(state)
    return states


def test_textrcnn_is_the_published_forward_pass_word_by_word():
    student, data = ready(TextRCNN)
    got = student.logits(batch_of(data, torch.arange(4)))[0].detach().numpy()
    state = {name: values.double().numpy() for name, values in student.state_dict().items()}
    kinds = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    forward = [state[f"recurrent.{kind}"] for kind in kinds]
    backward = [state[f"recurrent.{kind}_reverse"] for kind in kinds]
    for row in range(4):
        numbers = [int(number) for number in data["words"][row] if number]
        vectors = state["embedding.weight"][numbers]
        nothing = np.zeros(5)
        left = [nothing, *lstm_states(vectors, forward)[:-1]]
        right = [*lstm_states(vectors[::-1], backward)[:-1][::-1], nothing]
        latent = [
            np.tanh(state["latent.weight"] @ np.concatenate(parts) + state["latent.bias"])
            for parts in zip(left, vectors, right, strict=True)
        ]
        expected = state["head.weight"] @ np.max(latent, axis=0) + state["head.bias"]
        np.testing.assert_allclose(got[row], expected, atol=1e-5)


# --- HiTIN ------------------------------------------------------------------------------------------------


def graph(size, *edges):
    adjacency = np.zeros((size, size))
    for a, b in edges:
        adjacency[a, b] = adjacency[b, a] = 1
    return adjacency


BARBELL = graph(6, (0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3))


def test_structural_entropy_of_two_joined_triangles_by_hand():
    """vol(G) = 14; a triangle has volume 7 and one edge that leaves it; degrees 2, 2, 3, 3, 2, 2."""
    by_hand = 2 * (1 / 14) * log2(14 / 7) + 4 * (2 / 14) * log2(7 / 2) + 2 * (3 / 14) * log2(7 / 3)
    assert structural_entropy(BARBELL, ((0, 1, 2), (3, 4, 5))) == pytest.approx(by_hand, abs=1e-12)
    flat = 4 * (2 / 14) * log2(14 / 2) + 2 * (3 / 14) * log2(14 / 3)
    assert structural_entropy(BARBELL, (0, 1, 2, 3, 4, 5)) == pytest.approx(flat, abs=1e-12)
    assert structural_entropy(BARBELL, (((0, 1), 2), (3, 4, 5))) == pytest.approx(
        by_hand - 2 * (2 / 14) * log2(7 / 2) + 2 * (2 / 14) * log2(4 / 2) + (2 / 14) * log2(7 / 4), abs=1e-12
    )


def all_trees(size):
    """Every coding tree of depth 2, as the partition below the root."""
    for names in product(range(size), repeat=size):
        if all(name <= 1 + max(names[:number], default=-1) for number, name in enumerate(names)):
            yield tuple(tuple(v for v in range(size) if names[v] == block) for block in range(1 + max(names)))


@pytest.mark.parametrize(
    "adjacency",
    [BARBELL, graph(7, (0, 4), (1, 4), (2, 5), (3, 5), (4, 6), (5, 6)), graph(4, (0, 1), (2, 3), (1, 2))],
    ids=["two triangles", "label tree", "path"],
)
def test_the_coding_tree_is_the_best_of_all_where_greed_finds_it(adjacency):
    best = min(structural_entropy(adjacency, tree) for tree in all_trees(len(adjacency)))
    assert structural_entropy(adjacency, coding_tree(adjacency)) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 4, 6])
def test_every_leaf_of_the_coding_tree_of_a_star_is_at_depth_two_once(classes):
    adjacency, _ = label_graph(classes, ())
    tree = coding_tree(adjacency)
    assert sorted(leaf for node in tree for leaf in node) == list(range(classes + 1))
    assert adjacency.sum() == 2 * classes and adjacency[classes].sum() == classes


def test_the_label_tree_keeps_the_classes_of_a_group_together():
    adjacency, targets = label_graph(4, GROUPS)
    together = [set(node) for node in coding_tree(adjacency)]
    assert any({0, 1, 4} <= node and not {2, 3} & node for node in together)
    assert any({2, 3, 5} <= node and not {0, 1} & node for node in together)
    assert targets.tolist() == [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 1]]


@pytest.mark.parametrize("baseline", [HiTIN, HiTINTree])
def test_hitin_sums_the_children_up_the_tree(baseline):
    student, data = ready(baseline)
    for norm in student.norms:
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    batch = batch_of(data, torch.arange(4))
    text = student.text_vectors(*student.cut(batch)).detach()
    got = student.label_logits(batch).detach().numpy()
    state = {name: values.numpy() for name, values in student.state_dict().items()}

    def linear(name, x):
        return state[f"{name}.weight"] @ x + state[f"{name}.bias"]

    def up(layer, children):
        x = linear(f"mlps.{layer}.2", np.maximum(linear(f"mlps.{layer}.0", sum(children)), 0))
        centred = (x - state[f"norms.{layer}.running_mean"]) / np.sqrt(state[f"norms.{layer}.running_var"] + 1e-5)
        return np.maximum(centred * state[f"norms.{layer}.weight"] + state[f"norms.{layer}.bias"], 0)

    for row in range(4):
        projected = linear("project", text[row].numpy())
        vertices = np.array([linear("spread_over_nodes", np.full(student.lower.shape[1], x)) for x in projected]).T
        middle = [up(0, [vertices[leaf] for leaf in node]) for node in student.tree]
        top = up(1, middle)
        expected = linear("heads.0", sum(vertices)) + linear("heads.1", sum(middle)) + linear("heads.2", top)
        np.testing.assert_allclose(got[row], expected, atol=1e-4)


def test_hitin_loss_is_binary_cross_entropy_on_the_class_and_its_group():
    student, data = ready(HiTINTree)
    batch = batch_of(data, torch.arange(4))
    probabilities = torch.sigmoid(student.label_logits(batch)).detach().numpy()
    loss = student.losses(batch, 0)[0].detach().numpy()
    for row, true in enumerate([{0, 4}, {1, 4}, {2, 5}, {3, 5}]):
        terms = [np.log(p if label in true else 1 - p) for label, p in enumerate(probabilities[row])]
        assert loss[row] == pytest.approx(-np.mean(terms), abs=1e-5)
    torch.testing.assert_close(student.logits(batch)[0], student.label_logits(batch)[:, :4])


# --- BERT-QTC ---------------------------------------------------------------------------------------------

QTC = bert_qtc.Size(filters=2, window=5, layers=2, pooling="mean")
FEATURES = RNG.normal(size=(6, 8)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)


def pennylane_windows(angles, filters):
    """<Z> of each qubit of each window from PennyLane's own templates: the maxima, (filters, windows)."""

    @qml.qnode(qml.device("default.qubit", wires=5))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(5), rotation="X")
        qml.StronglyEntanglingLayers(weights, wires=range(5))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(5)]

    windows = [angles[start : start + 5] for start in range(len(angles) - 4)]
    return np.array([[max(circuit(window, weights)) for window in windows] for weights in filters])


@pytest.mark.parametrize("baseline", [BertQTC, TrainedBertQTC])
def test_bert_qtc_is_pennylanes_circuit_on_every_window(baseline):
    student = baseline(QTC, 2, 1, 3)
    train = np.array([0, 2, 3, 5])
    data = student.read(FEATURES, train)
    features = data["features"] if baseline is BertQTC else student.convolve(data["angles"]).detach()
    centre, spread = FEATURES[train].mean(axis=0), FEATURES[train].std(axis=0, ddof=1)
    angles = np.pi / 2 * (1 + np.tanh((FEATURES - centre) / spread))
    weights = student.weights_of_circuits.detach().numpy().reshape(2, 2, 5, 3)
    for row in range(2):
        expected = pennylane_windows(angles[row], weights).reshape(-1)
        np.testing.assert_allclose(features[row], expected, atol=1e-5)
        head = student.head.weight.detach().numpy() @ expected + student.head.bias.detach().numpy()
        batch = {name: values[None, row : row + 1] for name, values in data.items()}
        np.testing.assert_allclose(student.logits(batch)[0, 0].detach(), head, atol=1e-5)


@pytest.mark.parametrize(("baseline", "moves"), [(BertQTC, False), (TrainedBertQTC, True)])
def test_the_circuits_are_trained_only_where_the_name_says_so(baseline, moves):
    student = baseline(QTC, 2, 2, 0)
    data = student.read(FEATURES, np.arange(6)) | {"labels": torch.arange(6) % 2}
    before = student.weights_of_circuits.detach().clone()
    assert student.trainable() == 2 * 4 * 2 + 2 + moves * 2 * 30
    fit(student, data, data)
    assert torch.equal(before, student.weights_of_circuits) != moves


# --- learning ---------------------------------------------------------------------------------------------

MEANINGS = [[f"{name}{number}" for number in range(12)] for name in ("joy", "woe", "sun", "fog")]
FILLERS = [f"filler{number}" for number in range(10)]


def task(classes, texts, seed=0):
    """Texts of two fillers and three words of their class, in any order, and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(texts) % classes
    lines = []
    for label in labels:
        chosen = [*rng.choice(MEANINGS[label], 3), *rng.choice(FILLERS, 2)]
        lines.append(" ".join(rng.permutation(chosen)))
    return lines, labels


def parts_of(data, labels, *sizes):
    """The rows cut into consecutive parts of the given sizes."""
    data = data | {"labels": torch.tensor(labels)}
    return [
        dict(zip(data, rows, strict=True)) for rows in zip(*(v.split(list(sizes)) for v in data.values()), strict=True)
    ]


def accuracy(student, part):
    return accuracy_score(part["labels"], predict(student, part)[0].argmax(dim=1))


@pytest.mark.parametrize("baseline", [TextRCNN, HiTIN, HiTINTree])
def test_a_word_baseline_learns_which_words_belong_to_a_class(baseline):
    texts, labels = task(4, 320)
    size = {TextRCNN: textrcnn.Size(24, 16, 16), HiTIN: hitin.Size(24, 8, 12, 24)}.get(baseline)
    torch.manual_seed(0)
    student = baseline(size or hitin.Size(24, 8, 12, 24, GROUPS), 4, 12, 0)
    student.settings = type(student.settings)(5e-3, 16, 12)
    train, validation, test = parts_of(student.read(texts, np.arange(200)), labels, 200, 60, 60)
    fitted = fit(student, train, validation)
    assert fitted.history[0][0] < fitted.validation[0] and accuracy(student, test) > 0.85


@pytest.mark.parametrize("baseline", [BertQTC, TrainedBertQTC])
def test_bert_qtc_learns_from_frozen_features(baseline):
    labels = np.arange(300) % 2
    features = (RNG.normal(size=(300, 12)) + 0.8 * np.where(labels, 1, -1)[:, None]).astype(np.float32)
    student = baseline(bert_qtc.Size(filters=2, window=5, layers=1, pooling="mean"), 2, 8, 0)
    student.settings = type(student.settings)(3e-2, 16, 15)
    train, validation, test = parts_of(student.read(features, np.arange(180)), labels, 180, 60, 60)
    fit(student, train, validation)
    assert accuracy(student, test) > 0.85


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """A folder with a tiny random BERT and a tokeniser whose tokens are the words of `task`."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    listed = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *FILLERS, *MEANINGS[0], *MEANINGS[1]]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(listed)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    drops = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = BertConfig(vocab_size=len(listed), max_position_embeddings=64, initializer_range=0.3, **sizes, **drops)
    BertModel(config).save_pretrained(folder)
    return str(folder)


class FewShot(LSFLS):
    """Eight labels a class, on the tiny BERT."""

    learning_rate = 1e-2
    weights = LSFLS.weights | {"labels": 8, "added": 40, "epoch_rows": 96}


def self_trained(source, rounds, spoil=False, seed=0):
    """A student after so many rounds, its test accuracy; `spoil` makes the labels it may not see wrong."""
    texts, labels = task(2, 500)
    kind = type("Rounds", (FewShot,), {"weights": FewShot.weights | {"rounds": rounds}})
    student = kind(BertSize(source, (0,)), 2, 5 * (rounds + 1), seed)
    train, validation, test = parts_of(student.read(texts, np.arange(300)), labels, 300, 100, 100)
    if spoil:
        seen = student.labelled_rows(train["labels"])
        flipped = 1 - train["labels"]
        flipped[seen] = train["labels"][seen]
        student.labelled_rows = lambda _: seen
        train["labels"] = flipped
    fitted = student.self_train(train, validation)
    return student, accuracy(student, test), fitted, train


def test_self_training_improves_on_the_few_labels_alone(source):
    """Over four seeds: of one, the last bits of a matrix product, which depend on the threads, decide too much."""
    alone = [self_trained(source, rounds=0, seed=seed)[1] for seed in range(4)]
    after = [self_trained(source, rounds=3, seed=seed)[1] for seed in range(4)]
    assert np.mean(after) > np.mean(alone) + 0.02 and np.mean(after) > 0.75
    student, _, fitted, train = self_trained(source, rounds=3)
    assert len(fitted.history) == 20 and fitted.best_epoch[0] > 5
    assert fitted.history[fitted.best_epoch[0] - 1] == fitted.validation == [max(v for (v,) in fitted.history)]
    few = student.labelled_rows(train["labels"])
    assert torch.bincount(train["labels"][few]).tolist() == [8, 8] and len(few.unique()) == 16


def test_the_labels_of_unlabelled_rows_are_never_looked_at(source):
    honest, spoilt = self_trained(source, rounds=1), self_trained(source, rounds=1, spoil=True)
    assert honest[1] == spoilt[1] and honest[2].history == spoilt[2].history


def test_where_every_row_is_labelled_there_is_no_round(source):
    student = type("All", (FewShot,), {"weights": FewShot.weights | {"labels": 20}})(BertSize(source, (0,)), 2, 6, 0)
    texts, labels = task(2, 40)
    train, validation = parts_of(student.read(texts, np.arange(30)), labels, 30, 10)
    assert len(student.self_train(train, validation).history) == 6 // 3


def test_pseudo_labels_are_the_most_confident_above_the_threshold(source, monkeypatch):
    student = FewShot(BertSize(source, (0,)), 2, 1, 0)
    probabilities = torch.tensor([[0.95, 0.05], [0.6, 0.4], [0.01, 0.99], [0.97, 0.03], [0.98, 0.02], [0.08, 0.92]])
    monkeypatch.setattr("qdllm_utils.learning.training.predict", lambda *given: probabilities.log()[None])
    rows, labels = student.pseudo_labels({}, most=2)
    assert rows.tolist() == [4, 3, 2, 5] and labels.tolist() == [0, 0, 1, 1]
