"""The audit of Tables 1, 7 and 8, of the distillation times and of the text; then the whole audit as it is shown."""

import re
from collections import Counter
from itertools import permutations

from qdllm_utils.config import TASKS
from qdllm_utils.pages import audit, audit_wording
from qdllm_utils.pages.audit import QUALITY, TABLES, Check, Finding, apart, mean_of
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, group, head, line, table
from qdllm_utils.show.tables import METRICS, STUDENT_NAMES, TEACHER_NAMES
from qdllm_utils.show.verdicts import NOT, REPRODUCED, Verdict
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS


def texts_from_tokens() -> Check:
    """Table 1: tokens / average length is the number of texts; where not, whose length makes it whole thousands."""
    frame = paper.table("datasets").set_index("task")
    found = []
    for task, row in frame.iterrows():
        exact = paper.quotient(row["tokens"], row["length"])
        if not apart(exact, paper.interval(row["texts"])):
            continue
        note = "half of what is printed" if 2 * round(sum(exact) / 2) == paper.number(row["texts"]) else ""
        for other in frame.index.drop(task):
            low, high = paper.quotient(row["tokens"], frame["length"][other])
            whole = round((low + high) / 2, -2)
            if low <= whole <= high:
                fits = "as printed" if whole == paper.number(row["texts"]) else f"and not {row['texts']}"
                note = f"with the average length of {TASKS[other].title.lower()} it is {whole:,.0f}, {fits}"
        found.append(
            Finding("Table 1", TASKS[str(task)].title, f"{row['texts']} texts", f"{sum(exact) / 2:,.0f}", note)
        )
    return Check("Is the number of texts tokens over average length?", len(frame), tuple(found))


def loss_table() -> Check:
    """Table 7's full loss is the model of Tables 4 to 6: the mean of their three overall rows."""
    found = []
    for metric in ("acc", "f1"):
        printed = paper.loss("all", metric) or ""
        exact = mean_of([paper.compression(task, "overall", "quantum", metric) or "" for task in TABLES])
        if apart(exact, paper.interval(printed)):
            found.append(Finding("Table 7", f"KL+JS+CE, {METRICS[metric]}", printed, f"{sum(exact) / 2:.4f}", ""))
    return Check("Is Table 7's full model the mean of the three tasks?", 2, tuple(found))


def teacher_table() -> Check:
    """Table 8 repeats QD-LLM's rows of Tables 4 to 6, and its overall block is their mean over tasks."""
    found, checked = [], 0
    for teacher in PAPER_TEACHERS:
        for metric in QUALITY:
            values = [paper.teacher(task, teacher, metric) or "" for task in TABLES]
            for task, value in zip(TABLES, values, strict=True):
                checked += 1
                if value != (again := paper.compression(task, teacher, "quantum", metric)):
                    name = f"{TEACHER_NAMES[teacher]}, {METRICS[metric]}"
                    found.append(Finding("Table 8", name, value, str(again), f"printed in {TABLES[task]}"))
            checked += 1
            printed, exact = paper.teacher("overall", teacher, metric) or "", mean_of(values)
            if apart(exact, paper.interval(printed)):
                name = f"{TEACHER_NAMES[teacher]}, overall {METRICS[metric]}"
                found.append(Finding("Table 8", name, printed, f"{sum(exact) / 2:.4f}", ""))
    return Check("Does Table 8 repeat Tables 4 to 6, and are its overall rows their means?", checked, tuple(found))


def distillation_seconds(task: str, teacher: str, student: str) -> float:
    """T_kd, the seconds of one epoch, from Acc and Acc/Tkd."""
    return (
        sum(paper.quotient(*(paper.compression(task, teacher, student, name) or "" for name in ("acc", "acc_tkd")))) / 2
    )


def times() -> Check:
    """The text's two statements on T_kd: QD-LLM's is the shortest, and long texts take longer."""
    others = [student for student in STUDENT_NAMES if student != "quantum"]
    found, checked = [], 0
    for task in TABLES:
        for teacher in PAPER_TEACHERS:
            checked += 1
            ours = distillation_seconds(task, teacher, "quantum")
            faster = [student for student in others if distillation_seconds(task, teacher, student) < ours]
            if faster:
                note = ", ".join(STUDENT_NAMES[student] for student in faster) + " takes less"
                found.append(
                    Finding(TABLES[task], audit.entry(teacher, "quantum"), "the shortest", f"{ours:.0f} s", note)
                )
    frame = paper.table("datasets").set_index("task")
    texts = {task: paper.number(frame["texts"][task]) for task in TABLES}
    length = {task: paper.number(frame["tokens"][task]) / texts[task] for task in TABLES}
    cost = {task: distillation_seconds(task, "overall", "quantum") / (0.6 * texts[task]) for task in TABLES}
    checked += 1
    wrong = [(a, b) for a, b in permutations(TABLES, 2) if length[a] > length[b] and cost[a] < cost[b]]
    if wrong:
        shown = "; ".join(
            f"{TASKS[task].title.lower()} {length[task]:.1f} tokens, {1000 * cost[task]:.0f} ms" for task in TABLES
        )
        note = "tokens over texts of Table 1; T_kd over the training texts (60%): longer texts do not cost more"
        found.append(
            Finding("Text, comparison on time cost", "QD-LLM, T_kd a text", "long texts cost more", shown, note)
        )
    return Check("Do the distillation times bear out what the text says of them?", checked, tuple(found))


