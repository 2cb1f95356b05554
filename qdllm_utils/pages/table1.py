"""Table 1: what the texts are, counted on the files that ran, beside what the paper prints."""

from dataclasses import dataclass, replace

from qdllm_utils.config import TASKS, Scale
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, group, head, line, table
from qdllm_utils.show.verdicts import DEMO_WHY, NOT, UNTRIED, Verdict
from qdllm_utils.texts.sources import Corpus, Source, statistics

LENGTH_SLACK = 0.25  # how near (relative) our average of words must be to a printed average of tokens to be its task's


@dataclass(frozen=True)
class TaskTexts:
    """A task's texts as they lie in the files, and after cleaning; statistics as `texts.data.statistics` gives them."""

    kind: str
    raw: dict[str, float]
    cleaned: dict[str, float]
    corpus: Corpus

    @property
    def per_class(self) -> dict[str, int]:
        """Texts of each class after cleaning."""
        return {name: int((self.corpus.labels == number).sum()) for number, name in enumerate(self.corpus.classes)}


def read(scale: Scale, data_dir: str | None) -> dict[str, TaskTexts]:
    """Every task's texts, all of them whatever the scale's limit."""
    found = {}
    for task in TASKS:
        source = Source(task, replace(scale, max_texts=0), data_dir)
        corpus = source.corpus
        raw = replace(corpus, texts=tuple(text for text, _ in source.rows))
        found[task] = TaskTexts(source.kind, statistics(raw), statistics(corpus), corpus)
    return found


def statistics_table(texts: dict[str, TaskTexts], demo: bool) -> HTML:
    """The paper's Table 1 with our counts: the files as they are, then after cleaning."""
    printed = paper.table("datasets").set_index("task")
    columns = ["Texts of", "Texts", "Classes", "Average length", "Words", "Vocabulary"]
    lines = []
    for task, found in texts.items():
        title = f"{TASKS[task].title}: {', '.join(f'{name} {count:,}' for name, count in found.per_class.items())}"
        lines.append(group(title + " after cleaning", len(columns)))
        files = "the generated corpus" if found.kind == "generated" else "the released training files"
        shown = {"texts": "texts", "classes": "classes", "average length": "length", "words": "tokens"}
        for name, numbers in ((files, found.raw), ("after cleaning", found.cleaned)):
            below = {ours: f"paper {printed[theirs][task]}" for ours, theirs in shown.items() if numbers is found.raw}
            values = {
                key: f"{value:.4f}" if key == "average length" else f"{value:,.0f}" for key, value in numbers.items()
            }
            lines.append(line(head(name), [cell(text, below.get(key, "")) for key, text in values.items()]))
    caption = (
        "Lengths are in words between spaces; the paper counts tokens of a tokeniser that it does not name. Its test "
        "files were never released. Grey: the paper's value."
    )
    return table(caption, columns, lines, demo)


def contradictions_table(texts: dict[str, TaskTexts], demo: bool) -> HTML:
    """Tokens / average length for every pairing of the two columns, and our average beside the printed ones."""
    printed = paper.table("datasets").set_index("task")
    lines = []
    for task, found in texts.items():
        cells = []
        for other in texts:
            low, high = paper.quotient(printed["tokens"][task], printed["length"][other])
            cells.append(cell(f"{(low + high) / 2:,.0f}"))
        cells += [
            cell(printed["texts"][task]),
            cell(f"{found.raw['average length']:.2f}"),
            cell(printed["length"][task]),
        ]
        lines.append(line(head(TASKS[task].title, f"{printed['tokens'][task]} tokens"), cells))
    columns = [
        "Tokens of",
        *(f"over the length of {TASKS[task].name}" for task in texts),
        "texts printed",
        "average words here",
        "average length printed",
    ]
    caption = (
        "The printed tokens of each task divided by each printed average length: only one pairing a row gives whole "
        "thousands. The last two averages of a row show to whom the printed ones belong."
    )
    return table(caption, columns, lines, demo)


def owner(length: float, texts: dict[str, TaskTexts]) -> str | None:
    """The task whose texts have about this average length, or None."""
    nearest = min(texts, key=lambda task: abs(texts[task].raw["average length"] / length - 1))
    return nearest if abs(texts[nearest].raw["average length"] / length - 1) < LENGTH_SLACK else None


def verdict(texts: dict[str, TaskTexts], demo: bool) -> Verdict:
    """Whether the printed counts and lengths are those of the released files."""
    if demo:
        return Verdict(UNTRIED, DEMO_WHY)
    printed = paper.table("datasets").set_index("task")
    parts = []
    for task, found in texts.items():
        released, stated = int(found.raw["texts"]), printed["texts"][task]
        parts.append(f"{TASKS[task].title.lower()} {released:,} of {stated} texts")
    swapped = [
        (task, belongs) for task in texts if (belongs := owner(paper.number(printed["length"][task]), texts)) != task
    ]
    lengths = "; ".join(
        f"the average length printed for {task} ({printed['length'][task]}) is that of {belongs or 'none'}"
        for task, belongs in swapped
    )
    why = f"only training files were released ({', '.join(parts)}){'; ' + lengths if lengths else ''}."
    short = f"only training files were released, and {len(swapped)} of {len(texts)} printed lengths are another task's."
    return Verdict(NOT, why, short)
