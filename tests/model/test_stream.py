"""Predicting a stream: formats, order, memory, and one sentence for a record that cannot be read."""

import csv
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from qdllm_utils.model.stream import predict_file

ROOT = Path(__file__).parents[2]


class Length:
    """A stand-in for a model: says whether a text is longer than ten characters."""

    classes_ = np.array(["short", "long"])

    def predict_proba(self, texts):
        longer = np.array([len(text) > 10 for text in texts], float)
        return np.stack([1 - longer, longer], axis=1)


TEXTS = ["tiny", "rather a long one", "with, a comma and\na line", 'a "quote" in it', "ünï", "the end of it all"]
LABELS = ["short", "long", "long", "long", "short", "long"]


def test_csv_keeps_columns_quotes_and_order(tmp_path):
    with open(tmp_path / "in.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *([str(i), text] for i, text in enumerate(TEXTS))])
    assert predict_file(Length(), str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), batch_size=4) == 6
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [row["text"] for row in rows] == TEXTS and [row["id"] for row in rows] == list("012345")
    assert [row["prediction"] for row in rows] == LABELS and rows[0]["probability"] == "1.000000"


def test_jsonl_in_and_out_and_to_csv(tmp_path):
    lines = [{"body": text, "n": i} for i, text in enumerate(TEXTS)]
    with gzip.open(tmp_path / "in.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(json.dumps(line) for line in lines))
    predict_file(Length(), str(tmp_path / "in.jsonl.gz"), str(tmp_path / "out.jsonl"), text_column="body")
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [{"body": row["body"], "n": row["n"]} for row in found] == lines
    assert [row["prediction"] for row in found] == LABELS
    predict_file(Length(), str(tmp_path / "in.jsonl.gz"), str(tmp_path / "out.tsv"), text_column="body")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.tsv").read_text()), delimiter="\t"))
    assert [row["body"] for row in rows] == TEXTS and [row["prediction"] for row in rows] == LABELS


def test_text_lines_give_a_line_each(tmp_path):
    (tmp_path / "in.txt").write_bytes("tiny\r\n\nrather a long one".encode("utf-8-sig"))
    predict_file(Length(), str(tmp_path / "in.txt"), str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_text() == "short\n\nlong\n"


def test_many_lines_in_bounded_memory_and_in_order(tmp_path):
    source, target, lines = tmp_path / "in.txt", tmp_path / "out.txt", 200_000
    with open(source, "w") as file:
        file.writelines(f"{'a text that is long' if number % 3 else 'x'} {number}\n" for number in range(lines))
    tracemalloc.start()
    assert predict_file(Length(), str(source), str(target)) == lines
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < source.stat().st_size / 2 and peak < 3_000_000
    with open(target) as file:
        for number, line in enumerate(file):
            assert line == ("long\n" if number % 3 else "short\n")


def test_standard_input_to_standard_output_and_a_reader_that_goes_away(distilled, tmp_path):
    folder = distilled.save(tmp_path / "model", "tfidf")
    code = "import sys; from qdllm_utils.model import load; from qdllm_utils.model.stream import predict_file\n"
    code += "print(predict_file(load(sys.argv[1])), file=sys.stderr)"
    command = [sys.executable, "-c", code, str(folder)]
    texts = [" ".join(text.split()) for text in distilled.data.part("test")]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(texts), capture_output=True, text=True)
    assert done.stdout.splitlines() == distilled.classifier("tfidf").predict(texts).tolist()
    assert done.stderr.strip() == str(len(texts))  # and no progress bar, for this is no terminal
    shell = f"yes 'the team won the match' | head -n 40000 | '{sys.executable}' -c '{code}' '{folder}' | head -n 1"
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 1 and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "mentions"),
    [
        ("a.csv", b"id,words\n1,a\n", ("one column 'text'", "id, words")),
        ("a.csv", b"text,prediction\na,b\n", ("column 'prediction' already",)),
        ("a.csv", b"id,text\n1,a,b\n", ("line 2", "3 values for 2")),
        ("a.csv", b'id,text\n1,a\n2,"open\n3,b\n', ("quote is not closed",)),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', ("line 2", "not JSON")),
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', ("line 2", "'text'")),
        ("a.txt", b"fine\n\xff\xfe\n", ("not utf-8", "encoding")),
        ("a.docx", b"PK", ("ends in none of",)),
        ("a.txt.gz", gzip.compress(b"a line\n" * 9000)[:-20], ("damaged",)),
    ],
)
def test_what_cannot_be_read_is_one_sentence_and_no_file(name, content, mentions, tmp_path, refused):
    (tmp_path / name).write_bytes(content)
    with refused(*mentions):
        predict_file(Length(), str(tmp_path / name), str(tmp_path / "out.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_input_and_output_must_differ(tmp_path, refused):
    (tmp_path / "a.txt").write_text("a\n")
    with refused("same file"):
        predict_file(Length(), str(tmp_path / "a.txt"), str(tmp_path / "a.txt"))
    with refused("There is no file"):
        predict_file(Length(), str(tmp_path / "b.txt"), str(tmp_path / "c.txt"))
