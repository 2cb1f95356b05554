"""The audit finds what is known to be wrong, nothing in a consistent paper, and one number changed in that."""

import html
import itertools

import pandas as pd
import pytest

from qdllm_utils.config import TASKS
from qdllm_utils.pages import audit, audit_claims
from qdllm_utils.show import paper
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

SIZES = {"tinybert": "14.00M", "minillm": "33.00M", "distilbert": "52.00M", "pkd": "52.00M", "quantum": "9,275"}
PER_TASK = {"emotion": 100.0, "hiding": 20.0, "thematic": 300.0}


def entries(question: str) -> dict[tuple[str, str], audit.Finding]:
    """The findings of the one check whose question starts so."""
    (check,) = [check for check in audit_claims.checks() if check.question.startswith(question)]
    return {(finding.place, finding.entry): finding for finding in check.findings}


# --- the paper itself: SPEC section 8, and each recomputed value by hand ---


def test_all_ten_pkd_rows_of_tables_5_and_6_print_an_f1_above_both():
    found = entries("Does F1")
    pkd = {key: finding for key, finding in found.items() if "+PKD" in key[1]}
    assert len(pkd) == 10 and {place for place, _ in pkd} == {"Table 5", "Table 6"}
    assert all("above both P and R" in finding.note for finding in pkd.values())
    assert len(found) == 13


@pytest.mark.parametrize(
    ("place", "entry", "f1", "acc_param"),
    [
        ("Table 4", "BLOOMZ-1.1B +QD-LLM", "0.7802", "8.41e-5"),
        ("Table 5", "LLaMA2-7B +TinyBERT", "0.7995", "5.57e-8"),
        ("Table 5", "LLaMA3-8B +TinyBERT", "0.8007", "5.58e-8"),
    ],
)
def test_three_rows_have_acc_and_f1_exchanged(place, entry, f1, acc_param):
    """By hand: 2 x .7735 x .8273 / 1.6008 = .7995, its printed Acc; .7886 / 14.35M = 5.495e-8, as printed."""
    f1_finding = entries("Does F1")[place, f"{entry}, F1"]
    assert f1_finding.recomputed == f1 and "exchanged" in f1_finding.note
    finding = entries("Is Acc/Param")[place, f"{entry}, Acc/Param"]
    assert finding.recomputed == acc_param and "exchanged" in finding.note
    assert len(entries("Is Acc/Param")) == 3


def test_table_7_is_not_the_mean_of_the_three_tasks():
    """By hand: (.8012 + .8123 + .8581) / 3 = .82387."""
    (finding,) = entries("Is Table 7").values()
    assert (finding.printed, finding.recomputed) == ("0.8242", "0.8239")


def test_table_1_swaps_two_lengths_and_halves_two_tasks():
    found = entries("Is the number of texts")
    assert "24,000, as printed" in found["Table 1", "Emotion analysis"].note
    assert "10,000, and not 20,000" in found["Table 1", "Thematic analysis"].note
    assert found["Table 1", "Hiding detection"].recomputed == "5,000"


def test_the_shares_of_the_text_are_ten_times_too_large():
    """By hand: 9,275 / 52.2M = .0178%, 9,275 / 14.35M = .0646%."""
    found = entries("Are the parameter proportions")
    assert sorted(finding.recomputed for finding in found.values()) == ["0.018%", "0.065%"]


def test_the_processor_has_two_sizes_and_the_claim_of_accuracy_two_exceptions():
    found = {finding.entry: finding for finding in entries("Does the text agree").values()}
    assert found["processor qubits"].printed == "136 and 156"
    assert "0.8012 < 0.8125 (MiniLLM)" in found["overall accuracy"].recomputed


