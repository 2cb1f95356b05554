"""A user's file: every kind of fault in a sentence or the same corpus with a notice, never fewer texts in silence."""

import csv
import gzip
import io
import json
import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qdcircuits.errors import InputError
from qdllm_utils.texts import own_file_words as words
from qdllm_utils.texts import sources
from qdllm_utils.texts.own_file import OwnTexts, read_own_file
from qdllm_utils.texts.own_file_labels import SMALLEST

CASES = Path(os.environ.get("QDLLM_CASES") or Path(__file__).parents[3] / "shared" / "cases") / "texts"
TEXTS = [f"text number {n} {('bad', 'good')[n % 2]}" for n in range(40)]
NAMES = ["ab"[n % 2] for n in range(40)]


def write(folder: Path, content: str | bytes, name: str = "own.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def rows_of(own: OwnTexts) -> list[tuple[str, str]]:
    return [(text, own.classes[label]) for text, label in zip(own.texts, own.labels, strict=True)]


def table(texts=TEXTS, names=NAMES, header="text,label", sign=",", end="\n") -> str:
    return end.join([header, *(f"{text}{sign}{name}" for text, name in zip(texts, names, strict=True))]) + end


def told(own: OwnTexts, *mentions: str) -> None:
    said = " ".join(own.notices)
    for mention in mentions:
        assert mention in said


# --- the shared cases -------------------------------------------------------------------------------------

WORKS = {
    "bom.csv": ("byte order mark",),
    "trailing_blank_row_excel.csv": ("2 empty rows", "42, 43"),
    "semicolon.csv": ("semicolon",),
    "tab.csv": ("tab",),
    "sep_line_excel.csv": ("sep=", "comma"),
    "header_case.csv": ("'Text'", "'Label'"),
    "header_spaces.csv": ("'text '", "'label '"),
    "rows.jsonl": ("JSON",),
    "rows.csv.gz": ("gz",),
    "utf16.csv": ("UTF-16",),
    "label_case.csv": ("'a' (10), 'A' (10)", "'b' (10), 'B' (10)"),
    "label_zwsp.csv": ("'a' (10), 'a\\u200b' (10)",),
    "label_nbsp.csv": ("look the same", "(10)"),
}
REFUSED = {
    "cp1252.csv": ("cp1252", "encoding=", "line 2"),
    "no_header.csv": ("first row looks like data", "text,label"),
    "missing_label.csv": ("line 12", "label is empty", "fill it in"),
    "label_float_unique_regression.csv": ("240 different numbers", "quantity", "bins"),
    "five_per_class.csv": ("'a' has 5 texts", "at least 8", "add texts"),
    "one_small_class.csv": ("'c' has 1 text;", "at least 8"),
    "contradictions_all.csv": ("40 texts carry two labels", "line 2", "line 3"),
    "dup_header_label.csv": ("label stands twice",),
    "unclosed_quote.csv": ("line 2", "never closed"),
    "swallow.csv": ("line 12", "opens here", "line 43"),
    "backslash_escape.csv": ("line 2", "opens here", "backslash"),
    "nan_label.csv": ("'NaN' (3 rows)", "'None' (3 rows)", "line 42"),
    "zero_width_texts.csv": ("no visible character", "line 2", "40 such rows"),
}


def case(name: str) -> str:
    if not (CASES / name).is_file():
        pytest.skip(f"the shared cases are not in {CASES}")
    return str(CASES / name)


@pytest.mark.parametrize("name", WORKS)
def test_a_shared_file_gives_the_plain_corpus_and_says_what_was_assumed(name):
    own = read_own_file(case(name))
    assert rows_of(own) == list(zip(TEXTS, NAMES, strict=True))
    told(own, *WORKS[name])


@pytest.mark.parametrize("name", REFUSED)
def test_a_shared_file_is_refused_in_a_sentence(refused, name):
    with refused(name, *REFUSED[name]):
        read_own_file(case(name))


def test_the_other_shared_files_keep_every_text():
    mixed = read_own_file(case("label_0_1.0_mixed.csv"))
    assert mixed.classes == ("0", "1") and mixed.texts == tuple(TEXTS)
    told(mixed, "'0.0' (10), '0' (10)")
    several = read_own_file(case("multilabel.csv"))
    assert several.classes == ("a", "a,b", "b") and np.bincount(several.labels).tolist() == [20, 20, 20]
    told(several, "several labels", "'a,b'")
    lines = read_own_file(case("quoted_newlines.csv"))
    assert lines.texts[7] == 'line one 7\nline two, with "quotes"' and len(lines.texts) == 40 and not lines.notices
    tickets = read_own_file(case("tickets7.csv"))
    counts = dict(zip(tickets.classes, np.bincount(tickets.labels).tolist(), strict=True))
    frame = pandas.read_csv(case("tickets7.csv"))
    assert counts == frame["label"].value_counts().to_dict() and counts["praise"] == 8
    assert read_own_file(case("stars.csv")).classes == ("1", "2", "3", "4", "5")


# --- round trips ------------------------------------------------------------------------------------------

PIECE = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8) | st.sampled_from(
    ['"', '""', 'he said "no",\nand left', ",", ";", "\t", "\r\n", "'", "''", "\\", '\\"', "|", "a,x\n"]
)
LISTS = st.lists(PIECE, min_size=16, max_size=20)


