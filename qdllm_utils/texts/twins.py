"""The five LLMs as 1:1000 twins: the same transformers class, 1.1M to 8M parameters, made on the spot.

A twin is pre-trained for a moment, as a causal language model, on the task's training texts, with a byte
pair tokeniser trained on them. It goes through the very path of the real model (sequence classifier, LoRA,
merge). It stands in for the path, not for the knowledge, of the model it is named after.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tqdm import trange
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

VOCABULARY = 2048
CONTEXT = 64
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
BATCH, LEARNING_RATE = 16, 1e-3

TWINS: dict[str, tuple[Any, Any, dict[str, int]]] = {
    "bloomz-1.1b": (BloomConfig, BloomForCausalLM, {"hidden_size": 128, "n_layer": 4, "n_head": 4}),
    "bloomz-3b": (BloomConfig, BloomForCausalLM, {"hidden_size": 192, "n_layer": 6, "n_head": 6}),
    "opt": (
        OPTConfig,
        OPTForCausalLM,
        {
            "hidden_size": 256,
            "word_embed_proj_dim": 256,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "ffn_dim": 1024,
        },
    ),
    "llama2": (
        LlamaConfig,
        LlamaForCausalLM,
        {
            "hidden_size": 256,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
            "intermediate_size": 704,
        },
    ),
    "llama3": (
        LlamaConfig,
        LlamaForCausalLM,
        {
            "hidden_size": 256,
            "num_hidden_layers": 9,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "intermediate_size": 896,
        },
    ),
}


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokeniser of at most 2,048 entries; a text is framed as <s> text </s>."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="right", **SPECIAL)


def build(name: str, tokenizer: PreTrainedTokenizerFast) -> Any:
    """The twin of a named LLM as a causal language model with random weights."""
    config_class, model_class, size = TWINS[name]
    context = {} if config_class is BloomConfig else {"max_position_embeddings": CONTEXT}
    # The published 0.02 suits a width of thousands; here the text's share of the last state would drown.
    spread = {"init_std" if config_class is OPTConfig else "initializer_range": size["hidden_size"] ** -0.5}
    config = config_class(
        vocab_size=VOCABULARY,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
        **size,
        **context,
        **spread,
    )
    return model_class(config)


def pretrain(name: str, texts: list[str], steps: int, seed: int, folder: Path) -> None:
    """Make a twin and save it with its tokeniser in `folder`, as save_pretrained writes them.

    texts: the training rows only. steps: of AdamW, batches of 16 texts.
    """
    tokenizer = train_tokenizer(texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(name, tokenizer)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model.to(device).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
        generator = torch.Generator().manual_seed(seed)
        for _ in trange(steps, desc=f"pre-training the twin of {name}", unit="step", mininterval=5):
            chosen = torch.randint(len(texts), (BATCH,), generator=generator).tolist()
            batch = tokenizer(
                [texts[number] for number in chosen],
                padding=True,
                truncation=True,
                max_length=CONTEXT,
                return_tensors="pt",
                return_token_type_ids=False,
            ).to(device)
            labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
            loss = model(**batch, labels=labels).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
