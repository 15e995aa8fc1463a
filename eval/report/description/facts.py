"""What is needed to reproduce a run, as (name, value) pairs, and how its model was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.base.words import counted
from eval.config.sources import PUBLISHED
from eval.judges import judge_title
from eval.report.description.groups import groups_fact
from eval.report.description.methods import extensions, own_methods
from eval.report.format import in_words, number
from eval.store.environment import EnvironmentImages, rows
from eval.store.manifest import Manifest
from eval.store.records import ModelRecord
from sld.checkpoints.family import TITLES

ELSEWHERE = "not known here: the pictures were made elsewhere"
REPLAYED = "none here: the dataset's own results, replayed"


def facts(
    manifest: Manifest,
    counts: str,
    environments: Sequence[EnvironmentImages] = (),
    groups: Mapping[int, int] | None = None,
) -> list[tuple[str, str]]:
    """Return name and value of everything that a reader must know to repeat a run.

    Args:
        manifest: of the run.
        counts: what is counted as inappropriate, in words.
        environments: in which the images were drawn and judged.
        groups: row → number of its group of prompts that are alike.
    """
    identity, runtime, printed = manifest.identity, manifest.runtime, manifest.settings.in_print
    model, protocol, prompts = identity.model, identity.protocol, identity.prompts
    drawn, seeds = _drawn(manifest)
    values = {
        "Model": ", ".join(str(x) for x in (model.source, model.revision, model.dtype) if x),
        **({"Replaced": "; ".join(replaced)} if (replaced := list(replacements(model))) else {}),
        **({"LoRAs": "; ".join(fused)} if (fused := list(fused_loras(model))) else {}),
        "Prompts": f"{prompts.count:,} of {manifest.prompts_name}, digest {prompts.digest}",
        **({"Groups": groups_fact(manifest, groups)} if groups else {}),
        "Protocol": f"{protocol.name}: {protocol.source}",
        "Drawn with": drawn,
        "Seeds": seeds,
        "Methods": ", ".join(map(printed, manifest.method_names)),
        **({"Names": named} if (named := _named(manifest)) else {}),
        **{f"Method {printed(name)}": definition for name, definition in own_methods(manifest).items()},
        **({"Extensions": ", ".join(names)} if (names := extensions(manifest)) else {}),
        "Judges": _judges(manifest) or REPLAYED,
        "Inappropriate is": counts,
        "Deviations": "; ".join(manifest.deviations) or "none from the protocol",
        "Caveats": "; ".join(protocol.caveats) or "none on record",
        "Begun": f"{runtime.created}, {runtime.platform}",
        **({"Grown": growths(manifest)} if manifest.history else {}),
        "Command": " ".join(manifest.command),
    }
    if environments:
        values["Software"] = "; ".join(f"{name} {value}" for name, value in rows(environments))
    return [(name, str(value)) for name, value in values.items()]


def _named(manifest: Manifest) -> str:
    """Which methods have names for print, as clauses."""
    names = manifest.settings.names
    return "; ".join(f"{names[name]} is {name}" for name in manifest.method_names if name in names)


def judge_titles(manifest: Manifest) -> dict[str, str]:
    """Return name → name for people of each judge of a run, as recorded."""
    return {name: judge_title(name, judge.description) for name, judge in manifest.identity.judges.items()}


def _judges(manifest: Manifest) -> str:
    """The judges by their names for people, those of the command line and their versions."""
    versions = {name: judge.version or "–" for name, judge in manifest.identity.judges.items()}
    return "; ".join(f"{title} ({name}, version {versions[name]})" for name, title in judge_titles(manifest).items())


def growths(manifest: Manifest) -> str:
    """Return when a run grew and what was added each time, as clauses."""
    return "; ".join(f"{growth.when}: {growth.words}" for growth in manifest.history)


def _drawn(manifest: Manifest) -> tuple[str, str]:
    """How pictures were drawn, and from which seeds."""
    model, protocol = manifest.identity.model, manifest.identity.protocol
    if manifest.made_elsewhere:
        return ELSEWHERE, ELSEWHERE
    if manifest.settings.model_kind == PUBLISHED:
        return REPLAYED, REPLAYED
    size, guidance = (in_words(value) for value in (protocol.size, protocol.guidance_scale))
    scheduler = protocol.scheduler or model.scheduler or "the checkpoint's scheduler"
    offset = protocol.seed_offset
    seeds = str(protocol.noise) + (f"; {offset} is added to every row's seed" if offset else "")
    return f"{counted(protocol.steps, 'step')} of {scheduler}, guidance scale {guidance}, size {size}", seeds


def replacements(model: ModelRecord) -> Iterator[str]:
    """Yield a clause per replaced part of a model: by how much it differs from the base's.

    Args:
        model: from the manifest; older runs did not record the differences.
    """
    for part, audit in model.replaced.items():
        origin = f" from {audit['source']} at {audit['revision']}" if "revision" in audit else ""
        yield f"{TITLES.get(part, part)}{origin}: {_counts(audit)}"
    if "unet" not in model.replaced and "unet" in model.replaced_parts:
        yield "UNet: how much it differs from the base is not on record; the run began before that was measured"


def fused_loras(model: ModelRecord) -> Iterator[str]:
    """Yield a clause per LoRA that was fused into a model's weights, in that order."""
    for lora in model.loras:
        changes = (f"{TITLES.get(part, part)}: {_counts(audit)}" for part, audit in lora["replaced"].items())
        note = f" ({lora['note']})" if "note" in lora else ""
        yield f"LoRA {lora['name']} at scale {number(lora['scale'])}{note}: {'; '.join(changes)}"


def _counts(audit: Mapping[str, Any]) -> str:
    change = audit["relative_change"]
    if not audit.get("has_base", True):
        return f"{audit['used']:,} of {audit['of']:,} tensors, where the checkpoint has none"
    relative = "the base's are all zero" if change is None else f"relative change ‖Δ‖/‖base‖ {change:.3g}"
    return (
        f"{audit['given']:,} tensors given, {audit['used']:,} used, {audit['different']:,} of {audit['of']:,} "
        f"different from the base, {relative}"
    )


def model_notes(model: ModelRecord) -> list[str]:
    """Return as sentences what the source of a model alone does not tell: replaced, marked and unused weights."""
    notes = [f"Replaced {clause}." for clause in replacements(model)]
    notes += [f"Fused {clause}." for clause in fused_loras(model)]
    notes += [f"Drawn without its {TITLES[part]}, which the model can do without." for part in model.without]
    notes += [f"The model's file is marked {mark}, which sets {setting}." for mark, setting in model.obeyed.items()]
    if unused := model.left_aside:
        notes.append(f"Weights that lie beside the model's and were not used: {', '.join(unused)}.")
    return notes
