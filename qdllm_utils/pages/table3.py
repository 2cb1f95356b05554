"""Table 3 as it is shown: counts on the real architectures beside the paper's printed ones."""

from dataclasses import dataclass
from functools import cached_property

from transformers import BertConfig

from qdcircuits.ansatz import layer_weights
from qdcircuits.errors import InputError
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, head, line, table
from qdllm_utils.show.tables import STUDENT_NAMES, TEACHER_NAMES
from qdllm_utils.show.verdicts import NOT, REPRODUCED, Verdict
from qdllm_utils.students import sizes
from qdllm_utils.students.sizes import Lora, ModelSize

RANK_OF_TEXT, RANK_OF_TABLE = int(paper.text("rank")), 200
LAYERS = {"released code": 2, "paper's count": 11}


@dataclass(frozen=True)
class Counts:
    """Everything that Table 3 counts."""

    llms: dict[str, ModelSize]
    lora: dict[str, dict[int, Lora]]
    students: dict[str, ModelSize]
    quantum: dict[tuple[int, int], ModelSize]  # by layers and classes
    tokens: int

    @cached_property
    def against_paper(self) -> dict[str, tuple[int, str]]:
        """The ten trained counts that Table 3 prints: ours and the paper's, by name."""
        printed = paper.table("parameters").set_index("name")
        ours = {name: ranks[RANK_OF_TABLE].with_both_heads for name, ranks in self.lora.items()}
        pairs = {f"LoRA ({TEACHER_NAMES[name]})": (n, printed["lora_or_proportion"][name]) for name, n in ours.items()}
        pairs |= {
            STUDENT_NAMES[name]: (size.trained, printed["parameters"][name]) for name, size in self.students.items()
        }
        quantum = self.quantum[LAYERS["paper's count"], 2].trained
        return pairs | {STUDENT_NAMES["quantum"]: (quantum, printed["parameters"]["quantum"])}


def count(tokens: int) -> Counts:
    """Build every model on the meta device and count; tokens: of the text for which operations are counted."""
    if not 1 <= tokens <= BertConfig().max_position_embeddings:
        raise InputError(f"tokens is {tokens}: a text has 1 to {BertConfig().max_position_embeddings} tokens here.")
    return Counts(
        {name: sizes.llm(name, tokens) for name in sizes.LLMS},
        {name: sizes.lora(name, (RANK_OF_TEXT, RANK_OF_TABLE)) for name in sizes.LLMS},
        {name: sizes.bert_student(name, tokens=tokens) for name in sizes.BERTS},
        {
            (layers, classes): sizes.quantum_student(layers, classes, tokens)
            for layers in LAYERS.values()
            for classes in (2, 4)
        },
        tokens,
    )


def met(ours: float, printed: str) -> bool:
    """Whether a count is the printed one to its last digit."""
    low, high = paper.interval(printed)
    return low <= ours <= high


def compared(ours: float, printed: str | None) -> tuple[str, str]:
    """The paper's value and whether ours is it, for the line below a count."""
    if printed is None:
        return ("", "")
    return (f"paper {printed}", "to the digit" if met(ours, printed) else "another number")


def millions(number: float) -> str:
    """12.34M, or 1,234."""
    return f"{number / 1e6:,.2f}M" if number >= 1e5 else f"{number:,.0f}"


