"""RO-Crate metadata of the published results, so that other tools can read where the rows come from.

    python -m qdllm_utils.show.crate

`book/results/ro-crate-metadata.json` describes each file of that folder (its SHA-256, size, the commits at which its
rows were computed, the first and last day) and each page that asked for its rows (the notebook as software, the commit
at which it ran). It is written when rows are published and depends on the files alone: no clock, no machine.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from qdllm_utils.runs.published import Published

ROOT = Path(__file__).parents[2]
NAME = "ro-crate-metadata.json"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
FORMATS = {".jsonl": "application/jsonl", ".zip": "application/zip"}
CONTENTS = {
    ".jsonl": "Rows, one a line: labels, configuration (identity), result, provenance, checksum.",
    ".zip": "Arrays of rows, one NumPy file <key>.npz a row: weights and outputs.",
}


def main() -> None:
    """Write the metadata of the published results again."""
    write(ROOT / "book")
    print(f"{len(files(ROOT / 'book' / 'results'))} files are described in book/results/{NAME}.")


def files(results: Path) -> list[Path]:
    """The files of a folder of results that its metadata describes, in order."""
    return sorted(path for path in results.iterdir() if path.suffix in FORMATS)


def write(book: Path) -> None:
    """Write the metadata of `book`/results from its files and from the records of `book`/executed."""
    (book / "results" / NAME).write_text(metadata(book), encoding="utf-8")


def metadata(book: Path) -> str:
    """The metadata as JSON-LD; the same files give the same text."""
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    results = book / "results"
    published = Published(results)
    rows = {key: json.loads(line) for key, (_, line) in published.lines.items()}
    homes = {key: f"{home}.jsonl" for key, (home, _) in published.lines.items()}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    crate = ROCrate(version="1.1")
    crate.name = f"The published rows of {citation['title']}"
    crate.description = (
        "Every training run behind the book's pages as a row with its configuration, data hash, seed and provenance. "
        "The authors' texts are no part of it. A row is computed again by `python -m qdllm_utils recompute KEY`."
    )
    crate.datePublished = (days(rows.values()) or ["1970-01-01"])[-1]
    crate.license = crate.add(ContextEntity(crate, LICENCE, {"@type": "CreativeWork", "name": "Apache-2.0"}))
    crate.root_dataset["version"] = str(citation["version"])
    people = {"@type": "Organization", "name": citation["authors"][0]["name"]}
    crate.root_dataset["author"] = crate.add(ContextEntity(crate, "#authors", people))

    described = {}
    for path in files(results):
        held = [rows[key] for key, home in homes.items() if home == path.name]
        held += [rows[key] for key, archive in published.archives.items() if archive == path and key in rows]
        described[path.name] = crate.add_file(path, path.name, properties=of_file(path, held))
    for page in sorted((book / "executed").glob("*.json")):
        record = json.loads(page.read_text(encoding="utf-8"))
        used = sorted({homes[key] for key in record.get("keys", []) if key in homes})
        if used:
            notebook = crate.add(ContextEntity(crate, f"#notebook-{page.stem}", software(page.stem, record)))
            shown = [described[name] for name in used]
            told = {"name": f"The run that was published as the page {page.stem}", "endTime": record.get("date")}
            crate.add_action(notebook, identifier=f"#run-{page.stem}", object=shown, properties=known(told))
    content = crate.metadata.generate()
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def days(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The days on which rows were computed, the first one first."""
    return sorted({str(row["provenance"]["date"])[:10] for row in rows if "date" in row["provenance"]})


def of_file(path: Path, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What the metadata says of a file with these rows."""
    rows, content = list(rows), path.read_bytes()
    dates = days(rows)
    commits = ", ".join(sorted({str(row["provenance"]["commit"]) for row in rows}))
    return {
        "name": path.name,
        "description": f"{CONTENTS[path.suffix]} {len(rows)} rows, computed at commit {commits}.",
        "encodingFormat": FORMATS[path.suffix],
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
        "license": {"@id": LICENCE},
        **({"dateCreated": dates[0], "dateModified": dates[-1]} if dates else {}),
    }


def software(page: str, record: dict[str, Any]) -> dict[str, Any]:
    """A page's notebook as software, with the commit and the packages of the run that was published."""
    versions = ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())
    described = {
        "@type": "SoftwareSourceCode",
        "name": f"notebooks/{page}.ipynb",
        "programmingLanguage": "Python",
        "runtimePlatform": versions or None,
        "version": record.get("commit"),
        "license": {"@id": LICENCE},
    }
    return known(described)


def known(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties without those that an earlier record did not keep."""
    return {name: value for name, value in properties.items() if value is not None}


if __name__ == "__main__":
    main()
