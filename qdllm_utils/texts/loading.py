"""A pre-trained model as a sequence classifier: everything is checked here, so that no row comes from a broken one.

Only safetensors are read, and never code that comes with a model. What is wrong is said in one sentence.
"""

from pathlib import Path
from typing import Any

import torch

from qdcircuits.errors import InputError
from qdllm_utils.texts.adapters import head_in_float32
from qdllm_utils.texts.embeddings import MAX_TOKENS
from qdllm_utils.texts.heads import Head, head_of, in_our_order, short, start_anew
from qdllm_utils.texts.model_folders import check_folder
from qdllm_utils.texts.needs import check_download, check_memory, count_parameters, kept_states
from qdllm_utils.texts.teacher_specs import TeacherSpec

LARGE = 1e9  # parameters from which a model is held in bfloat16 where that is fast
# Their position table begins after the pad token's number.
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "roberta-prelayernorm", "data2vec-text", "ibert")
PROBES = ("The weather in the city was good today.", "She did not buy 12 tickets.")
LOADING = (OSError, ValueError, RuntimeError, ImportError, KeyError, TypeError, AttributeError, IndexError)


def load_classifier(
    source: str, classes: int, names: tuple[str, ...] = (), as_is: bool = False, checked: bool = True
) -> tuple[Any, Any]:
    """The tokeniser and the sequence classifier with `classes` outputs, output k for the class names[k].

    A head that knows our classes is kept, its outputs in our order; any other is replaced by a new one (seed 0), with
    a notice. as_is: the model must be a classifier of our classes. checked: False for a model that was made here.
    The tokeniser pads where the architecture wants it. Raises InputError, one sentence, for whatever cannot be used.
    """
    from transformers import AutoModelForSequenceClassification

    if Path(source).is_dir():
        check_folder(Path(source))
    config = load_config(source)
    head = head_of(config, source, names) if checked else Head("none")
    if as_is and head.kind != "ours":
        raise InputError(
            f"{short(source)} cannot be used as it is (it has {head.what or 'no classification head'}; the texts have "
            f"{', '.join(names)}): name its classes in config.json (id2label) or let it be fine-tuned."
        )
    if head.kind == "foreign":
        print(f"{short(source)} has {head.what}: it is dropped, and a new head is trained.")
    foreign = {"ignore_mismatched_sizes": True, "problem_type": "single_label_classification"}
    tokenizer = load_tokenizer(source, config if checked else None)
    try:
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(
            source,
            num_labels=classes,
            dtype=dtype_of(source),
            trust_remote_code=False,
            use_safetensors=True,
            **(foreign if head.kind == "foreign" else {}),
        )
    except LOADING as error:
        raise cannot(source, error) from error
    if head.kind == "ours":
        in_our_order(model, head, names)
    elif head.kind == "foreign":
        start_anew(model)
    model.config.pad_token_id = tokenizer.pad_token_id
    if model.dtype == torch.bfloat16:
        head_in_float32(model)
    if checked:
        check_finite(source, model)
        tokenizer.padding_side = padding_side(source, tokenizer, model)
    return tokenizer, model


def load_config(source: str) -> Any:
    """A model's configuration, or a sentence."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except LOADING as error:
        raise cannot(source, error) from error


def cannot(source: str, error: Exception) -> InputError:
    """The sentence for a model that transformers does not load."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].rstrip(".: ")
    advice = "save model and tokeniser with save_pretrained in one folder"
    if "remote" in reason and "code" in reason:
        reason, advice = "it needs Python code of its own, which is never run here", "choose another model"
    elif isinstance(error, ImportError):
        reason = reason.split("`")[0].strip() if len(reason) > 160 else reason
        advice = "install that library or pass a model that is not quantised"
    elif "safetensors" in reason and "file named" in reason:
        reason, advice = "it has no safetensors file", "pickles are not read; save it with save_pretrained"
    elif "Unrecognized configuration" in reason or "Unrecognized model" in reason:
        reason, advice = "transformers has no sequence classifier of its architecture", "choose another model"
    return InputError(
        f"The model {short(source)} cannot be loaded as a sequence classifier ({reason[:160]}): {advice}."
    )


