"""The paper's numbers: in the CSV as in its text, typed nowhere else, and read as intervals."""

import json
import os
import re
from pathlib import Path

import pytest

from qdllm_utils.config import TASKS
from qdllm_utils.show import paper
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("QDLLM_DATA") or ROOT.parent / "shared" / "data")
NAMES = {"tinybert": "+TinyBERT", "minillm": "+MiniLLM", "distilbert": "+DistilBERT", "pkd": "+PKD", "quantum": "+Ours"}
TEACHERS = ("BLOOMZ-1.1B", "BLOOMZ-3B", "OPT-6.7B", "LLaMA2-7B", "LLaMA3-8B")
LOSSES = {"ce": "CE", "kl": "KL", "js": "JS", "all": "KL+JS+CE (Full QD-LLM)"}
METRICS = ("acc", "p", "r", "f1", "acc_param", "acc_tkd")


@pytest.fixture(scope="module")
def text() -> str:
    """The paper's text without the asterisks of its tables, or a skip."""
    found = list((DATA.parent / "paper").glob("*.txt"))
    if len(found) != 1:
        pytest.skip("the paper's text is not in ../shared/paper beside the checkout")
    return found[0].read_text(encoding="utf-8").replace("*", "")


@pytest.fixture(scope="module")
def lines(text) -> list[list[str]]:
    """The cells of each line of its tables."""
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]


def section(lines, first: str, last: str) -> list[list[str]]:
    """The table lines from the one that starts with `first` up to the one that starts with `last`."""
    starts = [number for number, line in enumerate(lines) if line[0] == first and "Acc/Tkd" in line]
    start = starts[0]
    end = next((number for number in range(start + 1, len(lines)) if lines[number][0] == last), len(lines))
    return lines[start + 1 : end]


def test_tables_4_to_6_are_copied_line_by_line(lines):
    titles = [task.title for task in TASKS.values()]
    for task, after in zip(TASKS.values(), [*titles[1:], "CE"], strict=True):
        block = section(lines, task.title, after)
        teacher = ""
        seen = 0
        for line in block:
            name = next((cell for cell in line[:2] if cell.startswith("+")), None)
            teacher = line[0] if line[0] in TEACHERS else teacher
            if name is None:
                continue
            student = next(key for key, value in NAMES.items() if value == name)
            numbers = [cell for cell in line[line.index(name) + 1 :] if cell]
            key = PAPER_TEACHERS[TEACHERS.index(teacher)]
            assert numbers == [paper.compression(task.name, key, student, metric) for metric in METRICS]
            seen += 1
        assert seen == 25
        overall = block[next(number for number, line in enumerate(block) if line[0] == "Overall") + 1 :]
        for line in overall[:5]:
            student = next(key for key, value in NAMES.items() if value == f"+{line[0]}")
            expected = [paper.compression(task.name, "overall", student, metric) for metric in ("proportion", *METRICS)]
            assert line[1:] == expected


def test_tables_1_2_3_and_7_are_copied_line_by_line(lines):
    datasets = paper.table("datasets")
    for _, row in datasets.iterrows():
        assert [TASKS[row["task"]].title, *row[["texts", "classes", "length", "tokens"]]] in lines
    assert len(datasets) == 3
    (settings,) = paper.table("simulation").drop(columns="place").values.tolist()
    assert settings in lines
    sizes = paper.table("parameters")
    for _, row in sizes.iterrows():
        if row["kind"] == "teacher":
            name = TEACHERS[PAPER_TEACHERS.index(row["name"])]
            assert [name, row["parameters"], f"LoRA ({name})", row["lora_or_proportion"]] in lines
        else:
            title = NAMES[row["name"]].removeprefix("+")
            found = [line for line in lines if re.fullmatch(rf"{title}(?: \d+)?", line[0]) and len(line) == 4]
            assert [line[1:3] for line in found] == [[row["parameters"], row["lora_or_proportion"]]]
    assert len(sizes) == 10
    for name, title in LOSSES.items():
        assert [title, paper.loss(name, "acc"), paper.loss(name, "f1")] in lines
    assert len(paper.table("losses")) == 8