def numbered(pieces: list[str]) -> list[tuple[str, str]]:
    """Rows that stay apart when case and spacing are ignored, of the classes north and south."""
    return [(f"{n}: {piece}{n}", ("north", "south")[n % 2]) for n, piece in enumerate(pieces)]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=LISTS,
    sign=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    order=st.permutations(["text", "label", "id"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "gb18030"]),
    packed=st.booleans(),
)
def test_a_csv_in_any_dialect_gives_the_rows_that_were_written(
    tmp_path_factory, pieces, sign, quoting, end, order, encoding, packed
):
    rows = numbered(pieces)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=sign, quoting=quoting, lineterminator=end)
    writer.writerow(order)
    for number, (text, name) in enumerate(rows):
        writer.writerow([{"text": text, "label": name, "id": number}[column] for column in order])
    raw = buffer.getvalue().encode(encoding)
    path = write(tmp_path_factory.mktemp("csv"), gzip.compress(raw) if packed else raw)
    own = read_own_file(path, encoding=encoding if encoding == "gb18030" else None)
    assert rows_of(own) == rows and own.rows == len(rows) and not own.dropped


@settings(deadline=None, max_examples=60)
@given(pieces=LISTS, kind=st.sampled_from(["lines", "list", "pandas", "parquet", "tsv"]))
def test_other_formats_give_the_rows_that_were_written(tmp_path_factory, pieces, kind):
    rows, folder = numbered(pieces), tmp_path_factory.mktemp("other")
    frame = pandas.DataFrame(rows, columns=["text", "label"])
    if kind == "lines":
        path = write(folder, "\n".join(json.dumps({"text": t, "label": n}) for t, n in rows), "own.jsonl")
    elif kind == "list":
        path = write(folder, json.dumps([{"text": t, "label": n} for t, n in rows], ensure_ascii=False), "own.json")
    elif kind == "parquet":
        pytest.importorskip("pyarrow")
        path = str(folder / "own.parquet")
        frame.to_parquet(path)
    else:
        path = str(folder / f"own.{kind}")
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",", lineterminator="\n")
    own = read_own_file(path)
    assert rows_of(own) == rows
    plain = write(folder, frame.to_csv(index=False, lineterminator="\n"), "plain.csv")
    assert own.fingerprint == read_own_file(plain).fingerprint


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=LISTS,
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    remove=st.booleans(),
    data=st.data(),
)
def test_one_quote_too_many_or_too_few_is_never_silent(tmp_path_factory, pieces, quoting, end, remove, data):
    rows = numbered(pieces)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=quoting, lineterminator=end)
    writer.writerows([("text", "label"), *rows])
    content = buffer.getvalue()
    folder = tmp_path_factory.mktemp("fault")
    sound = read_own_file(write(folder, content))
    marks = [place for place, sign in enumerate(content) if sign == '"']
    if remove and marks:
        place = data.draw(st.sampled_from(marks))
        spoilt = content[:place] + content[place + 1 :]
    else:
        place = data.draw(st.integers(0, len(content)))
        spoilt = content[:place] + '"' + content[place:]
    try:
        own = read_own_file(write(folder, spoilt, "spoilt.csv"))
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith("spoilt.csv")
        return
    assert len(own.texts) + len(own.dropped) == len(rows)
    assert rows_of(own) == rows or own.notices != sound.notices or "unpaired" in " ".join(own.notices)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=LISTS, order=st.permutations(["text", "label"]), data=st.data())