def test_distillation_times_are_those_of_the_specification():
    """QD-LLM 464-587 s on emotion, 81-92 on hiding, 131-284 on thematic; DistilBERT up to 4,580 s."""

    def seconds(task, student):
        return [round(audit_claims.distillation_seconds(task, teacher, student)) for teacher in PAPER_TEACHERS]

    for task, low, high in (("emotion", 464, 587), ("hiding", 81, 92), ("thematic", 131, 284)):
        assert (min(seconds(task, "quantum")), max(seconds(task, "quantum"))) == (low, high)
    assert max(max(seconds(task, "distilbert")) for task in TASKS) == 4580


def test_tables_that_agree_have_no_finding():
    assert not entries("Does Table 8") and not entries("Are the overall rows")


# --- a paper made up here, in which everything follows ---


def consistent() -> dict[str, pd.DataFrame]:
    """Tables in which each dependent number is computed from the others and rounded as the paper prints it."""
    rows, qd = [], {}
    for (t, task), (s, student) in itertools.product(enumerate(TASKS), enumerate(SIZES)):
        size = paper.number(SIZES[student])
        per_teacher = []
        for n, teacher in enumerate(PAPER_TEACHERS):
            p, r = round(0.80 + 0.01 * s + 0.002 * n, 4), round(0.82 + 0.01 * s + 0.003 * n, 4)
            acc = 0.5 + r * (2 - 1 / p) / 2 if task != "thematic" else 0.93 - 0.02 * (4 - s)
            seconds = PER_TASK[task] * (10 - s)
            values = {"acc": f"{acc:.4f}", "p": f"{p:.4f}", "r": f"{r:.4f}", "f1": f"{2 * p * r / (p + r):.4f}"}
            values |= {"acc_param": f"{acc / size:.2e}", "acc_tkd": f"{acc / seconds:.5e}"}
            rows += [(TASK_PLACE[t], task, teacher, student, metric, value) for metric, value in values.items()]
            per_teacher.append(values)
            if student == "quantum":
                qd[task, teacher] = values
        for metric in per_teacher[0]:
            centre = sum(paper.number(values[metric]) for values in per_teacher) / 5
            text = f"{centre:.4f}" if metric in audit.QUALITY else f"{centre:.3e}"
            rows.append((TASK_PLACE[t], task, "overall", student, metric, text))
        rows.append((TASK_PLACE[t], task, "overall", student, "proportion", f"{size / 52e6:.2%}"))
    compression = pd.DataFrame(rows, columns=["place", "task", "teacher", "student", "metric", "value"])
    overall = {
        (row.task, row.metric): row.value
        for row in compression.itertuples()
        if row.teacher == "overall" and row.student == "quantum"
    }
    teachers = [("Table 8", task, teacher, m, qd[task, teacher][m]) for task, teacher in qd for m in audit.QUALITY]
    for teacher, m in itertools.product(PAPER_TEACHERS, audit.QUALITY):
        centre = sum(paper.number(qd[task, teacher][m]) for task in TASKS) / 3
        teachers.append(("Table 8", "overall", teacher, m, f"{centre:.4f}"))
    losses = [
        ("Table 7", "all", m, f"{sum(paper.number(overall[task, m]) for task in TASKS) / 3:.4f}") for m in ("acc", "f1")
    ]
    lengths = {
        "emotion": ("20,000", "10.0000", "200,000"),
        "hiding": ("10,000", "5.0000", "50,000"),
        "thematic": ("20,000", "30.0000", "600,000"),
    }
    sizes = [("Table 3", "student", name, size, f"{paper.number(size) / 52e6:.2%}") for name, size in SIZES.items()]
    texts = [
        ("a", "qubits", "11"),
        ("b", "qubits", "11"),
        ("c", "share_low", "0.018%"),
        ("d", "share_high", "0.066%"),
        ("e", "claim_accuracy", "x"),
    ]
    return {
        "compression": compression,
        "teachers": pd.DataFrame(teachers, columns=["place", "task", "teacher", "metric", "value"]),
        "losses": pd.DataFrame(losses, columns=["place", "loss", "metric", "value"]),
        "datasets": pd.DataFrame([(task, *it) for task, it in lengths.items()], columns=DATASETS),
        "parameters": pd.DataFrame(sizes, columns=["place", "kind", "name", "parameters", "lora_or_proportion"]),
        "text": pd.DataFrame(texts, columns=["place", "name", "value"]),
    }  # fmt: skip


