"""The tables, formulae and figure of the page that writes a trained student out."""

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdllm_utils.config import changed
from qdllm_utils.pages.surrogate import Study, Written
from qdllm_utils.show import origin
from qdllm_utils.show.html_table import DEMO, HTML, cell, escaped, group, line, table
from qdllm_utils.show.plots import style, watermark
from qdllm_utils.show.tables import OWN_DATA

NEAR = 0.01  # 'within': largest error of an output over the test texts
FEW = 10  # terms
FLAT = 0.05  # standard deviation of an output over the texts
ALMOST = 0.02  # largest error of one term over the test texts: a hundredth of the range of <Z>


class Markdown(str):
    """A string that a notebook shows as Markdown."""

    def _repr_markdown_(self) -> str:
        """Itself."""
        return str(self)


def level(written: Written, terms: int) -> dict[str, Any]:
    """The measurements with so many terms an output, or with all where there are no more."""
    levels = written.row.result["levels"]
    return next((one for one in levels if one["terms"] >= terms), levels[-1])


def headline(study: Study) -> HTML:
    """What the page found: how near one term comes to each output of the preset's student, and to its classes."""
    result, one = study.chosen.row.result, level(study.chosen, 1)
    total = len(one["error"])
    leading = [study.chosen.table.digits(output)[0][:1] for output in range(total)]
    near = [output for output, error in enumerate(one["error"]) if error <= ALMOST]
    cosines = [output for output in near if (leading[output] < 2).all()]
    others = [f"⟨Z{output}⟩ by {one['error'][output]:.3f}" for output in range(total) if output not in near]
    title = f"{len(cosines)} of {total} outputs are almost one product of cosines."
    sine = len(near) - len(cosines)
    text = (
        f"{described(study, study.chosen)[:-1]}: with one term in place of each output, {len(near)} of {total} are "
        f"within {ALMOST} of the circuit's on every one of {result['texts']:,} test texts"
        + (f" ({sine} of these terms with a sine)" if sine else "")
        + (f"; off at most: {', '.join(others)}" if others else "")
        + f". The class is the same for {one['same_class']:.1%} of the texts, the accuracy {one['acc']:.1%}, the "
        f"circuit's {result['circuit_acc']:.1%}."
    )
    few = level(study.chosen, 3)
    if few is not one:
        text += f" With {few['terms']} terms an output it is the same for {few['same_class']:.1%}."
    flat = sum(spread < FLAT for spread in study.deep.row.result["spread"])
    deep = (
        f"{described(study, study.deep)[:-1]}: {flat} of {len(study.deep.row.result['spread'])} outputs hardly change "
        f"from text to text (standard deviation below {FLAT})."
    )
    shown = f'<div class="qd-verdict"><strong>{escaped(title)}</strong> {escaped(text)} {escaped(deep)}</div>'
    mark = DEMO if study.parameters.demo else ""
    return HTML(shown + mark, verdicts=[title, text, deep])


def layers(written: Written) -> int:
    """Of its circuit."""
    return int(written.row.identity["knobs"]["layers"])


def formulae(study: Study, terms: int = 3) -> Markdown:
    """Every output of the preset's student, its largest terms, with the error of stopping there, as a table.

    c_i and s_i stand for cos z_i and sin z_i: written out, the longest line is wider than a page.
    """
    errors = level(study.chosen, terms)["rms"]
    lines = ["| output | largest terms | rms error |", "|---|---|---:|"]
    for output, error in enumerate(errors):
        name, _, text = study.chosen.table.formula(output, terms).partition(" = ")
        short = text.replace(r"\cos z_", "c_").replace(r"\sin z_", "s_")
        lines.append(f"| ${name}$ | ${short}$ | {error:.4f} |")
    return Markdown("\n".join(lines))


def outputs_table(study: Study) -> HTML:
    """Each output of the preset's student: how far it varies, its terms, the error of a few of them."""
    result = study.chosen.row.result
    depends = study.chosen.table
    shown = [level(study.chosen, terms) for terms in (FEW, 100)]
    deep = study.deep.row.result
    head = ["output", f"sd, {layers(study.deep)} layers", f"sd, {layers(study.chosen)} layers", "inputs", "terms"]
    head += [f"{kind}, {one['terms']} terms" for one in shown for kind in ("error", "bound")]
    lines = []
    for output, count in enumerate(result["counts"]):
        factors, _ = depends.digits(output)
        cells = [f"{one['spread'][output]:.3f}" for one in (deep, result)]
        cells += [str(int((factors > 0).any(axis=0).sum())), f"{count:,}"]
        for one in shown:
            cells += [f"{one['error'][output]:.4f}", f"{one['bound'][output]:.4f}"]
        lines.append(line(HTML(f"⟨Z<sub>{output}</sub>⟩"), map(cell, cells)))
    near = sum(error <= NEAR for error in shown[0]["error"])
    text = (
        f"{described(study, study.chosen)} With {shown[0]['terms']} terms an output, {near} of {len(lines)} outputs "
        f"are within {NEAR} of the circuit's on every one of {result['texts']:,} test texts, and the classes agree on "
        f"{shown[0]['same_class']:.1%}. Error: the largest over the texts. Bound: the sum of the |coefficients| left "
        f"out. sd: of ⟨Z⟩ over the texts; of the {layers(study.deep)} layers' outputs it is below {FLAT} for "
        f"{sum(spread < FLAT for spread in deep['spread'])} of {len(lines)}."
    )
    return table(text, head, lines, demo=study.parameters.demo)


