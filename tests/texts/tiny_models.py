"""Tiny random checkpoints of many architectures, with one tokeniser, for tests of what is loaded and refused."""

from pathlib import Path

import torch
import transformers
from transformers import AutoModel, AutoModelForSequenceClassification

from qdllm_utils.texts import twins

TEXTS = [f"{('good happy day ', 'bad gloomy night ')[n % 2] * (1 + n * 7 % 9)}number {n}" for n in range(60)]
TOKENIZER = twins.train_tokenizer(TEXTS)
PAD = {"vocab_size": len(TOKENIZER), "pad_token_id": TOKENIZER.pad_token_id}
ENDS = {"bos_token_id": TOKENIZER.bos_token_id, "eos_token_id": TOKENIZER.eos_token_id}
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
HALVES = {f"{half}_{what}": n for half in ("encoder", "decoder") for what, n in (("layers", 2), ("attention_heads", 4))}

CONFIGS = {
    "bert": ("BertConfig", PAD | SHAPE),
    "distilbert": ("DistilBertConfig", PAD | {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
    "roberta": ("RobertaConfig", PAD | ENDS | SHAPE),
    "xlm-roberta": ("XLMRobertaConfig", PAD | ENDS | SHAPE),
    "mpnet": ("MPNetConfig", PAD | ENDS | SHAPE),
    "electra": ("ElectraConfig", PAD | SHAPE | {"embedding_size": 32}),
    "albert": ("AlbertConfig", PAD | ENDS | SHAPE | {"embedding_size": 16}),
    "deberta-v2": ("DebertaV2Config", PAD | SHAPE),
    "xlnet": ("XLNetConfig", PAD | ENDS | {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64}),
    "bart": (
        "BartConfig",
        PAD
        | ENDS
        | HALVES
        | {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_start_token_id": 2},
    ),
    "t5": (
        "T5Config",
        PAD
        | ENDS
        | {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0},
    ),
    "gpt2": ("GPT2Config", PAD | ENDS | {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    "opt": (
        "OPTConfig",
        PAD
        | ENDS
        | {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 64,
        },
    ),
    "bloom": ("BloomConfig", PAD | ENDS | {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "llama": ("LlamaConfig", PAD | ENDS | SHAPE),
    "qwen2": ("Qwen2Config", PAD | ENDS | SHAPE | {"num_key_value_heads": 2}),
}


def save(folder: Path, architecture: str = "bert", labels: dict | None = None, **changes) -> str:
    """A random checkpoint in a folder, as save_pretrained writes it; a base model, or a classifier of `labels`.

    labels: {number: name}. changes: to the configuration.
    """
    name, settings = CONFIGS[architecture]
    config = getattr(transformers, name)(**(settings | changes))
    torch.manual_seed(1)
    if labels is None:
        model = AutoModel.from_config(config)
    else:
        config.num_labels = len(labels)
        config.id2label, config.label2id = labels, {name: number for number, name in labels.items()}
        model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return str(folder)