TASK_PLACE = ("Table 4", "Table 5", "Table 6")
DATASETS = ["task", "texts", "length", "tokens"]


@pytest.fixture
def made_up(monkeypatch):
    """The audit reads these tables; returns them, to be changed."""
    tables = consistent()
    monkeypatch.setattr(paper, "table", lambda name: tables[name])
    paper.values.cache_clear()
    yield tables
    paper.values.cache_clear()


def all_findings() -> list[audit.Finding]:
    paper.values.cache_clear()
    return [finding for check in audit_claims.checks() for finding in check.findings]


def test_a_consistent_paper_has_no_finding(made_up):
    assert all_findings() == []
    assert audit_claims.verdict(audit_claims.checks()).status == "reproduced"


def set_value(frame: pd.DataFrame, keys: dict[str, str], change, column: str = "value") -> None:
    chosen = (frame[list(keys)] == pd.Series(keys)).all(axis=1)
    assert chosen.sum() == 1
    frame.loc[chosen, column] = change(frame.loc[chosen, column].iloc[0])


def up(step: float):
    """A printed decimal moved by so much."""
    return lambda text: f"{float(text) + step:.{len(text.partition('.')[2])}f}"


def row(**keys: str) -> dict[str, str]:
    """The keys of one row, on hiding where none is given."""
    return {"task": "hiding"} | keys


F1 = row(teacher="opt", student="pkd", metric="f1")


@pytest.mark.parametrize(
    ("table", "keys", "change", "expected"),
    [
        ("compression", F1, up(0.0003), "OPT-6.7B +PKD, F1"),
        ("compression", F1, up(-0.0003), "OPT-6.7B +PKD, F1"),
        ("compression", row(teacher="overall", student="tinybert", metric="p"), up(0.0002), "Overall +TinyBERT, P"),
        (
            "compression",
            row(teacher="overall", student="pkd", metric="proportion"),
            lambda _: "99.00%",
            "PKD, proportion",
        ),
        ("losses", {"loss": "all", "metric": "f1"}, up(0.0002), "KL+JS+CE, F1"),
        ("teachers", {"task": "overall", "teacher": "llama2", "metric": "r"}, up(0.0002), "LLaMA2-7B, overall R"),
        ("text", {"place": "b"}, lambda _: "12", "qubits"),
    ],
)
def test_one_changed_number_is_found(made_up, table, keys, change, expected):
    set_value(made_up[table], keys, change)
    found = {finding.entry for finding in all_findings()}
    # a changed F1 also moves the mean of its five
    assert found - {"Overall +PKD, F1"} == {expected}


def test_a_changed_accuracy_per_parameter_is_found(made_up):
    keys = {"task": "hiding", "teacher": "opt", "student": "pkd", "metric": "acc_param"}
    set_value(made_up["compression"], keys, lambda text: f"{float(text) * 1.02:.2e}")
    assert "OPT-6.7B +PKD, Acc/Param" in {finding.entry for finding in all_findings()}


def test_a_changed_accuracy_breaks_what_p_and_r_say(made_up):
    keys = {"task": "emotion", "teacher": "opt", "student": "pkd", "metric": "acc"}
    set_value(made_up["compression"], keys, up(0.02))
    assert "Acc of 1 of 25 rows: OPT-6.7B +PKD" in {finding.entry for finding in all_findings()}


def test_a_test_set_need_not_be_balanced_to_the_text(made_up):
    """Equally large classes are said of the whole data; a random fifth of 20,000 may be off by a percent or two."""
    keys = {"task": "emotion", "teacher": "opt", "student": "pkd", "metric": "acc"}
    set_value(made_up["compression"], keys, up(0.004))
    assert not [finding for finding in all_findings() if finding.entry.startswith("Acc of")]


