"""Each pooling against the hidden states of single, unpadded or hand-padded texts."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from qdllm_utils.texts.embeddings import embed
from qdllm_utils.texts.pretrained import minilm_folder

TEXTS = ["What a lovely day!", "no", "stocks fell sharply on monday as oil prices rose " * 12]


@pytest.fixture(scope="module")
def embedded():
    return embed(TEXTS, "minilm")


@pytest.fixture(scope="module")
def states():
    """The states of each text alone, cut to 60 tokens: last layer, the same padded with id 0, third of six layers."""
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    model = AutoModel.from_pretrained(minilm_folder()).eval()
    found = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        ids = ids if len(ids) <= 60 else [*ids[:59], tokenizer.sep_token_id]
        padded = torch.tensor([ids + [0] * (60 - len(ids))])
        mask = torch.tensor([[1] * len(ids) + [0] * (60 - len(ids))])
        with torch.no_grad():
            layers = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
            alone, third = layers.last_hidden_state[0], layers.hidden_states[3][0]
            long = model(input_ids=padded, attention_mask=mask).last_hidden_state[0]
        found.append((alone.numpy(), long.numpy(), third.numpy()))
    return found


def test_the_texts_reach_from_a_few_tokens_to_beyond_the_cut(states):
    assert [len(alone) for alone, *_ in states] == [7, 3, 60]


@pytest.mark.parametrize(
    ("pooling", "of_states"),
    [
        ("mean", lambda alone, long, third: alone.mean(axis=0)),
        ("cls", lambda alone, long, third: alone[0]),
        ("last", lambda alone, long, third: long[59]),
        ("middle", lambda alone, long, third: third.mean(axis=0)),
        ("several", lambda alone, long, third: np.concatenate([alone[0], alone.mean(axis=0), alone.max(axis=0)])),
    ],
)
def test_a_pooling_is_what_it_is_named_after(embedded, states, pooling, of_states):
    expected = np.stack([of_states(*layers) for layers in states])
    assert embedded[pooling].shape == expected.shape and embedded[pooling].dtype == np.float32
    np.testing.assert_allclose(embedded[pooling], expected, atol=1e-5)


def test_the_poolings_differ(embedded):
    assert np.abs(embedded["mean"] - embedded["cls"]).max() > 0.1
    assert np.abs(embedded["mean"] - embedded["last"]).max() > 0.1


def test_batches_neither_reorder_nor_mix_the_texts(embedded):
    in_twos = embed([TEXTS[2], *TEXTS, TEXTS[1]], "minilm", batch_size=2)
    for pooling, vectors in in_twos.items():
        np.testing.assert_allclose(vectors, embedded[pooling][[2, 0, 1, 2, 1]], atol=1e-5)
