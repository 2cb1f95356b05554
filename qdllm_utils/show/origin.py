"""The line below a table or figure: where its numbers come from."""

import html
from collections.abc import Iterable

from qdllm_utils.runs import provenance
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show.html_table import HTML


def distinct(texts: Iterable[str]) -> str:
    """The different texts among these, in order."""
    return "; ".join(sorted(set(texts)))


def strip(text: str, loaded: Iterable[str] = (), computed: Iterable[str] = ()) -> HTML:
    """The line itself, with the keys of every row that the page asked for."""
    shown = f'<div class="qd-provenance">{html.escape(text)}</div>'
    return HTML(shown, loaded=sorted(loaded), computed=sorted(computed))


def of_rows(rows: list[Row], store: Store, scale: str) -> HTML:
    """Source, store, commits, machines, versions, dates and memory of the rows that are shown."""
    rows = list({row.key: row for row in rows}.values())
    records = [row.provenance for row in rows]
    machine = distinct(
        f"{r['machine']['gpu'] or r['machine']['processor']}, {r['machine']['cores']} cores" for r in records
    )
    versions = distinct(", ".join(f"{k} {v}" for k, v in r["versions"].items()) for r in records)
    dates = sorted(r["date"][:10] for r in records)
    keys = {row.key for row in rows}
    loaded, computed = len(keys & store.loaded), len(keys & store.computed)
    text = (
        f"{len(rows)} row{'' if len(rows) == 1 else 's'}, source: {distinct(r['source'] for r in records)}, scale "
        f"{scale}; {loaded} loaded from the store, {computed} computed now. "
        f"Computed {dates[0]}{'' if dates[0] == dates[-1] else ' to ' + dates[-1]} at "
        f"commit {distinct(r['commit'] for r in records)} on {machine}; {versions}. Peak memory of a process "
        f"{max(r['peak_memory_mb'] for r in records):,} MB."
    )
    return strip(text, store.loaded, store.computed)


def of_this_run(what: str) -> HTML:
    """For a page that uses no rows: what was done in the notebook itself, and where.

    what: for example 'counted', 'recomputed from the printed numbers'.
    """
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    text = (
        f"No rows: {what} in this notebook on {provenance.today()} at commit {provenance.commit()} on "
        f"{provenance.machine()}; {versions}."
    )
    return strip(text)
