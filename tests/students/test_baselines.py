"""The compression baselines on tiny BERTs: what they are cut from, and each loss against its literal formula.

The literal formulas look at one text at a time, without padding, so that masking is tested too. The teacher's
states are kept in half precision, hence the tolerances.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel, PreTrainedTokenizerFast

from qdllm_utils.learning.training import fit, predict
from qdllm_utils.students import bert
from qdllm_utils.students.bert import Size, attention_scores, keep_layers, tokenize
from qdllm_utils.students.distilbert import DistilBERT, WideDistilBERT
from qdllm_utils.students.minillm import MiniLLM
from qdllm_utils.students.pkd import PKD, WidePKD
from qdllm_utils.students.tinybert import TinyBERT

BASELINES = (TinyBERT, MiniLLM, DistilBERT, PKD)
WORDS = ["good", "bad", "day", "night", "happy", "gloomy", "the", "was"]
TEXTS = ["good day", "the night was bad bad bad", "happy", "the day was good and the night was gloomy"]
LABELS = torch.tensor([1, 0, 1, 0])
LOGITS = torch.tensor([[-1.0, 2.0], [0.5, 0.0], [0.2, 3.0], [1.5, -1.0]])
CLOSE = {"rtol": 5e-3, "atol": 5e-3}


def tiny_bert(seed: int, **changes) -> BertModel:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(vocab_size=5 + len(WORDS), max_position_embeddings=64, initializer_range=0.3, **sizes | changes)
    return BertModel(config).eval()


def save_tokenizer(folder, start: str, end: str, special: list[str]) -> None:
    """A tokeniser of WORDS after `special`, which hold padding, the unknown, start and end."""
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    pad, unknown = (next(word for word in special if name in word.lower()) for name in ("pad", "unk"))
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(word, vocabulary[word]) for word in (start, end)]
    )
    named = {"pad_token": pad, "unk_token": unknown, "cls_token": start, "sep_token": end}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """A folder with a tiny BERT and its tokeniser, as save_pretrained writes them."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    save_tokenizer(folder, "[CLS]", "[SEP]", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tiny_bert(0).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def teacher() -> BertModel:
    """A teacher of the same architecture and vocabulary as the source, with weights of its own."""
    return tiny_bert(1)


@dataclass
class Case:
    """A student in eval mode, and a batch of the texts with the columns its loss asks for."""

    student: bert.BertStudent
    batch: dict[str, torch.Tensor]

    def loss(self, epoch: int = 0) -> torch.Tensor:
        loss = self.student.losses(dict(self.batch), epoch)
        assert loss.shape == (1, len(TEXTS))
        return loss[0].detach()

    def alone(self, row: int) -> SimpleNamespace:
        """The student's logits, hidden states and attention inputs on one text without padding."""
        return states(self.student.model, self.batch, row)


def states(model, batch, row):
    length = int(batch["attention_mask"][0, row].sum())
    with torch.no_grad():
        output = model(input_ids=batch["input_ids"][0, row : row + 1, :length], output_hidden_states=True)
    return SimpleNamespace(logits=getattr(output, "logits", None), hidden=[h[0] for h in output.hidden_states])


def case(baseline, source, layers, teacher=None, epochs=4, classes=2) -> Case:
    student = baseline(Size(source, layers), classes, epochs, 0, teacher).eval()
    data = tokenize(TEXTS, source) | {"teacher": LOGITS, "labels": LABELS}
    if teacher is not None and student.same_family:
        tokens = {name: data[name] for name in ("input_ids", "attention_mask")}
        data |= student.teacher_columns(teacher, tokens, batch_size=3)
    return Case(student, {name: values.clone()[None] for name, values in data.items()})


