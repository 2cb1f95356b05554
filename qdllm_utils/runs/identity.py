"""What an identity means, in plain words: the labels that stand beside a published row, outside its key."""

from dataclasses import fields
from typing import Any

from qdllm_utils.config import PRESETS, TASKS, Knobs
from qdllm_utils.texts.pretrained import EMBEDDERS
from qdllm_utils.texts.sources import authors_fingerprint
from qdllm_utils.texts.teacher_specs import NAMED, usual_rank

LABELS = ("kind", "task", "teacher", "embedder", "preset", "changes", "student", "seed", "stored_as")


def data_of(identity: dict[str, Any]) -> dict[str, Any]:
    """The part of an identity that names the texts and their split; {} where no text was read."""
    for place in (identity, identity.get("teacher"), identity.get("embedding"), identity.get("of")):
        if place and "data" in place:
            return dict(place["data"])
    return data_of(identity["of"]) if "of" in identity else {}


def describe(identity: dict[str, Any]) -> dict[str, Any]:
    """The labels of LABELS for an identity, None where one does not apply.

    task: by the texts' fingerprint, 'other texts' for any that are not the authors'. teacher, embedder: the short name,
    or the hub's. preset: the one with the fewest other knobs; changes: those knobs, as 'alpha=0.0, layers=2', which
    hold a tuned learning rate too, and what else is unusual: the share of the texts, the split, the teacher's rank, the
    share that it learnt from.
    """
    whole = identity.get("of", identity)
    own = whole if whole.get("kind") == "teacher" else whole.get("teacher")
    data, embedding = data_of(identity), whole.get("embedding")
    tasks = {authors_fingerprint(task): name for name, task in TASKS.items()}
    preset, changes = preset_of(whole["knobs"]) if "knobs" in whole else (None, None)
    others = [f"train_share={whole['train_share']}"] if "train_share" in whole else []
    others += [f"split_seed={data['split_seed']}"] if data.get("split_seed") else []
    if own and own.get("rank") and own["rank"] != usual_rank(own["model"]):
        others.append(f"teacher_rank={own['rank']}")
    if own and "share_learnt" in own:
        others.append(f"teacher_share_learnt={own['share_learnt']}")
    if others:
        changes = ", ".join(filter(None, [changes, *others]))
    found = {
        "kind": identity.get("kind"),
        "task": tasks.get(data["fingerprint"], "other texts") if data else None,
        "teacher": short(own["model"], {EMBEDDERS.get(named.hub, named.hub): name for name, named in NAMED.items()})
        if own and "model" in own
        else None,
        "embedder": short(embedding["embedder"], {hub: name for name, hub in EMBEDDERS.items()}) if embedding else None,
        "preset": preset,
        "changes": changes,
        "student": whole.get("student"),
        "seed": whole.get("seed"),
        "stored_as": identity.get("stored_as"),
    }
    return {name: found[name] for name in LABELS}


def short(model: Any, names: dict[str, str]) -> str:
    """The project's short name of a model ('minilm', 'twin of opt'), else its own; a revision is in the key only."""
    twin, _, hub = str(model).rpartition("twin of ")
    if hub.partition("@")[0] in names:
        hub = hub.partition("@")[0]
    return f"{twin}{'twin of ' if str(model).startswith('twin of ') else ''}{names.get(hub, hub)}"


def preset_of(knobs: dict[str, Any]) -> tuple[str, str]:
    """The preset nearest to these knobs, and the knobs that differ from it, as 'name=value, ...'."""
    defaults = {field.name: field.default for field in fields(Knobs)}
    whole = defaults | knobs

    def differing(preset: str) -> dict[str, Any]:
        return {name: value for name, value in whole.items() if value != getattr(PRESETS[preset], name, None)}

    nearest = min(PRESETS, key=lambda preset: len(differing(preset)))
    return nearest, ", ".join(f"{name}={value}" for name, value in sorted(differing(nearest).items()))