def test_table_8_is_copied_line_by_line(lines):
    start = next(number for number, line in enumerate(lines) if line[0] == "QD-LLM")
    assert tuple(cell for cell in lines[start][1:] if cell) == TEACHERS
    block = [line for line in lines[start + 1 : start + 18] if "---" not in line[0]]
    expected = [
        [metric.upper() if metric in "pr" else metric.capitalize()]
        + [paper.teacher(task, teacher, metric) for teacher in PAPER_TEACHERS]
        for task in (*TASKS, "overall")
        for metric in METRICS[:4]
    ]
    assert [[cell for cell in line if cell][-6:] for line in block] == expected


def test_each_number_of_the_text_stands_in_its_phrase_and_the_phrase_in_the_text(text):
    rows = paper.table("text")
    assert len(rows) >= 20
    for _, row in rows.iterrows():
        assert row["value"] in row["phrase"] and row["phrase"] in text, row["name"]


def distinctive() -> dict[float, str]:
    """The printed numbers that nobody types by chance: four decimals, scientific, millions, two-decimal per cents."""
    pattern = re.compile(r"\d*\.\d{4}|\d\.\d+e-\d+|\d+\.\d+M|\d+\.\d\d%|\d{3},\d{3}")
    names = ("compression", "datasets", "parameters", "losses", "teachers", "text")
    cells = [str(cell) for name in names for cell in paper.table(name).to_numpy().ravel()]
    found = {paper.number(cell): cell for cell in cells if pattern.fullmatch(cell)}
    return {value: cell for value, cell in found.items() if value not in (1.0, 0.8, 0.0002)}


def numbers_of(source: str) -> set[float]:
    """Every number in a text, in any way of writing it."""
    written = re.findall(r"(?<![\w.])\d[\d,_]*(?:\.[\d_]+)?(?:e-?\d+)?[M%]?", source)
    return {paper.number(token.replace("_", "").rstrip(",")) for token in written}


GENERATED = ("status.md", "findings.md", "answer.md")  # written by the report, from records


def typed_in() -> list[tuple[str, str]]:
    """(file, what a person typed in it): modules, notebooks without outputs, pages."""
    files = [*(ROOT / "qdllm_utils").rglob("*.py"), *(ROOT / "book").glob("*.md")]
    found = [(path.name, path.read_text(encoding="utf-8")) for path in files if path.name not in GENERATED]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found.append((path.name, "\n".join("".join(cell["source"]) for cell in cells)))
    return found


def test_no_module_notebook_or_page_types_a_number_of_the_papers_tables():
    known = distinctive()
    assert len(known) > 300
    allowed = {paper.number(paper.text(name)) for name in ("hardware_accuracy_low", "hardware_accuracy_high")}
    found = [
        (name, known[number])
        for name, source in typed_in()
        for number in numbers_of(source) & set(known)
        if not (name == "intro.md" and number in allowed)
    ]
    assert not found


def test_the_scan_sees_a_planted_number():
    for planted in (
        "acc = 0.7781",
        "(0.778_1, 3)",
        "it is 5.42e-8.",
        "5.42e-08",
        "14.35M parameters",
        "27.49%",
        "335_101",
    ):
        assert numbers_of(planted) & set(distinctive()), planted


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [
        ("0.7781", 0.77805, 0.77815),
        ("5.42e-8", 5.415e-8, 5.425e-8),
        ("1.17e-3", 1.165e-3, 1.175e-3),
        ("27.49%", 0.27485, 0.27495),
        ("0.2%", 0.0015, 0.0025),
        ("14.35M", 14_345_000, 14_355_000),
        ("1.1B", 1.05e9, 1.15e9),
        ("8B", 7.5e9, 8.5e9),
        ("9,275", 9275, 9275),
        ("24,000", 24_000, 24_000),
        ("33.1704", 33.17035, 33.17045),
    ],
)
def test_a_printed_number_stands_for_half_a_unit_of_its_last_digit(printed, low, high):
    assert paper.interval(printed) == (pytest.approx(low, rel=1e-12), pytest.approx(high, rel=1e-12))


def test_what_the_paper_does_not_print_is_none():
    assert paper.compression("emotion", "minilm", "quantum", "acc") is None
    assert paper.teacher("emotion", "minilm", "acc") is None and paper.loss("all_released", "acc") is None
    with pytest.raises(IndexError):
        paper.text("no such name")