def test_sizes_that_are_called_similar_and_growth_that_is_called_exponential(made_up):
    claims = [("f", "claim_size", "similar"), ("g", "claim_growth", "exponentially")]
    made_up["text"] = pd.concat([made_up["text"], pd.DataFrame(claims, columns=["place", "name", "value"])])
    found = {finding.entry: finding for finding in all_findings()}
    assert set(found) == {"model size"}  # the time grows with the length in the tables made up here
    keys = {"task": "thematic", "teacher": "overall", "student": "quantum", "metric": "acc_tkd"}
    set_value(made_up["compression"], keys, lambda text: f"{float(text) * 90:.3e}")
    entries_now = {finding.entry for finding in all_findings()}
    assert {"QD-LLM, T_kd a text, by average length", "QD-LLM, T_kd a text, by tokens over texts"} <= entries_now


def test_an_overall_time_that_is_not_the_mean_is_found(made_up):
    """One of five times is a tenth: the mean of the quotients implies 1 / 2.8 of the time, the mean is 0.82 of it."""
    frame = made_up["compression"]
    one = {"task": "hiding", "teacher": "opt", "student": "pkd", "metric": "acc_tkd"}
    set_value(frame, one, lambda text: f"{float(text) * 10:.5e}")
    chosen = frame.query("task == 'hiding' and student == 'pkd' and metric == 'acc_tkd' and teacher != 'overall'")
    centre = sum(float(value) for value in chosen["value"]) / 5
    set_value(frame, one | {"teacher": "overall"}, lambda _: f"{centre:.3e}")
    (finding,) = entries("Is the overall distillation").values()
    implied, exact = (float(text.removesuffix(" s")) for text in (finding.printed, finding.recomputed))
    assert implied / exact == pytest.approx((1 / 2.8) / 0.82, rel=0.02)


def test_the_text_on_sizes_and_times():
    """By hand: 52.2M / 9,275 = 5,628; TinyBERT on emotion: mean(665, 1,491, 1,551, 1,599, 1,952) = 1,452 s."""
    (sizes,) = entries("Are the students of similar size").values()
    assert sizes.recomputed == "9,275 and 52.20M (Table 3)" and "1,547 to 5,628" in sizes.note
    times = entries("Is the overall distillation")["Table 4", "overall T_kd of 4 of 5 students (TinyBERT most)"]
    assert (times.printed, times.recomputed) == ("1,266 s", "1,452 s")
    assert len(entries("Does time grow exponentially")) == 2


def test_rows_with_the_same_p_and_r_must_have_the_same_accuracy(made_up):
    frame = made_up["compression"]
    for metric in ("p", "r", "f1"):
        one = {"task": "thematic", "teacher": "opt", "student": "pkd", "metric": metric}
        other = {"task": "thematic", "teacher": "opt", "student": "distilbert", "metric": metric}
        value = frame.loc[(frame[list(one)] == pd.Series(one)).all(axis=1), "value"].iloc[0]
        set_value(frame, other, lambda text, value=value: value)
    assert "OPT-6.7B +DistilBERT and OPT-6.7B +PKD" in {finding.entry for finding in all_findings()}


def test_a_faster_baseline_is_found(made_up):
    keys = {"task": "emotion", "teacher": "opt", "student": "pkd", "metric": "acc_tkd"}
    set_value(made_up["compression"], keys, lambda text: f"{float(text) * 5:.5e}")
    (finding,) = [finding for finding in all_findings() if finding.printed == "the shortest"]
    assert finding.entry == "OPT-6.7B +QD-LLM" and "PKD takes less" in finding.note


def test_the_page_shows_every_finding_and_every_question():
    checks = audit_claims.checks()
    shown = html.unescape(audit_claims.findings_table(checks))
    assert all(check.question in shown for check in checks)
    assert shown.count('scope="row"') == sum(len(check.findings) for check in checks)
    assert "4,580" in audit_claims.times_table()