def literal_scores(model: BertModel, layer: int, hidden: torch.Tensor) -> torch.Tensor:
    """Attention scores before softmax, head by head, from Vaswani et al. 2017, eq. 1."""
    own = model.encoder.layer[layer].attention.self
    width = model.config.hidden_size // model.config.num_attention_heads
    scores = []
    for head in range(model.config.num_attention_heads):
        part = slice(head * width, (head + 1) * width)
        query = hidden @ own.query.weight[part].T + own.query.bias[part]
        key = hidden @ own.key.weight[part].T + own.key.bias[part]
        scores.append(query @ key.T / np.sqrt(width))
    return torch.stack(scores).detach()


# --- what a student is cut from ---------------------------------------------------------------------------


def test_tokens_are_padded_on_the_right_and_cut_to_sixty(source):
    tokens = tokenize(["good day", "bad " * 100], source)
    assert tokens["input_ids"].shape == (2, 60)
    assert tokens["input_ids"][0].tolist() == [2, 5, 7, 3] + [0] * 56
    assert tokens["attention_mask"].sum(1).tolist() == [4, 60]


def test_keep_layers_copies_exactly_the_named_layers_in_their_order():
    model = tiny_bert(3)
    weights = keep_layers(model, (3, 1))
    small = tiny_bert(4, num_hidden_layers=2)
    small.load_state_dict(weights)
    for mine, theirs in ((small.encoder.layer[0], 3), (small.encoder.layer[1], 1)):
        for name, values in model.encoder.layer[theirs].named_parameters():
            assert torch.equal(mine.get_parameter(name), values)
    for part in ("embeddings", "pooler"):
        for name, values in model.get_submodule(part).named_parameters():
            assert torch.equal(small.get_parameter(f"{part}.{name}"), values)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("with_teacher", [False, True])
def test_a_student_starts_from_the_teacher_where_its_method_says_so_else_from_the_source(
    baseline, source, teacher, with_teacher
):
    student = baseline(Size(source, (0, 2)), 2, 4, 0, teacher if with_teacher else None)
    from_teacher = with_teacher and baseline in (DistilBERT, PKD)
    origin = teacher if from_teacher else BertModel.from_pretrained(source)
    expected = origin.encoder.layer[2].attention.self.query.weight
    assert torch.equal(student.model.bert.encoder.layer[1].attention.self.query.weight, expected)
    assert torch.equal(student.model.bert.embeddings.word_embeddings.weight, origin.embeddings.word_embeddings.weight)


def test_the_seed_alone_draws_the_head(source):
    heads = []
    for global_seed, seed in ((10, 0), (11, 0), (10, 1)):
        torch.manual_seed(global_seed)
        heads.append(MiniLLM(Size(source, (0,)), 3, 4, seed).model.classifier.weight)
    assert heads[0].shape == (3, 16)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def bert_parameters(layers, width, inner, classes, vocabulary=30522, positions=512) -> int:
    """Devlin et al. 2019: embeddings, layers, pooler, and a classifier on it."""
    embeddings = (vocabulary + positions + 2) * width + 2 * width
    layer = 4 * (width**2 + width) + 2 * width * inner + inner + width + 4 * width
    return embeddings + layers * layer + width**2 + width + classes * (width + 1)


def test_the_small_students_have_the_parameters_of_the_formula(source):
    for baseline in BASELINES:
        student = baseline(Size(source, (0, 1, 3)), 4, 4, 0)
        assert student.trainable() == bert_parameters(3, 16, 24, 4, vocabulary=13, positions=64)
        assert student.describe() == "3 x 16"


# SPEC section 3: 14.35M, 33.36M (Table 3 to its last digit), and 52.19M for the encoder alone at 4 x 768.
PAPER = {
    TinyBERT: ("huawei-noah/TinyBERT_General_4L_312D", 4, 312, 1200, 14.35),
    MiniLLM: ("microsoft/MiniLM-L12-H384-uncased", 12, 384, 1536, 33.36),
    DistilBERT: ("bert", 12, 768, 3072, 52.19 + 0.59),
    PKD: ("bert", 12, 768, 3072, 52.19 + 0.59),
}