def test_one_separator_or_line_end_lost_between_values_is_never_silent(tmp_path_factory, pieces, order, data):
    rows = numbered(pieces)
    cells = [sign for _ in rows for sign in (",", "\n")]
    cells[data.draw(st.integers(0, len(cells) - 1))] = ""
    written = []
    for number, (text, name) in enumerate(rows):
        values = [{"text": '"' + text.replace('"', '""') + '"', "label": name}[column] for column in order]
        written.append(values[0] + cells[2 * number] + values[1] + cells[2 * number + 1])
    path = write(tmp_path_factory.mktemp("fault"), ",".join(order) + "\n" + "".join(written))
    try:
        own = read_own_file(path)
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith("own.csv")
        return
    assert rows_of(own) == rows  # only the last line end is none that is missed


@pytest.mark.parametrize("opened", [1, 5, 20])
@pytest.mark.parametrize("order", [("text", "label"), ("label", "text"), ("id", "label", "text")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quote_that_meets_another_one_at_a_values_end_is_found(refused, tmp_path, opened, order, end):
    """Strict CSV sees nothing here: the quote of one row closes at an inch mark at the end of another's text."""
    lines = [",".join(order)]
    for number in range(40):
        text = f"row {number} fine"
        text = f'"{text}' if number == opened else f'{text} 5"' if number == opened + 9 else text
        lines.append(",".join({"text": text, "label": NAMES[number], "id": str(number)}[name] for name in order))
    path = write(tmp_path, end.join(lines) + end)
    with refused(f"line {opened + 2}:", "rows of their own", f"line {opened + 11}"):
        read_own_file(path)


def test_a_text_over_several_lines_with_commas_is_no_swallowed_row(tmp_path):
    texts = [f"Dear {n},\nthanks for the parcel, a b\nyours, C" for n in range(20)]
    frame = pandas.DataFrame({"text": texts, "label": ["a", "b"] * 10})
    path = tmp_path / "letters.csv"
    frame.to_csv(path, index=False)
    assert read_own_file(str(path)).texts == tuple(texts)


def test_a_long_text_is_no_fault_of_quotes_and_leaves_the_csv_modules_limit_alone(tmp_path):
    before = csv.field_size_limit()
    texts = [f"{n} " + "word " * 40_000 for n in range(16)]
    own = read_own_file(write(tmp_path, table([f'"{text}"' for text in texts], NAMES[:16])))
    assert own.texts == tuple(text.strip() for text in texts) and csv.field_size_limit() == before


# --- header, separator, encoding ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["TEXT,LABEL", " text ,label ", "\ufefftext,label", "te\u200bxt,label\xa0", "Text , Label"]
)
def test_a_header_that_differs_in_nothing_visible_is_the_header(tmp_path, header):
    assert rows_of(read_own_file(write(tmp_path, table(header=header)))) == list(zip(TEXTS, NAMES, strict=True))


def test_columns_and_separator_can_be_given(refused, tmp_path):
    path = write(tmp_path, table(header="body~kind", sign="~"))
    with refused("own.csv must have the columns text and label", "body~kind", "text_column"):
        read_own_file(path)
    assert len(read_own_file(path, "body", "kind", "~").texts) == 40
    with refused("body", "missing", "columns"):
        read_own_file(path, "body", "missing", "~")
    with refused("separator is 'ab'", "comma, semicolon, tab, bar"):
        read_own_file(path, separator="ab")
    assert len(read_own_file(write(tmp_path, table(sign="\t", header="text\tlabel")), separator="tab").texts) == 40


def test_a_column_that_means_the_same_is_taken_and_said_unless_there_are_two(refused, tmp_path):
    told(read_own_file(write(tmp_path, table(header="Review,sentiment"))), "'Review' is taken", "'sentiment' is taken")
    two = "review,comment,label\n" + "".join(f"x {n},y {n},{'ab'[n % 2]}\n" for n in range(40))
    with refused("no column text", "'review', 'comment'", "text_column"):
        read_own_file(write(tmp_path, two))
    assert read_own_file(write(tmp_path, two), text_column="comment").texts[0] == "y 0"


@pytest.mark.parametrize("header", ["text,text,label", "text,label,Label", "label,text, label "])
def test_a_column_that_stands_twice_is_refused(refused, tmp_path, header):
    with refused("stands twice"):
        read_own_file(write(tmp_path, table([f"{text},x" for text in TEXTS], header=header)))


def test_a_repeated_column_that_nobody_reads_is_no_fault(tmp_path):
    assert (
        len(read_own_file(write(tmp_path, table([f"{t},x" for t in TEXTS], header="text,note,label")[:])).texts) == 40
    )
    path = write(tmp_path, table([f"{t},x,y" for t in TEXTS], header="text,note,note,label"))
    assert len(read_own_file(path).texts) == 40


@pytest.mark.parametrize(
    ("rows", "mentions"),
    [
        ("first, second,y\n", ("line 42", "more values than columns")),
        ("only a text\n", ("line 42", "label is empty")),
        (",y\n", ("line 42", "text is empty")),
        ("\u200b\u2060,y\n", ("line 42", "no visible character")),
        ("x,\u200b\n", ("line 42", "label is empty")),
        ("x,nan\n", ("line 42", "'nan' (1 row)")),
        ("x,<NA>\n", ("line 42", "missing value")),
        ("x,NA\n", ("line 42", "missing value")),
        ("text,label\n", ("line 42", "comes again")),
        ('x,"a\nb"\n', ("line 42", "more than one line")),
        ('"x"y,a\n', ("line 42", "opens here")),
        ('z\n"open,a\n', ("line 43", "never closed")),
    ],
    ids=str,
)
def test_a_faulty_row_is_named_with_its_line(refused, tmp_path, rows, mentions):
    with refused("own.csv", *mentions):
        read_own_file(write(tmp_path, table() + rows))


@pytest.mark.parametrize("blank", ["\n", ",\n", " , \n", "\u200b,\n", "\x1a", '"",""\n', "\xa0,\xa0\n"])
def test_blank_rows_are_counted_and_left_out(tmp_path, blank):
    own = read_own_file(write(tmp_path, table() + blank))
    assert own.texts == tuple(TEXTS)
    told(own, *([] if blank == "\n" else ["1 empty row", "42"]))


def test_trailing_separators_lose_nothing(tmp_path):
    own = read_own_file(write(tmp_path, table([*TEXTS], [f"{name},," for name in NAMES], "text,label,,")))
    assert own.texts == tuple(TEXTS)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_bytes_are_refused_with_the_guess_and_read_when_it_is_given(refused, tmp_path, encoding):
    texts = [f"très café {n}" for n in range(40)]
    path = write(tmp_path, table(texts).encode(encoding))
    with refused("not UTF-8 (line 2)", "cp1252", "encoding="):
        read_own_file(path)
    assert read_own_file(path, encoding=encoding).texts == tuple(texts)


def test_an_encoding_that_does_not_fit_or_exist_is_refused_and_a_doubtful_one_said(refused, tmp_path):
    path = write(tmp_path, table([f"grün {n}" for n in range(40)]))
    with refused("Unknown encoding 'utf-99'"):
        read_own_file(path, encoding="utf-99")
    with refused("not ascii (line 2)"):
        read_own_file(path, encoding="ascii")
    told(read_own_file(path, encoding="cp1252"), "also valid UTF-8", "look like UTF-8")
    with refused("damaged", "line 3"):
        read_own_file(write(tmp_path, (table([f"grün {n}" for n in range(40)])).encode().replace(b"\xbcn 1,", b"n 1,")))


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        (b"", ("columns text and label", "none")),
        (b"text,label\n", ("0 rows", "two classes")),
        (b"PK\x03\x04rest", ("Excel", "CSV")),
        (b"version https://git-lfs.github.com/spec/v1\n", ("git lfs pull",)),
        (b"<!DOCTYPE html><html>", ("web page",)),
        (gzip.compress(table().encode(), mtime=0)[:-20], ("damaged", ".gz")),
        (b"PAR1 but not really", ("Parquet",)),
        (b"text,label\na\0b,c\n", ("zero bytes",)),
        (b'{"text": "a", "label": "x"}\n{"text": "b"\n', ("line 2", "JSON")),
        (b'{"text": "a", "label": "x", "label": "y"}\n', ("line 1", "'label' stands twice")),
        (b'{"text": "a", "label": "x"}\n["b", "y"]\n', ("line 2", "list")),
        (b'{"text": {"a": 1}, "label": "x"}\n', ("line 1", "dict")),
        (b'{"text": "\\ud83d", "label": "x"}\n', ("line 1", "surrogate")),
        (b'{"text": "a"}\n', ("columns text and label",)),
        (b"text,label\n" + b"".join(b"t%d,same\n" % n for n in range(20)), ("20 rows", "two classes", "'same'")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_table_is_refused(refused, tmp_path, content, mentions):
    with refused("own.csv", *mentions):
        read_own_file(write(tmp_path, content))


def test_a_path_that_leads_nowhere_is_refused(refused, tmp_path):
    with refused("absent.csv"):
        read_own_file(str(tmp_path / "absent.csv"))
    with refused("is a folder"):
        read_own_file(str(tmp_path))
    with refused("path", "empty"):
        read_own_file("")


def test_parquet_without_pyarrow_says_what_to_install(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with refused("own.csv", "pip install pyarrow"):
        read_own_file(write(tmp_path, b"PAR1 whatever PAR1"))


# --- labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "twin",
    ["A", "a\u200b", "a\xa0", " a", "a\u2060", "\ufeffa", "\u0430", "a\t", "\uff41", "\u202aa\u202c"],
    ids=ascii,
)
def test_labels_that_look_the_same_are_one_class_and_listed(tmp_path, twin):
    names = [twin if n % 8 == 0 else name for n, name in enumerate(NAMES)]
    own = read_own_file(write(tmp_path, table(names=[f'"{name}"' for name in names])))
    assert rows_of(own) == list(zip(TEXTS, NAMES, strict=True))
    told(own, "look the same", "(15)", "(5)")


@pytest.mark.parametrize(
    ("one", "other"),
    [("café", unicodedata.normalize("NFD", "café")), ("0", "0.0"), ("2", "2."), ("Straße", "STRASSE"), ("x  y", "x y")],
)
def test_normal_forms_numbers_and_inner_spaces_are_joined(tmp_path, one, other):
    names = [(one, "z", other, "z")[n % 4] for n in range(40)]
    own = read_own_file(write(tmp_path, table(names=names)))
    assert len(own.classes) == 2 and np.bincount(own.labels).tolist() == [20, 20]
    told(own, "look the same")


@pytest.mark.parametrize("pair", [("1", "10"), ("01", "1"), ("-1", "1"), ("a b", "ab"), ("да", "нет"), ("0.5", "0")])
def test_labels_that_look_different_stay_apart(tmp_path, pair):
    own = read_own_file(write(tmp_path, table(names=[pair[n % 2] for n in range(40)])))
    assert set(own.classes) == set(pair) and not own.notices


def test_a_capital_of_another_alphabet_in_a_latin_word_is_joined(tmp_path):
    names = [("HAPPY", "z", "\u041dAPPY", "z")[n % 4] for n in range(40)]
    assert read_own_file(write(tmp_path, table(names=names))).classes == ("HAPPY", "z")


def test_lists_of_labels_in_json_are_classes_of_their_own_and_noticed(tmp_path):
    rows = [{"text": text, "label": (["a"], ["b"], ["a", "b"])[n % 3]} for n, text in enumerate(TEXTS)]
    own = read_own_file(write(tmp_path, "\n".join(map(json.dumps, rows)), "own.jsonl"))
    assert own.classes == ("a", "a,b", "b")
    told(own, "several labels")


def test_values_of_json_and_parquet_that_are_no_words_become_plain_labels(tmp_path):
    for values, classes in (((True, False), ("false", "true")), ((1.0, 2.0), ("1", "2")), ((0, 1), ("0", "1"))):
        rows = [{"text": text, "label": values[n % 2]} for n, text in enumerate(TEXTS)]
        assert read_own_file(write(tmp_path, "\n".join(map(json.dumps, rows)), "own.jsonl")).classes == classes


def test_damaged_letters_and_missing_texts_are_noticed(tmp_path):
    odd = ["caf\ufffd", "cafÃ©", "nan", 'a 5" pipe']
    told(
        read_own_file(write(tmp_path, table([*odd, *TEXTS[4:]]))),
        "in 1 text",
        "1 text look like UTF-8",
        "1 text read nan",
        'unpaired " (first: line 5)',
    )


def test_numeric_classes_stand_in_the_order_of_their_numbers(tmp_path):
    names = [str((10, 9, 2)[n % 3]) for n in range(40)]
    assert read_own_file(write(tmp_path, table(names=names))).classes == ("2", "9", "10")


def test_none_as_a_class_is_kept_and_asked_about(tmp_path):
    told(read_own_file(write(tmp_path, table(names=["none", "b"] * 20))), "'none' (20 rows)", "or no label")


@pytest.mark.parametrize("step", [1, 0.25, 0.1])
def test_a_quantity_is_no_class(refused, tmp_path, step):
    names = [f"{n * step:.3f}" for n in range(40)]
    with refused("40 different numbers", "quantity"):
        read_own_file(write(tmp_path, table(names=names)))


def test_a_label_of_its_own_for_each_row_asks_for_the_columns(refused, tmp_path):
    with refused("40 different labels", "text_column and label_column"):
        read_own_file(write(tmp_path, table(TEXTS, [f"id {n}" for n in range(40)])))


@pytest.mark.parametrize("names", [("a|b", "a", "b"), ("x;y", "y;z", "w"), ("['a']", "['b']", "['a'; 'b']")])
def test_labels_that_look_like_several_are_noticed(tmp_path, names):
    own = read_own_file(write(tmp_path, table(names=[names[n % 3] for n in range(40)])))
    assert set(own.classes) == set(names)
    told(own, "several labels")


def test_the_smallest_class_has_three_texts_outside_training_in_every_split():
    """Eight is the fewest: with seven, a split of some corpus leaves two texts to validate and test with."""

    def fewest(small: int) -> list[int]:
        counts = []
        for classes in range(2, 9):
            for large in (small, small + 1, 37):
                labels = np.append(np.repeat(np.arange(classes), small), [classes] * large)
                parts = sources.split(labels, classes).values()
                counts += zip(*(np.bincount(labels[rows], minlength=classes)[:classes] for rows in parts), strict=True)
        return [min(v + t for _, v, t in counts), min(v for _, v, _ in counts), min(t for *_, t in counts)]

    assert fewest(SMALLEST) == [3, 1, 1] and fewest(SMALLEST - 1)[0] == 2


# --- cleaning ---------------------------------------------------------------------------------------------


def test_every_dropped_row_is_counted_with_its_line_and_reason(tmp_path):
    content = table() + "Text  NUMBER 0 bad,a\ntext number 1\u200b good,b\ntext number 2 bad,b\nnew,a\n"
    own = read_own_file(write(tmp_path, content))
    assert [drop.place for drop in own.dropped] == [4, 42, 43, 44]
    assert "line 2 again" in own.dropped[1].reason and "line 44" in own.dropped[0].reason
    assert own.rows == 44 == len(own.texts) + len(own.dropped)
    assert (own.duplicates, own.contradictions) == (3, 1)
    assert own.places.tolist() == [2, 3, *range(5, 42), 45]
    told(own, "4 of 44 rows are not used")


ROWS = st.lists(
    st.tuples(st.sampled_from(["p", "q", "P ", "r\u200b", "r", "s"]), st.sampled_from(["a", "b"])), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(extra=ROWS)
def test_cleaning_agrees_with_the_projects_own_and_accounts_for_every_row(tmp_path_factory, extra):
    rows = [*zip(TEXTS, NAMES, strict=True), *extra]
    path = write(tmp_path_factory.mktemp("clean"), table(*zip(*rows, strict=True)))
    own = read_own_file(path)
    seen = [(text.replace("\u200b", ""), name) for text, name in rows]
    kept, duplicates, contradictions = sources.clean(seen)
    assert [(text.replace("\u200b", ""), name) for text, name in rows_of(own)] == kept
    assert (own.duplicates, own.contradictions) == (duplicates, contradictions)
    assert len(own.texts) + len(own.dropped) == own.rows == len(rows)


def test_every_invisible_character_is_known():
    """All format and control characters of the Unicode data, but for the Arabic and Kaithi signs that are seen."""
    seen = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    hidden = [
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cf", "Cc", "Zs", "Zl", "Zp") and code not in seen
    ]
    assert [hex(code) for code in hidden if words.visible(chr(code))] == []
    assert all(map(words.visible, ["a", ".", "😀", "一", "\u0600", "́"]))
    assert not words.visible("\u3164\u2800\u115f\ufe0f")


# --- probabilities and rows without a label ------------------------------------------------------------------


def with_probabilities(rows: int = 40, header: str = "text,label,p_a,p_b", sign: str = ",", comma: bool = False) -> str:
    lines = [header]
    for n in range(rows):
        a = 0.9 if n % 2 == 0 else 0.25
        values = [f"{a:.2f}", f"{1 - a:.2f}"]
        values = [value.replace(".", ",") for value in values] if comma else values
        lines.append(sign.join([TEXTS[n], NAMES[n], *values]))
    return "\n".join(lines) + "\n"


def test_columns_of_probabilities_are_read_in_the_order_of_the_classes(tmp_path):
    content = with_probabilities(header="text,label,P_B ,p_a") + "free,,0.5,0.5\ntext number 1 good,,.5,.5\n"
    own = read_own_file(write(tmp_path, content))
    assert own.probabilities.shape == (40, 2) and own.probabilities[0].tolist() == pytest.approx([0.1, 0.9])
    assert own.unlabelled == ("free",) and own.unlabelled_probabilities.tolist() == [[0.5, 0.5]]
    assert own.dropped[0].place == 43
    told(own, "Probabilities of 2 classes", "Without a label")


def test_decimal_commas_are_read_where_the_separator_is_another(tmp_path):
    own = read_own_file(write(tmp_path, with_probabilities(header="text;label;p_a;p_b", sign=";", comma=True)))
    assert own.probabilities[1].tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize(
    ("row", "mentions"),
    [
        ("new,a,0.9,0.3", ("line 42", "sum to 1.2")),
        ("new,a,90,10", ("line 42", "p_a", "'90'", "0 to 1")),
        ("new,a,-0.1,1.1", ("line 42", "p_a", "'-0.1'")),
        ("new,a,nan,1", ("line 42", "p_a", "'nan'")),
        ("new,a,inf,0", ("line 42", "p_a", "'inf'")),
        ("new,a,high,low", ("line 42", "p_a", "'high'")),
        ("new,a,,1", ("line 42", "p_a", "is empty")),
        ("new,a,,", ("line 42", "no probabilities")),
        ("new,,,", ("line 42", "neither a label nor probabilities")),
    ],
)
def test_what_is_no_distribution_is_refused(refused, tmp_path, row, mentions):
    with refused("own.csv", *mentions):
        read_own_file(write(tmp_path, with_probabilities() + row + "\n"))


@pytest.mark.parametrize(
    ("header", "mentions"),
    [
        ("text,label,p_a,p_c", ("no column p_b",)),
        ("text,label,p_a,note", ("no column p_b",)),
        ("text,label,p_a,P_A", ("p_a stands twice",)),
    ],
)
def test_every_class_needs_its_column(refused, tmp_path, header, mentions):
    with refused("own.csv", *mentions):
        read_own_file(write(tmp_path, with_probabilities(header=header)))


def test_a_column_named_like_a_probability_of_no_class_is_left_alone_and_said(tmp_path):
    own = read_own_file(write(tmp_path, with_probabilities(header="text,label,p_value,note")))
    assert own.probabilities is None
    told(own, "p_value are not read")


def test_rounded_probabilities_are_divided_by_their_sum(tmp_path):
    own = read_own_file(write(tmp_path, with_probabilities() + "new,a,0.33,0.66\n"))
    assert own.probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    told(own, "1 rows were divided")


def test_rows_without_a_label_are_used_only_when_asked_for(refused, tmp_path):
    path = write(tmp_path, table() + "free,\nalso free,nan\ntext number 3 good,\n")
    with refused("line 43", "'nan'"):
        read_own_file(path)
    own = read_own_file(path, unlabelled=True)
    assert own.unlabelled == ("free", "also free") and own.probabilities is None and len(own.texts) == 40
    assert [drop.place for drop in own.dropped] == [44]


# --- as a source ------------------------------------------------------------------------------------------


def test_a_source_takes_every_text_of_an_own_file_at_any_scale(tmp_path):
    from dataclasses import replace

    from qdllm_utils.config import SCALES

    path = write(tmp_path, table())
    corpus = sources.Source("emotion", replace(SCALES["cpu"], max_texts=20), path=path).corpus
    assert corpus.texts == tuple(TEXTS) and corpus.classes == ("a", "b") and corpus.title == "own"


def test_an_empty_path_is_refused_and_no_demo(refused):
    from qdllm_utils.config import SCALES

    source = sources.Source("emotion", SCALES["demo"], path="")
    with refused("path", "empty"):
        _ = source.fingerprint


def test_the_fingerprint_is_that_of_the_rows_and_changes_with_them(tmp_path):
    plain = read_own_file(write(tmp_path, table()))
    assert (
        read_own_file(write(tmp_path, table(sign=";", header="text;label", end="\r\n"))).fingerprint
        == plain.fingerprint
    )
    changed = {
        read_own_file(write(tmp_path, content)).fingerprint
        for content in (table(["x", *TEXTS[1:]]), table(names=NAMES[::-1]), table() + "more,a\n", with_probabilities())
    }
    assert len(changed | {plain.fingerprint}) == 5
