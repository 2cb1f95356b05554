"""The commands: python -m qdllm_utils models | rows | recompute | predict | hardware | report."""

import argparse
import sys
from typing import Any

from qdcircuits.errors import InputError

EMBEDDER = "where the embedder's folder is, for a model trained on one of your own"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="python -m qdllm_utils", description="The commands of the reproducible paper.")
    commands = whole.add_subparsers(dest="command", required=True)
    models = commands.add_parser("models", help="fetch pre-trained models once, each checked by its SHA-256")
    models.add_argument("names", nargs="+", metavar="MODEL", help="mpnet, qwen")
    rows = commands.add_parser("rows", help="list the published rows, with their keys")
    for name in ("page", "task", "teacher", "embedder", "preset", "student", "seed"):
        rows.add_argument(f"--{name}")
    rows.add_argument("--csv", action="store_true", help="every column, as CSV")
    again = commands.add_parser("recompute", help="compute a published row again and say whether it is the same")
    again.add_argument("key")
    again.add_argument("--data-dir", help="folder with the authors' senti/, stega/, topic/; default: QDLLM_DATA")
    predict = commands.add_parser("predict", help="classify a file of any length with a saved model")
    predict.add_argument("model")
    predict.add_argument("input", nargs="?", default="-", help="txt, CSV, TSV or JSONL, also .gz; - is standard input")
    predict.add_argument("output", nargs="?", default="-")
    predict.add_argument("--text-column")
    predict.add_argument("--embedder", help=EMBEDDER)
    predict.add_argument("--input-format")
    predict.add_argument("--output-format")
    hardware = commands.add_parser("hardware", help="a student's circuits for any provider, and their counts back")
    ways = hardware.add_subparsers(dest="way", required=True)
    out = ways.add_parser("export", help="write a bundle of circuits, one a text")
    out.add_argument("model", help="a folder saved with `save`, whose model is the quantum student")
    out.add_argument("texts", help="CSV with the columns text and label")
    out.add_argument("bundle", help="a new folder")
    out.add_argument("--embedder", help=EMBEDDER)
    out.add_argument("--shots", type=int, default=10_240)
    back = ways.add_parser("import", help="read the counts of a bundle: classes, accuracy, interval")
    back.add_argument("bundle")
    back.add_argument("counts")
    report = commands.add_parser("report", help="run every notebook and build the book", add_help=False)
    report.add_argument("rest", nargs=argparse.REMAINDER)
    return whole


def list_rows(options: Any) -> None:
    """Print the rows asked for."""
    from qdllm_utils.show.frame import rows

    names = ("task", "teacher", "embedder", "preset", "student", "seed")
    found = rows(options.page, **{name: getattr(options, name) for name in names if getattr(options, name) is not None})
    if options.csv:
        print(found.to_csv(index=False), end="")
        return
    shown = ["page", "task", "teacher", "embedder", "preset", "changes", "student", "seed", "acc", "key"]
    print(found[shown].to_string(index=False, max_colwidth=40))
    print(f"{len(found):,} rows.")


def use_hardware(options: Any) -> None:
    """Write a bundle, or read its counts."""
    if options.way == "import":
        from qdcircuits.bundle import import_bundle

        print(import_bundle(options.bundle, options.counts).summary())
        return
    from qdllm_utils.model.hardware import export

    print(export(options.model, options.texts, options.bundle, options.shots, options.embedder))


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what a user can mend ends it with one sentence and exit status 1."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "models":
            from qdllm_utils.texts.models import fetch

            fetch(options.names)
        elif options.command == "rows":
            list_rows(options)
        elif options.command == "recompute":
            from qdllm_utils.runs.recompute import recompute

            again = recompute(options.key, options.data_dir)
            print(again.sentence)
            sys.exit(1 if again.differing else 0)
        elif options.command == "predict":
            from qdllm_utils.model import load
            from qdllm_utils.model.stream import predict_file

            formats = {"input_format": options.input_format, "output_format": options.output_format}
            predict_file(
                load(options.model, options.embedder), options.input, options.output, options.text_column, **formats
            )
        elif options.command == "hardware":
            use_hardware(options)
        else:
            from qdllm_utils.report import main as report

            report(options.rest)
    except InputError as error:
        sys.exit(f"InputError: {error}")


if __name__ == "__main__":
    main()