@pytest.mark.parametrize("baseline", PAPER)
def test_the_papers_sizes_are_those_of_its_table(baseline, monkeypatch):
    name, depth, width, inner, millions = PAPER[baseline]
    config = BertConfig(hidden_size=width, num_hidden_layers=depth, num_attention_heads=12, intermediate_size=inner)
    monkeypatch.setattr(bert.BertStudent, "load_source", lambda self, size: BertModel(config))
    assert baseline.paper.source == name
    with torch.device("meta"):
        student = baseline(baseline.paper, 2, 10, 0)
    assert student.trainable() == bert_parameters(len(baseline.paper.layers), width, inner, 2)
    assert round(student.trainable() / 1e6, 2) == millions


# --- attention scores -------------------------------------------------------------------------------------


def test_attention_scores_through_softmax_are_transformers_attention_probabilities(source):
    model = BertModel.from_pretrained(source, attn_implementation="eager").eval()
    tokens = tokenize(TEXTS, source)
    with torch.no_grad():
        output = model(**tokens, output_hidden_states=True, output_attentions=True)
        padding = tokens["attention_mask"][:, None, None, :] == 0
        assert padding.any() and len(output.attentions) == 4
        for layer, probabilities in enumerate(output.attentions):
            scores = attention_scores(model, layer, output.hidden_states[layer])
            own = scores.masked_fill(padding, -torch.inf).softmax(-1)
            torch.testing.assert_close(own, probabilities, atol=1e-5, rtol=1e-4)


# --- the losses -------------------------------------------------------------------------------------------


def soft_kl(logits: torch.Tensor, row: int, temperature: float) -> torch.Tensor:
    target, own = F.softmax(LOGITS[row] / temperature, -1), F.log_softmax(logits[0] / temperature, -1)
    return temperature**2 * F.kl_div(own, target, reduction="sum")


@pytest.mark.parametrize("epoch", [0, 1])
def test_tinyberts_first_half_matches_scores_and_hidden_states_of_every_second_layer(source, teacher, epoch):
    """Jiao et al. 2020, eqs. 7 to 9: MSE of scores and of hidden states through W_fit, embeddings included."""
    tiny = case(TinyBERT, source, (1, 3), teacher)
    with torch.no_grad():
        tiny.student.fit.weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(5))
    expected = []
    for row in range(len(TEXTS)):
        own, its = tiny.alone(row), states(teacher, tiny.batch, row)
        loss = F.mse_loss(own.hidden[0] @ tiny.student.fit.weight.T, its.hidden[0])
        for mine, theirs in ((1, 2), (2, 4)):
            loss = loss + F.mse_loss(own.hidden[mine] @ tiny.student.fit.weight.T, its.hidden[theirs])
            scores = literal_scores(tiny.student.model.bert, mine - 1, own.hidden[mine - 1])
            loss = loss + F.mse_loss(scores, literal_scores(teacher, theirs - 1, its.hidden[theirs - 1]))
        expected.append(loss.detach())
    torch.testing.assert_close(tiny.loss(epoch), torch.stack(expected), **CLOSE)


