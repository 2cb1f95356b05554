"""What the paper's scale costs on a card: `python benchmarks/gpu.py --json build/gpu.json`. See README.md here.

Architectures in their full size, from the configurations written down for Table 3 (LLaMA's are gated on the hub, its
configuration is not a secret), with random weights: as fast and as large as the trained ones, and good for nothing
else. Each row says so. One teacher after the other: peak memory and seconds of a LoRA step; then the students: seconds
of an epoch. --tiny --device cpu takes the same way with configurations that any machine holds.
"""

import argparse
import copy
import datetime
import gc
import json
import math
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qdllm_utils import machine
from qdllm_utils.config import knobs
from qdllm_utils.learning import training
from qdllm_utils.pages.timing import baseline
from qdllm_utils.runs import provenance
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.sizes import EMBEDDING, LLMS
from qdllm_utils.texts.teacher_specs import NAMED

NOTE = "random weights, timing only"
CLASSES, STUDENT_TEXTS = 2, 14_400  # training texts of the paper's largest corpus, emotion: 60% of 24,000
STUDENTS = ("quantum", "tinybert", "minillm", "distilbert", "pkd")
TINY = {"vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TINY_OF = {
    "bloom": {"n_layer": 2, "n_head": 4},
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64},
    "llama": {"intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 16},
}


def configuration(name: str, tiny: bool) -> Any:
    """The configuration of a teacher; tiny: of the same architecture."""
    found = copy.deepcopy(LLMS[name])
    if tiny:
        found = type(found)(**(TINY | TINY_OF[found.model_type]))
    found.num_labels, found.pad_token_id = CLASSES, 0
    return found


def teacher_row(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and peak memory of a LoRA step: weights in bfloat16 (float32 on a CPU), adapters in float32."""
    device = torch.device(options.device)
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    forget(device)
    settings = configuration(name, options.tiny)
    with device:
        torch.set_default_dtype(kind)
        try:
            base = AutoModelForSequenceClassification.from_config(settings)
        finally:
            torch.set_default_dtype(torch.float32)
    adapter = LoraConfig(task_type=TaskType.SEQ_CLS, r=options.rank, target_modules=list(NAMED[name].targets))
    model: Any = get_peft_model(base, adapter)
    if options.checkpointing:
        base.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    learnt = [values for values in model.parameters() if values.requires_grad]
    for values in learnt:
        values.data = values.data.float()
    optimiser = torch.optim.AdamW(learnt, lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    shape = options.batch, options.tokens
    tokens = torch.randint(1, settings.vocab_size, shape, generator=generator).to(device)
    labels = torch.randint(CLASSES, (options.batch,), generator=generator).to(device)

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            loss = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    seconds = timed(step, options.steps, device)
    return {
        "kind": "LoRA step",
        "name": name,
        "parameters": sum(values.numel() for values in base.parameters()) - sum(v.numel() for v in learnt),
        "trained": sum(values.numel() for values in learnt),
        "rank": options.rank,
        "batch": options.batch,
        "tokens": options.tokens,
        "checkpointing": options.checkpointing,
        "seconds": seconds,
        "peak_gb": peak(device),
    }


def student_row(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of an epoch of distillation from class logits over STUDENT_TEXTS texts, from the median step."""
    device = torch.device(options.device)
    forget(device)
    settings = knobs("paper", **({"qubits": 4, "layers": 2} if options.tiny else {}))
    generator = torch.Generator().manual_seed(0)
    student: Any
    if name == "quantum":
        student = QuantumStudents(EMBEDDING, CLASSES, settings, [0])
        batch = {"features": torch.randn(1, settings.batch_size, EMBEDDING, generator=generator)}
    else:
        student = baseline(name, "small" if options.tiny else "paper", CLASSES)
        shape = 1, student.settings.batch_size, options.tokens
        tokens = torch.randint(1, 500, shape, generator=generator)
        batch = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    size = student.settings.batch_size
    batch |= {
        "labels": torch.randint(CLASSES, (1, size), generator=generator),
        "teacher": torch.randn(1, size, CLASSES, generator=generator),
    }
    student.to(device)
    student.train()
    batch = {column: values.to(device) for column, values in batch.items()}
    optimiser = training.optimiser_of(student)
    seconds = timed(lambda: training.step(student, optimiser, batch, epoch=0), options.steps, device)
    steps = math.ceil(STUDENT_TEXTS / size)
    return {
        "kind": "student epoch",
        "name": name,
        "trained": student.trainable(),
        "batch": size,
        "tokens": options.tokens,
        "texts": STUDENT_TEXTS,
        "step_seconds": seconds,
        "seconds": seconds * steps,
        "peak_gb": peak(device),
    }


def timed(call: Any, steps: int, device: torch.device) -> float:
    """The median wall time of `steps` calls, in seconds; two more before them are not counted."""
    found = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - start)
    return median(found[2:])


def forget(device: torch.device) -> None:
    """Give back what the model before took, and start counting memory again."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> float:
    """Most memory since `forget`, in GB: of the card, or of this whole process so far on a CPU."""
    found = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else machine.peak_memory()
    return round(found / 1e9, 3)


def main(arguments: list[str] | None = None) -> None:
    """Time what is asked for, print and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--teachers", nargs="*", default=list(LLMS), choices=list(LLMS))
    parser.add_argument("--students", nargs="*", default=list(STUDENTS), choices=STUDENTS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations: less memory, more time")
    parser.add_argument("--tiny", action="store_true", help="tiny configurations of the same architectures")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("There is no CUDA device here: run this where a card is, or try it with --tiny --device cpu.")
    about = {
        "source": NOTE + (", tiny configurations" if options.tiny else ""),
        "device": torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU",
        "date": datetime.date.today().isoformat(),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }
    rows = []
    for names, make in ((options.teachers, teacher_row), (options.students, student_row)):
        for name in names:
            try:
                row = make(name, options)
            except torch.cuda.OutOfMemoryError:
                row = {
                    "name": name,
                    "failed": "not enough memory on the card: try --checkpointing or a smaller --batch",
                }
            rows.append(row | about)
            print(json.dumps(row), flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"{len(rows)} rows: {about['source']}, on {about['device']}.")


if __name__ == "__main__":
    main()