def load_tokenizer(source: str, config: Any = None) -> Any:
    """The tokeniser, padding on the right, with a pad token; config: of the model that it must fit, None: unchecked."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="right", trust_remote_code=False)
    except LOADING as error:
        raise cannot(source, OSError("its tokeniser is missing") if "okenizer" in str(error) else error) from error
    if config is not None:
        check_tokenizer(source, tokenizer, config)
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise InputError(
                f"The tokeniser of {short(source)} has neither a pad nor an eos token: set tokenizer.pad_token to one "
                "of its tokens and save it again."
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_tokenizer(source: str, tokenizer: Any, config: Any) -> None:
    """An InputError for a tokeniser that reads nothing, or whose tokens are not the model's."""
    special = set(tokenizer.all_special_ids)
    try:
        read = [tuple(one for one in tokenizer(text)["input_ids"] if one not in special) for text in PROBES]
    except Exception:  # the tokenizers library raises no narrower class where the vocabulary is empty
        read = [()]
    if not all(read) or read[0] == read[1]:
        raise InputError(
            f"The model {short(source)} cannot be loaded as a sequence classifier (its tokeniser is missing or empty): "
            "save model and tokeniser with save_pretrained in one folder."
        )
    known, rows = len(tokenizer), config.get_text_config().vocab_size
    if known > rows:
        raise InputError(
            f"The tokeniser of {short(source)} has {known:,} tokens and the model knows {rows:,}: it is of another "
            "model, or tokens were added without model.resize_token_embeddings(len(tokenizer))."
        )
    pad, own = config.get_text_config().pad_token_id, tokenizer.pad_token_id
    foreign = f"{known:,} tokens and the model knows {rows:,}" if known < 0.9 * rows else ""
    if None not in (pad, own) and pad != own and pad not in special:
        foreign = foreign or "its pad token is not the model's"
    if foreign:
        raise InputError(
            f"The tokeniser of {short(source)} is another model's ({foreign}): save the model with its own tokeniser."
        )


def dtype_of(source: str) -> torch.dtype:
    """float32; bfloat16 for a model of LARGE parameters or more, on a GPU and on a CPU with matrix units for it (AMX).

    On such a CPU a training step on 1.54 billion parameters takes a third of the time and half of the memory, and
    logits move by 0.04 (root mean square) where their standard deviation is 2.2: random tokens, an untrained head.
    """
    fast = torch.cuda.is_available() or bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    return torch.bfloat16 if fast and count_parameters(source) >= LARGE else torch.float32


def positions_of(config: Any) -> int | None:
    """How many tokens a model can read at most; None where nothing says so."""
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    return positions - (text.pad_token_id or 0) - 1 if text.model_type in OFFSET_POSITIONS else positions


def most_tokens(config: Any, wanted: int) -> int:
    """Tokens to cut a text at: `wanted`, or as many as the model has positions for, with a notice."""
    positions = positions_of(config)
    if positions is None or positions >= wanted:
        return wanted
    print(f"The model reads at most {positions} tokens of a text: longer texts are cut there.")
    return positions


def check_finite(source: str, model: Any) -> None:
    """An InputError that names the first weight that is not finite."""
    for name, values in model.named_parameters():
        if not bool(torch.isfinite(values).all()):
            raise InputError(
                f"The weights of {short(source)} are not finite (in {name}): fetch or save the model again."
            )


@torch.inference_mode()
def padding_side(source: str, tokenizer: Any, model: Any) -> str:
    """The side on which padding does not change a text's logits: right, else left, else an InputError."""
    short_text, long_text = PROBES[0], " ".join(PROBES * 2)
    limit = min(MAX_TOKENS, positions_of(model.config) or MAX_TOKENS)
    model.eval()
    try:
        alone = model(**tokens_of(tokenizer, [short_text], limit)).logits.float()
        for side in ("right", "left"):
            tokenizer.padding_side = side
            padded = model(**tokens_of(tokenizer, [short_text, long_text], limit)).logits.float()
            check_logits(source, padded)
            allowed = (0.05 if model.dtype == torch.bfloat16 else 1e-3) * (0.1 + float(alone.abs().max()))
            if float((padded[:1] - alone).abs().max()) <= allowed:
                return side
    except (IndexError, RuntimeError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise cannot(source, error) from error
    raise InputError(
        f"The model {short(source)} reads padding as text on either side, so a text's class would depend on its batch: "
        "choose another model."
    )


def tokens_of(tokenizer: Any, texts: list[str], limit: int) -> dict[str, torch.Tensor]:
    """The inputs of a model for a few texts."""
    return dict(tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt"))


def check_logits(source: str, logits: Any) -> None:
    """An InputError where logits (tensor or array) are not finite."""
    if not bool(torch.isfinite(torch.as_tensor(logits)).all()):
        raise InputError(
            f"The model {short(source)} gives logits that are not finite: its weights or the learning rate are no good."
        )


def check_needs(source: str, spec: TeacherSpec) -> str:
    """The sentence on memory; an InputError where a folder is broken, or memory or disk are too small."""
    if Path(source).is_dir():
        check_folder(Path(source))
    config = load_config(source)
    parameters = count_parameters(source)
    if not Path(source).is_dir():
        check_download(source, parameters)
    text = config.get_text_config()
    width, layers = (getattr(text, name, 0) or 0 for name in ("hidden_size", "num_hidden_layers"))
    trained = 2 * spec.rank * width * layers * max(len(spec.targets), 2)
    size = torch.finfo(dtype_of(source)).bits // 8
    recomputed = size == 2 and not spec.large  # the resumable loop keeps what a step needs
    states = kept_states(spec.batch_size * MAX_TOKENS, layers, width, size, recomputed)
    return check_memory(parameters, trained, size, states)