def text() -> Check:
    """Numbers that the text gives twice, and its claim on accuracy."""
    found = []
    frame = paper.table("text")
    repeated = [name for name, times in Counter(frame["name"]).items() if times > 1]
    for name in repeated:
        places = frame[frame["name"] == name]
        if places["value"].nunique() > 1:
            values = " and ".join(places["value"])
            found.append(
                Finding("; ".join(places["place"]), name.replace("_", " "), values, "one of them", "the same device")
            )
    behind = [
        f"{TASKS[task].title.lower()} {ours} < {theirs} ({STUDENT_NAMES[student]})"
        for task in TABLES
        for student in STUDENT_NAMES
        if paper.number(theirs := paper.compression(task, "overall", student, "acc") or "")
        > paper.number(ours := paper.compression(task, "overall", "quantum", "acc") or "")
    ]
    if behind:
        claim = f"QD-LLM {paper.text('claim_accuracy')} the distilled models in accuracy"
        found.append(
            Finding(
                "Text, introduction", "overall accuracy", claim, "; ".join(behind), f"not on {len(behind)} of 3 tasks"
            )
        )
    return Check("Does the text agree with itself and with the tables?", len(repeated) + 1, tuple(found))


def checks() -> list[Check]:
    """Every check, in the order of the paper."""
    first = (
        texts_from_tokens,
        audit.proportions,
        audit.f1_from_p_and_r,
        audit.acc_per_parameter,
        audit.four_class_head,
    )
    then = (
        audit.overall_rows,
        audit.accuracy_of_two_classes,
        audit.near_twins,
        loss_table,
        teacher_table,
        times,
        audit_wording.times_overall,
        audit_wording.growth_with_length,
        audit_wording.model_sizes,
        text,
    )
    return [check() for check in (*first, *then)]


def findings_table(found: list[Check]) -> HTML:
    """Each question, how often it was put, and every entry that does not come out."""
    columns = ["Where", "Entry", "Printed", "Recomputed", "What to make of it"]
    lines = []
    for check in found:
        wrong = len(check.findings)
        lines.append(group(f"{check.question} {check.checked} checked, {wrong or 'none'} not.", len(columns)))
        for finding in check.findings:
            cells = [
                cell(finding.entry, wrap=True),
                cell(finding.printed, wrap=True),
                cell(finding.recomputed, wrap=True),
            ]
            lines.append(line(head(finding.place), [*cells, cell(finding.note, wrap=True)]))
    caption = (
        "Recomputed from the printed numbers alone. A number stands for half a unit of its last digit either way; an "
        "entry is listed where the recomputed interval does not meet it."
    )
    return table(caption, columns, lines)


def times_table() -> HTML:
    """T_kd of every student, task and teacher, from the paper's Acc and Acc/Tkd."""
    columns = ["Student", *(TEACHER_NAMES[teacher] for teacher in PAPER_TEACHERS), "Mean of the five", "Overall row"]
    lines = []
    for task in TABLES:
        lines.append(group(f"{TASKS[task].title} ({TABLES[task]})", len(columns)))
        for student, name in STUDENT_NAMES.items():
            seconds = [distillation_seconds(task, teacher, student) for teacher in PAPER_TEACHERS]
            seconds += [sum(seconds) / len(seconds), distillation_seconds(task, "overall", student)]
            lines.append(line(head(name), [cell(f"{value:,.0f}") for value in seconds]))
    return table(
        "T_kd, seconds of one epoch of distillation, which the paper does not print: Acc / (Acc/Tkd).", columns, lines
    )


def verdict(found: list[Check]) -> Verdict:
    """How many of the printed numbers that follow from others do follow."""
    wrong = sum(len(check.findings) for check in found)
    total = sum(check.checked for check in found)
    tables = sorted(
        {name for check in found for finding in check.findings for name in re.findall(r"Table \d", finding.place)}
    )
    if not wrong:
        return Verdict(REPRODUCED, f"all {total:,} recomputations agree with what is printed.")
    return Verdict(
        NOT,
        f"{wrong} of {total:,} recomputed entries do not follow from the paper's numbers: {', '.join(tables)}, text.",
    )
