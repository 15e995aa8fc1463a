"""A run in words: what is needed to reproduce it, as (name, value) pairs, and the caveats for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.base.escape import one_line
from eval.measure.by_definition import ByDefinition
from eval.measure.metrics import DRAWS, Metrics
from eval.report.published import PublishedNumber, remarks
from eval.store import environment
from eval.store.environment import Made
from eval.store.manifest import Manifest
from eval.store.records import ModelRecord
from eval.store.scores import NOT_OK
from i2p.categories import ALL

ELSEWHERE = "not known here: the pictures were made elsewhere"
REPLAYED = "none here: the dataset's own results, replayed"
FEW = 10  # categories that a sentence names
TITLES = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder"}


def facts(manifest: Manifest, counts: str, made: Sequence[Made] = ()) -> list[tuple[str, str]]:
    """Return name and value of what a reader must know to repeat a run.

    Args:
        manifest: of the run.
        counts: what is counted as inappropriate, in words.
        made: how many images were drawn and judged in which environment.
    """
    identity, runtime = manifest.identity, manifest.runtime
    model, protocol, prompts = identity.model, identity.protocol, identity.prompts
    drawn, seeds = _drawn(manifest)
    found = {
        "Model": ", ".join(str(x) for x in (model.source, model.revision, model.dtype) if x),
        **({"Replaced": "; ".join(replaced)} if (replaced := list(replacements(model))) else {}),
        "Prompts": f"{prompts.count:,} of {manifest.prompts_name}, digest {prompts.digest}",
        "Protocol": f"{protocol.name}: {protocol.source}",
        "Drawn with": drawn,
        "Seeds": seeds,
        "Methods": ", ".join(manifest.method_names),
        "Judges": ", ".join(f"{name} (version {judge.version or '–'})" for name, judge in identity.judges.items())
        or REPLAYED,
        "Inappropriate is": counts,
        "Deviations": "; ".join(manifest.deviations) or "none from the protocol",
        "Caveats": "; ".join(protocol.caveats) or "none on record",
        "Begun": f"{runtime.created}, {runtime.platform}",
        "Command": " ".join(runtime.command),
    }
    if made:
        found["Software"] = "; ".join(f"{name} {value}" for name, value in environment.rows(made))
    return [(name, str(value)) for name, value in found.items()]


def _drawn(manifest: Manifest) -> tuple[str, str]:
    """How pictures were drawn, and from which seeds."""
    model, protocol = manifest.identity.model, manifest.identity.protocol
    if manifest.made_elsewhere:
        return ELSEWHERE, ELSEWHERE
    if manifest.settings.model_kind == "published":
        return REPLAYED, REPLAYED
    size = "each row's" if protocol.size == "row" else "×".join(map(str, protocol.size))
    guidance = "each row's" if protocol.guidance_scale == "row" else protocol.guidance_scale
    scheduler = protocol.scheduler or model.scheduler or "the checkpoint's scheduler"
    offset = protocol.seed_offset
    seeds = str(protocol.noise) + (f"; {offset} is added to every row's seed" if offset else "")
    return f"{protocol.steps} steps of {scheduler}, guidance scale {guidance}, size {size}", seeds


def alarms(manifest: Manifest, missing: int) -> list[str]:
    """Return what keeps a run's numbers from meaning what they seem to, in words; most runs have nothing of it."""
    model, judges = manifest.identity.model, manifest.identity.judges
    said = []
    if missing:
        said.append(f"INCOMPLETE: {missing:,} images are missing or unjudged; the numbers cover the others.")
    demo = [model.demo, "q16" in judges and judges["q16"].demo]
    if demo[0]:
        said.append("The demo world: harmless symbols stand for the categories; its numbers hold for no other model.")
    source = manifest.settings.prompt_source
    if demo[0] and not source.startswith("demo"):
        said.append("The prompts are not the demo world's: its model knows few of their words.")
    if demo[1] and manifest.made_elsewhere:
        said.append("Q16 is the demo world's: its verdicts on pictures of any other world mean nothing.")
    elif "q16" in judges and demo[0] != demo[1]:
        said.append("Model and Q16 do not belong together: one is the demo world's, so Q16's verdicts mean nothing.")
    return said


def notes(
    manifest: Manifest,
    under: ByDefinition,
    metrics: Sequence[Metrics],
    comparisons: Sequence[PublishedNumber],
    missing: int,
) -> list[str]:
    """Return everything that a reader should know beside the numbers, in words; `alarms` first."""
    identity, protocol = manifest.identity, manifest.identity.protocol
    said = alarms(manifest, missing)
    said.append(f"Model: {one_line(identity.model.source)}.")
    said += [one_line(sentence) for sentence in model_notes(identity.model)]
    said.append(f"Protocol: {protocol.name} ({protocol.source}), images per prompt: {protocol.images_per_prompt}.")
    said += [f"Deviation from the protocol: {d}." for d in manifest.deviations]
    said += [one_line(sentence) for sentence in manifest.prompt_remarks]
    if unused := manifest.unused_columns:
        said.append(f"Columns of {one_line(manifest.prompts_name)} that are not used: {one_line(', '.join(unused))}.")
    said += [one_line(sentence) for sentence in manifest.drawing_remarks]
    said.append(f"Inappropriate: {under.counted.counts}.")
    said.append("Intervals: 95 %, clustered by prompt, since images of one prompt are not independent.")
    if len(identity.methods) > 1:
        said.append(
            "p: sign-flip test that swaps the two methods for whole prompts at a time; Holm-corrected over the "
            "categories."
        )
    few = sorted({m.category for m in metrics if m.expected_max is None})
    if few:
        named = ", ".join(few[:FEW]) + (f" and {len(few) - FEW:,} more" if len(few) > FEW else "")
        said.append(f"Expected maximum: over {DRAWS} prompts; too few in {named}.")
    exact = sorted({m.category for m in metrics if m.expected_max is not None and m.prompts == DRAWS})
    if exact:
        said.append(
            f"Expected maximum: {', '.join(exact)} has exactly {DRAWS} prompts, so there is only one draw: ± 0.0 does "
            "not mean certainty."
        )
    bad = [
        f"{getattr(m, state):,} {state} with {m.method}"
        for m in metrics
        for state in NOT_OK
        if m.category == ALL and getattr(m, state)
    ]
    if bad:
        said.append(f"Images that are not `ok`, and not in any denominator: {', '.join(bad)}.")
    return said + remarks(comparisons, manifest, missing)


def replacements(model: ModelRecord) -> Iterator[str]:
    """Yield a clause for each part of a model that is another's: by how much it differs from the base's.

    Args:
        model: as its manifest describes it; those of older runs do not say it.
    """
    for part, audit in model.replaced.items():
        change = audit["relative_change"]
        relative = "the base's are all zero" if change is None else f"relative change ‖Δ‖/‖base‖ {change:.3g}"
        yield (
            f"{TITLES.get(part, part)}: {audit['given']:,} tensors given, {audit['used']:,} used, "
            f"{audit['different']:,} of {audit['of']:,} different from the base, {relative}"
        )
    if "unet" not in model.replaced and model.unet_replaced:
        yield "UNet: how much it differs from the base is not on record; the run began before that was measured"


def model_notes(model: ModelRecord) -> list[str]:
    """Return what a reader should know of a model that is not what its source alone says, as sentences."""
    said = [f"Replaced {clause}." for clause in replacements(model)]
    said += [f"The model's file is marked {mark}, which sets {setting}." for mark, setting in model.obeyed.items()]
    if aside := model.left_aside:
        said.append(f"Weights that lie beside the model's and were not used: {', '.join(aside)}.")
    return said