def storage(number: int) -> str:
    """Bytes in GB or MB (powers of ten)."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def operations(number: float) -> str:
    """Floating point operations in units of 10^9 or 10^6."""
    return f"{number / 1e9:,.2f} G" if number >= 1e8 else f"{number / 1e6:.2f} M"


def teacher_table(counts: Counts) -> HTML:
    """The five LLMs: their own size, and their adapters at the rank of the text and at the rank that fits the table."""
    printed = paper.table("parameters").set_index("name")
    lines = []
    for name, size in counts.llms.items():
        low, high = counts.lora[name][RANK_OF_TEXT], counts.lora[name][RANK_OF_TABLE]
        total = high.with_both_heads
        adapter = printed["lora_or_proportion"][name]
        lines.append(
            line(
                head(TEACHER_NAMES[name], sizes.NAMED[name].hub, " + ".join(sizes.NAMED[name].targets)),
                [
                    cell(f"{size.deployed:,}", *compared(size.deployed, printed["parameters"][name])),
                    cell(f"{low.adapter:,}", *compared(low.with_both_heads, adapter)),
                    cell(f"{high.adapter:,}"),
                    cell(f"{total:,}", *compared(total, adapter)),
                    cell(storage(size.bytes)),
                    cell(operations(size.flops)),
                ],
            )
        )
    columns = [
        "Teacher",
        "Parameters",
        f"LoRA, rank {RANK_OF_TEXT} (text)",
        f"LoRA, rank {RANK_OF_TABLE}",
        f"rank {RANK_OF_TABLE} + head twice",
        "Bytes (bfloat16)",
        "FLOP a text",
    ]
    caption = (
        "The paper's teachers, counted on their published configurations. LoRA sits on the modules named below each "
        f"teacher. The printed counts are met at rank {RANK_OF_TABLE} with the four-label head counted twice (the "
        f"trained one and the frozen first copy that PEFT keeps), not at the text's rank {RANK_OF_TEXT}. FLOP: "
        f"matrix products for one text of {counts.tokens} tokens, two a multiply-add."
    )
    return table(caption, columns, lines)


def student_table(counts: Counts) -> HTML:
    """The students: trained and deployed parameters, bytes and operations, and their share of the largest."""
    printed = paper.table("parameters").set_index("name")
    largest = max(size.trained for size in counts.students.values())
    rows: list[tuple[str, str, ModelSize, str | None]] = []
    for name, size in counts.students.items():
        kept = sizes.BERTS[name]
        shape = f"BERT {kept['num_hidden_layers']} x {kept.get('hidden_size', sizes.EMBEDDING)}"
        part = "without pooler and classifier" if name in sizes.WITHOUT_HEAD else "with pooler and classifier"
        rows.append((STUDENT_NAMES[name], f"{shape}, {part}", size, name))
    for meaning, layers in reversed(LAYERS.items()):
        for classes in (2, 4):
            key = "quantum" if (layers, classes) == (LAYERS["paper's count"], 2) else None
            rows.append(
                (
                    STUDENT_NAMES["quantum"],
                    f"L = {layers} ({meaning}), {classes} classes",
                    counts.quantum[layers, classes],
                    key,
                )
            )
    lines = []
    for name, detail, size, key in rows:
        share = size.trained / largest
        lines.append(
            line(
                head(name, detail),
                [
                    cell(f"{size.trained:,}", *compared(size.trained, printed["parameters"][key] if key else None)),
                    cell(f"{share:.2%}", *compared(share, printed["lora_or_proportion"][key] if key else None)),
                    cell(f"{size.deployed:,}"),
                    cell(storage(size.bytes)),
                    cell(
                        operations(size.flops),
                        f"{operations(size.own_flops)} of its own" if key is None or key == "quantum" else "",
                    ),
                ],
            )
        )
    columns = ["Student", "Trained", "Share of the largest", "Deployed", "Bytes (float32)", "FLOP a text"]
    caption = (
        "The students. QD-LLM reads a text through the whole frozen BERT-base, needed at inference too: trained and "
        "deployed parameters are two columns. Shares are of our own largest count. Its own operations are those of two "
        "linear layers and of simulating the circuit gate by gate; the rest is the embedder. FLOP: for one text of "
        f"{counts.tokens} tokens, two a multiply-add."
    )
    return table(caption, columns, lines)


def verdict(counts: Counts) -> Verdict:
    """How many of the ten printed counts come out to the digit, and what of the rest."""
    pairs = counts.against_paper
    misses = {name: pair for name, pair in pairs.items() if not met(*pair)}
    why = f"{len(pairs) - len(misses)} of the {len(pairs)} printed counts come out to the last digit"
    ranks = f"the LoRA ones at rank {RANK_OF_TABLE} and not at the text's {RANK_OF_TEXT}"
    if not misses:
        return Verdict(REPRODUCED, f"{why}, {ranks}.")
    ours, printed = next(iter(misses.values()))
    least = round(paper.interval(printed)[0]) - ours
    layers, qubits = LAYERS["paper's count"], int(paper.text("qubits"))
    linear = counts.quantum[layers, 2].trained - layers * layer_weights(qubits)
    short = f"{why}; {' and '.join(misses)} share one number, {printed}, that no model found has."
    why += (
        f" ({ranks}); {' and '.join(misses)} share one "
        f"number, {printed}, and the nearest model, without pooler and classifier, has {ours:,} ({millions(ours)}), "
        f"{least:,} too few: with BERT's pooler it is far above it, and with the {linear:,} parameters of QD-LLM's two "
        "linear layers on top it would be met, but nothing says that this was counted"
    )
    return Verdict(NOT, f"{why}.", short)