def levels_table(study: Study) -> HTML:
    """How many terms, how many bytes, what time, what error, which classes; beside the simulator."""
    head = ["terms an output, at most", "terms", "bytes", "µs a text", "largest error", "bound", "same class", "acc"]
    lines = []
    for written in (study.chosen, study.deep):
        result = written.row.result
        exact = written.row.identity["words"] is None
        note = "" if exact else f"; propagated with at most {written.row.identity['words']:,} Pauli words"
        lines.append(group(f"{described(study, written)[:-1]}{note}", len(head)))
        for one in result["levels"]:
            last = one is result["levels"][-1]
            numbers = [f"{one['total']:,}", f"{one['bytes']:,}", f"{1e6 * one['seconds']:.1f}"]
            numbers += [f"{max(one[name]):.1e}" for name in ("error", "bound")]
            numbers += [f"{one['same_class']:.2%}", f"{one['acc']:.4f}"]
            all_of_them = " (all of them)" if last and exact else " (all that were kept)" if last else ""
            lines.append(line(f"{one['terms']:,}{all_of_them}", map(cell, numbers)))
        time = f"{1e6 * result['simulator_seconds']:.1f}"
        cells = ["–", "–", time, "–", "–", "–", f"{result['circuit_acc']:.4f}"]
        lines.append(line(f"the circuit, simulated ({result['simulator']})", map(cell, cells)))
    text = (
        "CPU time from the encoder's angles to ⟨Z⟩ in float64, all test texts at once, one thread, the shortest of "
        "five runs. Bytes of the table without its layers. Largest error over outputs and test texts; a bound above 2 "
        "says nothing, since ⟨Z⟩ lies between -1 and 1."
    )
    return table(text, head, lines, demo=study.parameters.demo)


def described(study: Study, written: Written) -> str:
    """Which student this is."""
    preset = "paper" if written is study.deep else study.parameters.preset
    chosen = study.experiment.knobs if written is study.chosen else None
    differing = changed(preset, chosen) if chosen else {}
    changes = "".join(f", {name} = {value}" for name, value in differing.items())
    number = layers(written)
    return (
        f"{study.experiment.source.title}, {OWN_DATA[study.experiment.source.kind]}, preset {preset}{changes}, "
        f"{number} layer{'s' if number > 1 else ''}, seed {written.row.identity['seed']}."
    )


def errors(study: Study) -> Any:
    """The error of each output against the terms kept: the preset's student and the deep one; then the time."""
    style()
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for axis, written in zip(axes, (study.chosen, study.deep), strict=False):
        result = written.row.result
        colours = sns.color_palette("viridis", len(result["counts"]))
        for output, (count, colour) in enumerate(zip(result["counts"], colours, strict=True)):
            seen = [one for one in result["levels"] if one["terms"] <= count or one["terms"] == 1]
            values = [max(one["error"][output], 1e-16) for one in seen]
            axis.plot([one["terms"] for one in seen], values, color=colour, marker="o", markersize=4, label=str(output))
        axis.axhline(NEAR, color="0.4", linestyle=":", linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel="terms kept for the output", title=f"{layers(written)} layers")
    axes[0].set_ylabel("largest error of ⟨Z⟩ over test texts")
    axes[1].sharey(axes[0])
    axes[1].legend(title="qubit", ncols=2, fontsize="small")
    for written, colour, marker in zip((study.chosen, study.deep), ("#0173b2", "#de8f05"), "os", strict=True):
        result, number = written.row.result, layers(written)
        points = [(one["total"], 1e6 * one["seconds"]) for one in result["levels"]]
        axes[2].plot(*zip(*points, strict=True), color=colour, marker=marker, label=f"table, {number} layers")
        time = 1e6 * result["simulator_seconds"]
        axes[2].axhline(time, color=colour, linestyle="--", label=f"simulator, {number} layers")
    axes[2].set(xscale="log", yscale="log", xlabel="terms of all outputs", ylabel="µs a text", title="CPU time")
    axes[2].legend(fontsize="small")
    if study.parameters.demo:
        watermark(figure)
    return figure


def provenance_strip(study: Study) -> HTML:
    """Where the rows come from."""
    rows = {written.key: written for one in (study.chosen, study.deep) for written in (one.row, one.quantum)}
    return origin.of_rows(list(rows.values()), study.store, study.parameters.scale)
