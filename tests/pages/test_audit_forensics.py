"""The statistics of the digits: each finds what was put in, passes a table as the text describes it, and the paper's
values come out as they do by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from qdllm_utils.learning.metrics import classification
from qdllm_utils.pages import (
    audit_claims,
    audit_digits,
    audit_exchanges,
    audit_forensics,
    audit_grim,
    audit_honest,
    audit_recall,
    audit_share,
    audit_views,
)
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

STUDENTS = ("tinybert", "minillm", "distilbert", "pkd", "quantum")


@pytest.fixture(scope="module")
def paper_rows() -> pd.DataFrame:
    return audit_exchanges.rows()


def one(found: pd.DataFrame, task: str, teacher: str, student: str) -> pd.Series:
    return found[(found["task"] == task) & (found["teacher"] == teacher) & (found["student"] == student)].iloc[0]


@pytest.fixture(scope="module")
def described() -> pd.DataFrame:
    """A table made as the text describes it: five confusion matrices a cell, drawn label by label with numpy alone."""
    rng = np.random.default_rng(5)
    positives = {"emotion": 2420, "hiding": 990, "thematic": 0}
    negatives = {"emotion": 2380, "hiding": 1010, "thematic": 0}
    lines = []
    for task, teacher, student in itertools.product(positives, PAPER_TEACHERS, STUDENTS):
        repeats = []
        for _ in range(5):
            if task == "thematic":
                labels = np.repeat(np.arange(4), [1010, 985, 1005, 1000])
                right = rng.random(len(labels)) < rng.normal(0.82, 0.03, 4)[labels]
                predicted = np.where(right, labels, (labels + rng.integers(1, 4, len(labels))) % 4)
                repeats.append(list(classification(labels, predicted).values()))
                continue
            tp = rng.binomial(positives[task], rng.normal(0.82, 0.01))
            fp = rng.binomial(negatives[task], rng.normal(0.21, 0.01))
            p, r = tp / (tp + fp), tp / positives[task]
            acc = (tp + negatives[task] - fp) / (positives[task] + negatives[task])
            repeats.append([acc, p, r, 2 * p * r / (p + r)])
        lines.append((task, teacher, student, *np.mean(repeats, axis=0).round(4), audit_exchanges.AS_PRINTED))
    return pd.DataFrame(lines, columns=["task", "teacher", "student", "acc", "p", "r", "f1", "arrangement"])


# --- the simulated process ---


def test_a_confusion_matrix_comes_back_from_accuracy_and_macro_precision():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 400)
    for rate in (0.02, 0.2, 0.45):
        predicted = np.where(rng.random(800) < rate, 1 - labels, labels)
        predicted[rng.random(800) < 0.1] = 1
        values = classification(labels, predicted)
        tn, fp, fn, tp = confusion_matrix(labels, predicted).ravel()
        assert audit_honest.confusion(values["acc"], values["p"], 800) == (tp, fp, fn, tn)
        # the other class called positive: the same accuracy and macro precision, turned so that R >= P again
        other = classification(1 - labels, 1 - predicted)
        assert audit_honest.confusion(other["acc"], other["p"], 800) == (tp, fp, fn, tn)


def test_no_matrix_is_made_up_for_numbers_that_have_none():
    with pytest.raises(audit_honest.InputError, match="No balanced confusion matrix"):
        audit_honest.confusion(0.8, 0.9, 800)


def test_our_runs_are_whole_matrices_of_balanced_test_sets():
    runs = audit_honest.runs()
    two = runs[runs["task"].isin(audit_honest.TWO_CLASSES)]
    positives, negatives = two["tp"] + two["fn"], two["fp"] + two["tn"]
    assert (positives == negatives).all() and (two["fp"] >= two["fn"]).all()
    np.testing.assert_allclose((two["tp"] + two["tn"]) / (positives + negatives), two["acc"], atol=1e-12)
    assert (runs.groupby("arm")["seed"].nunique() >= 5).all() and runs["acc"].min() >= audit_honest.WORKS


def test_no_published_rows_are_said_in_one_sentence(monkeypatch):
    empty = audit_honest.frame.rows(kind="student").iloc[:0]
    monkeypatch.setattr(audit_honest.frame, "rows", lambda **_: empty)
    with pytest.raises(audit_honest.InputError, match="published rows, and there are none"):
        audit_honest.runs.__wrapped__()


def test_simulated_rows_have_the_precision_and_recall_asked_for(paper_rows):
    drawn = audit_honest.tables(paper_rows, 200, np.random.default_rng(0))
    for metric in ("p", "r"):
        np.testing.assert_allclose(drawn[metric].mean(axis=(0, 2)), paper_rows[metric], atol=0.003)


def test_a_random_fifth_is_hypergeometric():
    """Standard deviation of the positives in 2,000 of 10,000: sqrt(2000 / 4 x 8000 / 9999) = 20.0."""
    drawn = audit_honest.random_division(10_000, 2, (4000,), np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 2000).all() and abs(drawn[:, 0].std() - 20.0) < 1


# --- F1 and exchanged columns ---


def test_thirteen_rows_and_two_overall_rows_are_exchanged(paper_rows):
    """By hand, Table 5, BLOOMZ-1.1B +PKD: 2 x .7621 x .7791 / 1.5412 = .7705, its printed R."""
    counted = paper_rows["arrangement"].value_counts()
    assert dict(counted) == {
        audit_exchanges.AS_PRINTED: 62,
        audit_exchanges.R_AND_F1: 10,
        audit_exchanges.ACC_AND_F1: 3,
    }
    row = one(paper_rows, "hiding", "bloomz-1.1b", "pkd")
    assert (row["r"], row["f1"]) == (0.7791, 0.7705)
    assert one(paper_rows, "hiding", "llama2", "tinybert")["acc"] == 0.7886
    overall = audit_exchanges.rows(overall=True)
    assert sorted(overall.loc[overall["arrangement"].eq(audit_exchanges.R_AND_F1), "task"]) == ["hiding", "thematic"]
    assert set(overall.loc[overall["arrangement"].eq(audit_exchanges.R_AND_F1), "student"]) == {"pkd"}


def test_all_75_f1_are_the_rounded_harmonic_mean_and_those_of_a_described_table_are_not(paper_rows, described):
    agree = [round(2 * p * r / (p + r), 4) == f1 for p, r, f1 in paper_rows[["p", "r", "f1"]].itertuples(index=False)]
    assert sum(agree) == 75
    assert audit_exchanges.agreeing(*(paper_rows[name].to_numpy() for name in ("p", "r", "f1"))).all()
    ours = audit_exchanges.agreeing(*(described[name].to_numpy() for name in ("p", "r", "f1")))
    assert 0 < ours.sum() < 70


def test_exchanged_columns_are_found_where_they_are_put_in():
    plain = pd.Series({"acc": "0.7900", "p": "0.7621", "r": "0.7791", "f1": "0.7705", "acc_param": "1.51e-8"})
    assert audit_exchanges.arrangement("pkd", plain) == audit_exchanges.AS_PRINTED
    assert audit_exchanges.arrangement("pkd", plain.rename({"r": "f1", "f1": "r"})) == audit_exchanges.R_AND_F1
    other = plain.rename({"acc": "f1", "f1": "acc"})
    assert audit_exchanges.arrangement("pkd", other) == audit_exchanges.ACC_AND_F1
    assert audit_exchanges.arrangement("pkd", pd.Series({**plain, "f1": "0.7500"})) == audit_exchanges.NONE


# --- last digits ---


def test_last_digits_of_the_paper(paper_rows):
    """Counted by hand: P ends in 0 in 23 rows and in 5 in 19; chi-square against 7.5 each."""
    columns = audit_digits.by_column(paper_rows).set_index("column")
    counted = [23, 6, 7, 6, 4, 19, 4, 3, 1, 2]
    assert columns.loc["P", list(range(10))].tolist() == counted
    assert columns.loc["P", "chi2"] == pytest.approx(sum((n - 7.5) ** 2 / 7.5 for n in counted))
    assert 1e-11 < columns.loc["P", "p"] < 1e-9 and (columns.loc[["Acc", "R", "F1"], "p"] > 0.1).all()
    students = audit_digits.by_student(paper_rows).set_index("student")["hits"]
    assert students["minillm"] == 15 and students["distilbert"] == 12
    assert audit_digits.by_student(paper_rows).set_index("student")["p"]["minillm"] == pytest.approx(0.2**15)


def test_rounding_to_half_a_thousandth_is_found(described):
    doctored = described.assign(p=(described["p"] * 2000).round() / 2000)
    name = "last digits of P, chi-square (9 df)"
    chances = [audit_digits.tests(rows).set_index("statistic")["chance"][name] for rows in (described, doctored)]
    assert chances[0] > 0.01 and chances[1] < 0.001


# --- R against P and Acc ---


def test_r_minus_p_of_a_block_by_hand(paper_rows):
    """Table 5, PKD: .0170, .0172, .0175, .0175, .0181."""
    block = audit_recall.blocks(paper_rows).set_index(["task", "student"]).loc[("hiding", "pkd")]
    assert block["sd"] == pytest.approx(np.std([0.0170, 0.0172, 0.0175, 0.0175, 0.0181], ddof=1))
    assert audit_recall.signs(paper_rows) == (75, 75)


def test_a_constant_distance_is_found(described):
    doctored = described.assign(r=described["p"] + 0.03)
    plain, constant = (audit_recall.constant_tests(rows)["chance"] for rows in (described, doctored))
    assert (plain > 0.05).all() and constant.max() < 0.01


def test_macro_recall_of_table_6(paper_rows):
    """The least: OPT-6.7B +PKD, .7828 - .7803 = .0025."""
    lines = audit_recall.macro_tests(paper_rows)
    assert lines["paper"].iloc[0] == "25 of 25, 0.0025 to 0.0406"
    assert (lines["chance"].iloc[:2] < 0.002).all()
    assert lines["chance"].iloc[2] < 0.01  # "fewer than 1 in 100 macro averages of ours", the words of the page


def test_a_nearly_balanced_set_passes(described):
    assert (audit_recall.macro_tests(described)["chance"] > 0.05).all()


# --- shares ---


def test_the_share_of_a_confusion_matrix():
    """30 + 20 positives among 100 texts, and 12 among 40."""
    assert audit_share.implied(0.7, 30 / 40, 30 / 50) == pytest.approx(0.5)
    assert audit_share.implied(32 / 40, 10 / 16, 10 / 12) == pytest.approx(0.3)


def test_shares_of_the_paper(paper_rows):
    """By hand, Table 4, OPT-6.7B +QD-LLM: (1 - .8157) / (1 - .8225 (2 - 1 / .7913)) = .1843 / .3944 = .467."""
    shares = audit_share.shares(paper_rows)
    assert one(shares, "emotion", "opt", "quantum")["share"] == pytest.approx(0.1843 / 0.3944, abs=1e-3)
    assert (round(shares["share"].min(), 3), round(shares["share"].max(), 3)) == (0.461, 0.509)
    assert (audit_share.tests(paper_rows)["chance"] < 0.003).all()
    above = shares["r"] - shares["acc"]  # as the page's words say
    assert (above > 0).sum() == 47 and round(100 * above.median(), 1) == 1.7
    assert "47 of 50 rows, by 1.7 points" in audit_share.SHOWS_NOT.replace('" "', "")


def test_one_test_set_passes_and_other_accuracies_are_found(described):
    cases = audit_forensics.worst_cases(audit_share.tests(described))
    assert (cases["chance"] > 0.05).all()
    noise = np.random.default_rng(0).normal(0, 0.006, len(described)).round(4)
    cases = audit_forensics.worst_cases(audit_share.tests(described.assign(acc=described["acc"] + noise)))
    assert (cases["chance"] < 0.003).all()


# --- GRIM ---


@pytest.mark.parametrize("texts", [7, 800, 1000, 1999])
def test_possible_means_are_those_of_an_enumeration(texts):
    """Every count of right answers in five repeats, printed with %.4f and with the half going up."""
    trials = 5 * texts
    printed = {f"{right / trials + nudge:.4f}" for right in range(trials + 1) for nudge in (-1e-9, 1e-9)}
    for step in range(7000, 7400):
        value = f"{step / 10_000:.4f}"
        assert audit_grim.possible(float(value), texts) == (value in printed), value


def test_accuracies_that_table_5_cannot_have(paper_rows):
    """By hand: 5 x 1,000 texts give multiples of .0002, so an odd last digit is impossible."""
    sizes = audit_grim.by_size(paper_rows).set_index("texts")
    odd = paper_rows.loc[paper_rows["task"].eq("hiding"), "acc"].map(lambda value: round(value * 10_000) % 2).sum()
    assert sizes.loc[1000, "impossible"] == odd == 17
    assert sizes.loc[800, "impossible"] == 12 and sizes.loc[2000, "impossible"] == 0
    assert audit_grim.smallest(paper_rows) == 1583


def test_accuracies_on_so_many_texts_are_possible(described):
    right = np.random.default_rng(0).integers(3000, 3500, 25)
    rows = described[described["task"] == "hiding"].assign(acc=(right / 4000).round(4))
    sizes = audit_grim.by_size(rows).set_index("texts")["impossible"]
    assert sizes[800] == 0 and sizes[1000] > 0


# --- all of them ---


def test_a_table_made_as_the_text_says_has_nothing_unexplained(described):
    overall = described.iloc[:0]
    assert audit_forensics.unexplained(audit_forensics.all_tests(described, overall)).empty


def test_a_statistic_counts_by_the_process_that_explains_it_best():
    lines = [("q", "one", 0.3), ("q", "one", 1e-9), ("q", "two", 1e-9), ("q", "two", 1e-4)]
    tests = pd.DataFrame(lines, columns=["question", "statistic", "chance"])
    assert audit_forensics.worst_cases(tests)["chance"].tolist() == [0.3, 1e-4]
    assert audit_forensics.unexplained(tests)["statistic"].tolist() == ["two"]


@pytest.fixture(scope="module")
def forensics() -> audit_forensics.Forensics:
    return audit_forensics.run()


def test_the_page_on_the_paper(forensics):
    odd = audit_forensics.unexplained(forensics.tests)["statistic"].tolist()
    assert "F1 that are the harmonic mean of the printed P and R to four decimals" in odd
    assert "last digits of P, chi-square (9 df)" in odd and "last digits of R, chi-square (9 df)" not in odd
    assert not [statistic for statistic in odd if "five repeats on" in statistic]  # another size explains them
    sentences = audit_forensics.conclusions(forensics)
    assert f"for {len(odd)} the chance is below" in sentences[0]
    assert "R and F1 exchanged in 10 rows and Acc and F1 exchanged in 3 rows" in sentences[1]
    checks = audit_claims.checks()
    verdicts = audit_views.conclusion(checks, forensics).facts["verdicts"]
    assert verdicts == [str(audit_claims.verdict(checks)), *sentences]
    assert audit_views.details(forensics, True).count("<caption>") == 5
    assert audit_views.details(forensics, False).count("<caption>") == 4


def test_the_page_shows_every_statistic_and_what_it_does_not_show(forensics):
    shown = audit_views.tests_table(forensics)
    assert shown.count('scope="row"') == len(forensics.tests)
    assert set(forensics.tests["question"]) == set(audit_forensics.WORDS)
    for table in (audit_views.words_table(), audit_views.exchanges_table(forensics), audit_views.grim_table(forensics)):
        assert "<caption>" in table
    assert "MiniLLM 15 of 15" in audit_views.digits_table(forensics)
    assert "75 of 75 rows" in audit_views.blocks_table(forensics)
    assert len(audit_views.figure(forensics).axes) == 2


def test_the_page_is_the_same_when_made_again(forensics):
    pd.testing.assert_frame_equal(audit_exchanges.tests(forensics.rows, forensics.overall), forensics.tests.iloc[:5])
