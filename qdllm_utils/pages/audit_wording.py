"""What the text says in words of sizes and times, held against the paper's own numbers."""

from itertools import pairwise
from statistics import mean

from qdllm_utils.config import TASKS
from qdllm_utils.pages.audit import TABLES, Check, Finding, Interval, apart
from qdllm_utils.show import paper
from qdllm_utils.show.tables import STUDENT_NAMES
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

SIMILAR = 10  # sizes further apart than by this factor are called similar by nobody


def says(claim: str) -> bool:
    """Whether the paper's text makes a claim."""
    return claim in set(paper.table("text")["name"])


def time_of_epoch(task: str, teacher: str, student: str) -> Interval:
    """T_kd in seconds, as an interval, from Acc and Acc/Tkd as printed."""
    acc, ratio = (paper.compression(task, teacher, student, name) or "" for name in ("acc", "acc_tkd"))
    return paper.quotient(acc, ratio)


def model_sizes() -> Check:
    """All competing models are said to be of similar size; Table 3 has the sizes."""
    question = "Are the students of similar size?"
    if not says("claim_size"):
        return Check(question, 0, ())
    sizes = paper.table("parameters").query("kind == 'student'").set_index("name")["parameters"]
    least, most = (choose(sizes, key=paper.number) for choose in (min, max))
    others = [size for size in sizes if size != least]
    found = []
    if paper.number(most) > SIMILAR * paper.number(least):
        nearest = min(others, key=paper.number)
        recomputed = f"{least} and {most} (Table 3)"
        factors = [paper.number(size) / paper.number(least) for size in (nearest, most)]
        note = (
            f"a factor of {factors[0]:,.0f} to {factors[1]:,.0f}; Table 3 leaves out the frozen embedder, which QD-LLM "
            "needs at inference"
        )
        found.append(Finding("Text, simulation experiments", "model size", "similar model size", recomputed, note))
    return Check(question, 1, tuple(found))


def growth_with_length() -> Check:
    """Time is said to grow exponentially with the length of the text; T_kd a text against Table 1's lengths."""
    question = "Does time grow exponentially with the length of the texts?"
    if not says("claim_growth"):
        return Check(question, 0, ())
    frame = paper.table("datasets").set_index("task")
    texts = {task: paper.number(frame["texts"][task]) for task in TABLES}
    lengths = {
        "average length": {task: paper.number(frame["length"][task]) for task in TABLES},
        "tokens over texts": {task: paper.number(frame["tokens"][task]) / texts[task] for task in TABLES},
    }
    cost = {
        task: mean(time_of_epoch(task, "overall", "quantum")) / (0.6 * texts[task]) for task in TABLES
    }  # seconds a training text
    found = []
    for reading, length in lengths.items():
        order = sorted(TABLES, key=lambda task: length[task])
        if all(cost[one] < cost[other] for one, other in pairwise(order)):
            continue
        shown = "; ".join(
            f"{TASKS[task].title.lower()} {length[task]:.1f} tokens, {1000 * cost[task]:.0f} ms" for task in order
        )
        note = (
            "no steady growth with length, let alone an exponential one. A transformer's time grows at most "
            "with the square of the length, and the released code pads every text to 60 tokens. The inference times "
            "themselves are in Figure 3 only; this is T_kd"
        )
        found.append(
            Finding("Text, comparison on time cost", f"QD-LLM, T_kd a text, by {reading}", "exponential", shown, note)
        )
    return Check(question, len(lengths), tuple(found))


def times_overall() -> Check:
    """The time that an overall row implies (Acc over Acc/Tkd) against the mean of the five times of its rows."""
    found, checked = [], 0
    for task, name in TABLES.items():
        wrong, implied, means = [], {}, {}
        for student in STUDENT_NAMES:
            checked += 1
            overall = time_of_epoch(task, "overall", student)
            each = [time_of_epoch(task, teacher, student) for teacher in PAPER_TEACHERS]
            exact = mean(low for low, _ in each), mean(high for _, high in each)
            implied[student], means[student] = mean(overall), mean(exact)
            if apart(overall, exact):
                wrong.append(student)
        if wrong:
            worst = min(wrong, key=lambda student: implied[student] / means[student])
            order = sorted(implied, key=implied.__getitem__) == sorted(means, key=means.__getitem__)
            note = (
                "Overall Acc/Tkd is the mean of five quotients, which is no quotient of means: the time it implies is "
                f"up to {1 - implied[worst] / means[worst]:.0%} below the mean time. "
                + ("The order of the students stays" if order else "The order of the students changes")
            )
            found.append(
                Finding(
                    name,
                    f"overall T_kd of {len(wrong)} of {len(STUDENT_NAMES)} students ({STUDENT_NAMES[worst]} most)",
                    f"{implied[worst]:,.0f} s",
                    f"{means[worst]:,.0f} s",
                    note,
                )
            )
    return Check("Is the overall distillation time the mean of the five?", checked, tuple(found))
