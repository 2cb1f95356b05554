"""GGUF files: the weights and the tokeniser that come out, a folder that is whole or absent, what is refused."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from qdllm_utils.texts import gguf as unpacking
from qdllm_utils.texts.gguf import unpack

gguf = pytest.importorskip("gguf")

WORDS = ["hello", "world", "good"]
LAYER = {
    "attn_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
} | {f"attn_{a}.{kind}": f"self_attn.{a}_proj.{kind}" for a in "qkv" for kind in ("weight", "bias")}
TOP = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def vocabulary() -> tuple[list[str], list[str]]:
    """A byte-level BPE with a few merges: tokens and merges as GGUF stores them."""
    from tokenizers import pre_tokenizers

    tokens, merges = sorted(pre_tokenizers.ByteLevel.alphabet()), []
    for word in WORDS:
        for end in range(2, len(word) + 1):
            if word[:end] not in tokens:
                merges.append(f"{word[: end - 1]} {word[end - 1]}")
                tokens.append(word[:end])
    return [*tokens, "<|endoftext|>", "<|im_end|>"], merges


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A tiny random Qwen2 and the GGUF file of it: matrices as 8-bit blocks, as llama.cpp writes them."""
    tokens, merges = vocabulary()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokens),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    model = Qwen2ForCausalLM(config)
    path = tmp_path_factory.mktemp("gguf") / "tiny-q8_0.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(2)
    writer.add_context_length(512)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 2) + [3, 3])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_pad_token_id(len(tokens) - 2)
    names = TOP | {
        f"blk.{layer}.{ours}": f"model.layers.{layer}.{theirs}" for layer in range(2) for ours, theirs in LAYER.items()
    }
    state = model.state_dict()
    assert set(names.values()) == set(state)
    stored = {}
    for name, theirs in names.items():
        values = state[theirs].float().numpy()
        if values.ndim == 2:
            blocks = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, values)
        stored[theirs] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, stored


@pytest.fixture(scope="module")
def unpacked(written, tmp_path_factory):
    return unpack(written[0], tmp_path_factory.mktemp("unpacked") / "tiny")


def test_the_weights_are_the_stored_ones_rounded_to_bfloat16(written, unpacked):
    model = AutoModelForCausalLM.from_pretrained(unpacked, dtype="auto")
    assert model.dtype == torch.bfloat16 and model.config.vocab_size == len(vocabulary()[0])
    state = model.state_dict()
    assert set(state) == set(written[1])
    for name, values in written[1].items():
        assert torch.equal(state[name], torch.tensor(values).to(torch.bfloat16)), name


def test_the_folder_is_plain_and_its_tokeniser_reads(unpacked):
    assert "quantization_config" not in json.loads((unpacked / "config.json").read_text())
    assert {file.suffix for file in unpacked.iterdir()} <= {".json", ".safetensors", ".jinja", ".txt"}
    tokenizer = AutoTokenizer.from_pretrained(unpacked)
    ids = tokenizer("hello good")["input_ids"]
    assert tokenizer.decode(ids) == "hello good" and len(ids) == 3
    AutoModelForCausalLM.from_pretrained(unpacked).save_pretrained(unpacked.parent / "again")


def test_the_second_time_nothing_is_read(written, unpacked, monkeypatch):
    monkeypatch.setattr(unpacking, "read", lambda path: pytest.fail("read again"))
    assert unpack(written[0], unpacked) == unpacked


def test_an_interrupted_run_leaves_no_folder(written, tmp_path, monkeypatch):
    def interrupted(model):
        raise KeyboardInterrupt

    really = unpacking.plain
    monkeypatch.setattr(unpacking, "plain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack(written[0], tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()
    monkeypatch.setattr(unpacking, "plain", really)
    assert (unpack(written[0], tmp_path / "tiny") / "model.safetensors").is_file()


def test_what_is_no_whole_gguf_file_is_refused(refused, written, tmp_path):
    with refused("no file", "absent.gguf"):
        unpack(tmp_path / "absent.gguf", tmp_path / "out")
    (tmp_path / "pointer.gguf").write_text("version https://git-lfs.github.com/spec/v1\n")
    with refused("not a GGUF", "pointer.gguf"):
        unpack(tmp_path / "pointer.gguf", tmp_path / "out")
    content = written[0].read_bytes()
    for share in (0.2, 0.6, 0.98):
        (tmp_path / "short.gguf").write_bytes(content[: int(share * len(content))])
        with refused("short.gguf", "damaged"):
            unpack(tmp_path / "short.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_architecture_is_refused(refused, tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "nonesuch")
    writer.add_block_count(1)
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with refused("odd.gguf", "architecture"):
        unpack(tmp_path / "odd.gguf", tmp_path / "out")


def test_a_folder_with_something_else_a_full_disk_and_no_package_are_refused(refused, written, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    with refused("mine", "something else"):
        unpack(written[0], tmp_path / "mine")
    with monkeypatch.context() as patched:
        patched.setattr(unpacking.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
        with refused("GB free"):
            unpack(written[0], tmp_path / "out")
    monkeypatch.setattr(unpacking, "find_spec", lambda _: None)
    with refused("pip install gguf"):
        unpack(written[0], tmp_path / "out")