@pytest.mark.parametrize("epoch", [2, 3])
def test_tinyberts_second_half_is_soft_cross_entropy(source, teacher, epoch):
    """Jiao et al. 2020, eq. 10, at T = 1."""
    tiny = case(TinyBERT, source, (1, 3), teacher)
    expected = [F.cross_entropy(tiny.alone(row).logits, F.softmax(LOGITS[row : row + 1], -1)) for row in range(4)]
    torch.testing.assert_close(tiny.loss(epoch), torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_tinyberts_checkpoint_is_of_its_second_half(source, teacher):
    assert TinyBERT(Size(source, (1, 3)), 2, 7, 0, teacher).settings.select_from == 3
    assert TinyBERT(Size(source, (1, 3)), 2, 7, 0).settings.select_from == 0
    assert PKD(Size(source, (0, 1)), 2, 7, 0, teacher).settings.select_from == 0


def test_tinyberts_w_fit_bridges_widths_and_is_no_part_of_the_student(source):
    wide = tiny_bert(6, hidden_size=24, intermediate_size=40)
    tiny = case(TinyBERT, source, (1, 3), wide)
    assert tiny.student.same_family and tiny.student.fit.weight.shape == (24, 16)
    assert tiny.loss().isfinite().all()
    assert tiny.student.trainable() == case(TinyBERT, source, (1, 3)).student.trainable()
    same_width = TinyBERT(Size(source, (1, 3)), 2, 4, 0, tiny_bert(6))
    assert torch.equal(same_width.fit.weight, torch.eye(16))


def test_minillm_is_the_reverse_kl(source, teacher):
    """Gu et al. 2024, eq. 1: sum of q log(q / p), q the student's and p the teacher's probabilities."""
    mini = case(MiniLLM, source, (0, 2), teacher)
    expected = []
    for row in range(len(TEXTS)):
        q, p = F.softmax(mini.alone(row).logits[0], -1), F.softmax(LOGITS[row], -1)
        expected.append((q * (q / p).log()).sum())
    torch.testing.assert_close(mini.loss(), torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_distilbert_is_five_kl_at_two_degrees_and_the_cosine_of_the_last_states(source, teacher):
    """Sanh et al. 2019, without the MLM term; the cosine distance is averaged over the text's tokens."""
    distil = case(DistilBERT, source, (0, 2), teacher)
    expected = []
    for row in range(len(TEXTS)):
        own, its = distil.alone(row), states(teacher, distil.batch, row)
        pairs = zip(own.hidden[-1], its.hidden[-1], strict=True)
        distances = [1 - mine @ theirs / mine.norm() / theirs.norm() for mine, theirs in pairs]
        expected.append(5 * soft_kl(own.logits, row, 2.0) + torch.stack(distances).mean())
    torch.testing.assert_close(distil.loss(), torch.stack(expected), **CLOSE)


def test_pkd_is_cross_entropy_kl_and_the_patient_term(source, teacher):
    """Sun et al. 2019, eqs. 5 to 7, map 'skip': student layers 1 of 2 and 1 to 3 of 4; beta 500, mean reduction."""
    for layers, mapped in (((0, 1), {1: 2}), ((0, 1, 2, 3), {1: 1, 2: 2, 3: 3})):
        pkd = case(PKD, source, layers, teacher)
        with torch.no_grad():  # move it away from the teacher's own layers, where the patient term would vanish
            for values in pkd.student.model.bert.encoder.parameters():
                values.add_(0.05 * torch.randn(values.shape, generator=torch.Generator().manual_seed(8)))
        expected = []
        for row in range(len(TEXTS)):
            own, its = pkd.alone(row), states(teacher, pkd.batch, row)
            hard = F.cross_entropy(own.logits, LABELS[row : row + 1])
            mine = torch.cat([own.hidden[m][0] / own.hidden[m][0].norm() for m in mapped])
            theirs = torch.cat([its.hidden[t][0] / its.hidden[t][0].norm() for t in mapped.values()])
            patient = F.mse_loss(mine, theirs)
            assert 500 * patient > 0.05
            expected.append(0.3 * hard + 0.7 * soft_kl(own.logits, row, 10.0) + 500 * patient)
        torch.testing.assert_close(pkd.loss(), torch.stack(expected), rtol=1e-2, atol=1e-2)


def test_with_a_decoder_teacher_only_logits_and_labels_count(source):
    for baseline, formula in (
        (TinyBERT, lambda own, row: F.cross_entropy(own, F.softmax(LOGITS[row : row + 1], -1))),
        (DistilBERT, lambda own, row: 5 * soft_kl(own, row, 2.0)),
        (
            PKD,
            lambda own, row: 0.3 * F.cross_entropy(own, LABELS[row : row + 1]) + 0.7 * soft_kl(own, row, 10.0),
        ),
    ):
        lone = case(baseline, source, (0, 2))
        assert set(lone.batch) == {"input_ids", "attention_mask", "teacher", "labels"}
        expected = torch.stack([formula(lone.alone(row).logits, row) for row in range(len(TEXTS))])
        for epoch in (0, 3):
            torch.testing.assert_close(lone.loss(epoch), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_bert_with_another_vocabulary_is_no_family(baseline, source):
    stranger = tiny_bert(2)
    stranger.resize_token_embeddings(20)
    stranger.config.vocab_size = 20
    assert not baseline(Size(source, (0, 2)), 2, 4, 0, stranger).same_family


@pytest.mark.parametrize("baseline", [DistilBERT, PKD])
def test_a_method_that_starts_from_the_teacher_needs_its_architecture(baseline, source):
    wide = tiny_bert(6, hidden_size=24, intermediate_size=40)
    other = case(baseline, source, (0, 2), wide)
    assert not other.student.same_family
    torch.testing.assert_close(other.loss(), case(baseline, source, (0, 2)).loss())


# --- logits -----------------------------------------------------------------------------------------------


def test_padding_does_not_change_the_logits(source):
    student = case(MiniLLM, source, (0, 2)).student
    tokens = tokenize(TEXTS, source)
    longer = {name: F.pad(values, (0, 7)) for name, values in tokens.items()}
    for data in (tokens, longer):
        together = predict(student, data)[0]
        for row, text in enumerate(TEXTS):
            single = predict(student, tokenize([text], source))[0, 0]
            torch.testing.assert_close(together[row], single, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_trains_in_the_common_loop_and_learns(baseline, source, teacher):
    texts = [f"the {word} was {word}" for word in WORDS[:6]] * 8
    labels = torch.tensor([1, 0, 1, 0, 1, 0] * 8)
    torch.manual_seed(0)  # dropout draws from the global generator
    epochs = 60 if baseline is TinyBERT else 30  # the first half of TinyBERT's does not touch the head
    student = baseline(Size(source, (0, 2)), 2, epochs, 0, teacher)
    student.settings = replace(student.settings, learning_rate=1e-2, batch_size=12, schedule="constant", patience=0)
    tokens = tokenize(texts, source)
    data = tokens | {"labels": labels, "teacher": 6.0 * F.one_hot(labels, 2)}
    data |= student.teacher_columns(teacher, tokens)
    assert fit(student, data, data).validation[0] > 0.9


def test_the_teacher_is_not_changed_by_computing_its_columns(source, teacher):
    before = {name: values.clone() for name, values in teacher.state_dict().items()}
    tokens = tokenize(TEXTS, source)
    columns = TinyBERT(Size(source, (0, 2)), 2, 4, 0, teacher).teacher_columns(teacher, tokens, batch_size=3)
    longest = tokens["input_ids"].shape[1]
    assert columns["hidden"].shape == (4, 3, longest, 16) and columns["scores"].shape == (4, 2, 2, longest, longest)
    assert all(torch.equal(before[name], values) for name, values in teacher.state_dict().items())


def test_the_constants_of_the_losses_are_the_published_ones():
    assert DistilBERT.weights == {"ce": 5.0, "cos": 1.0, "temperature": 2.0}
    assert PKD.weights == {"alpha": 0.7, "temperature": 10.0, "beta": 500.0}


# --- cut from MPNet ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory) -> str:
    """A folder with a tiny MPNet, whose padding has the number 1 and whose positions are counted from it."""
    folder = tmp_path_factory.mktemp("tiny-mpnet")
    save_tokenizer(folder, "<s>", "</s>", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 24}
    config = MPNetConfig(vocab_size=5 + len(WORDS), max_position_embeddings=64, initializer_range=0.3, **sizes)
    MPNetModel(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("baseline", [WideDistilBERT, WidePKD])
def test_a_wide_student_is_the_named_layers_of_mpnet(baseline, mpnet):
    tiny, whole = case(baseline, mpnet, (1, 3)), MPNetModel.from_pretrained(mpnet)
    own = tiny.student.model.mpnet
    for mine, theirs in enumerate((1, 3)):
        for name, values in whole.encoder.layer[theirs].named_parameters():
            assert torch.equal(own.encoder.layer[mine].get_parameter(name), values)
    bias = "encoder.relative_attention_bias.weight"
    assert torch.equal(own.get_parameter(bias), whole.get_parameter(bias))
    assert tiny.loss().isfinite().all() and not tiny.student.same_family


@pytest.mark.parametrize("baseline", [WideDistilBERT, WidePKD])
def test_a_wide_student_of_an_mpnet_starts_from_it_and_sees_its_inner_states(baseline, mpnet):
    teacher = MPNetModel.from_pretrained(mpnet)
    with torch.no_grad():
        for values in teacher.encoder.layer.parameters():
            values.add_(0.1)
    taught, alone = case(baseline, mpnet, (0, 2), teacher), case(baseline, mpnet, (0, 2))
    assert taught.student.same_family
    own = taught.student.model.mpnet.encoder.layer[1]
    assert all(torch.equal(own.get_parameter(name), v) for name, v in teacher.encoder.layer[2].named_parameters())
    assert taught.loss().isfinite().all() and not torch.allclose(taught.loss(), alone.loss())
    bert_of_its_vocabulary = tiny_bert(4)
    bert_of_its_vocabulary.config.vocab_size = teacher.config.vocab_size
    assert not case(baseline, mpnet, (0, 2), bert_of_its_vocabulary).student.same_family


@pytest.mark.parametrize("texts", [TEXTS, ["good day", "bad night"]])
def test_leaving_out_tokens_of_mpnet_keeps_its_positions_with_and_without_padding(mpnet, texts):
    student = WidePKD(Size(mpnet, (0, 2)), 2, 1, 0)
    tokens = tokenize(texts, mpnet)
    before, count = predict(student, tokens), student.trainable()
    torch.testing.assert_close(predict(student, student.leave_out_unused_tokens(tokens)), before)
    assert student.trainable() == count and student.left_out > 0


@pytest.mark.parametrize("baseline", [WideDistilBERT, WidePKD])
def test_the_wide_students_have_the_parameters_of_the_formula(baseline, monkeypatch):
    """Song et al. 2020: BERT's layers, one bias of 32 distances a head for all, no segments; a head of two layers."""
    config = MPNetConfig(vocab_size=30527, max_position_embeddings=514)
    monkeypatch.setattr(bert.BertStudent, "load_source", lambda self, size: MPNetModel(config))
    with torch.device("meta"):
        student = baseline(baseline.small, 2, 10, 0)
    layer = 4 * (768**2 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    assert student.trainable() == (30527 + 514 + 2) * 768 + 32 * 12 + 4 * layer + 768**2 + 768 + 2 * 769 == 52_785_026
    assert student.describe() == "4 x 768" and baseline.small == baseline.paper and baseline.small.source == "mpnet"


def test_leaving_out_unused_tokens_changes_neither_logits_nor_count(source):
    student = MiniLLM(Size(source, (0, 2)), 2, 1, 0)
    tokens = tokenize(TEXTS, source)
    before, count = predict(student, tokens), student.trainable()
    smaller = student.leave_out_unused_tokens(tokens)
    torch.testing.assert_close(predict(student, smaller), before)
    assert student.trainable() == count
    assert student.model.bert.embeddings.word_embeddings.num_embeddings == len(
        set(tokens["input_ids"].flatten().tolist())
    )
    assert student.model.bert.embeddings.word_embeddings.weight.requires_grad
