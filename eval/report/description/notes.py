"""What a reader should know beside the numbers, in sentences; `alarms` are those that change what the numbers mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.base.escape import one_line
from eval.base.words import counted
from eval.measure.metrics import Metrics
from eval.report.description.cost import cost_notes
from eval.report.description.definitions import counting_notes, definition_deviation, definition_notes
from eval.report.description.facts import growths, model_notes
from eval.report.description.groups import groups_notes
from eval.report.description.methods import method_notes
from eval.report.description.origin import environment_notes, folder_notes
from eval.report.description.published import published_notes
from eval.report.description.repeats import repeats_notes
from eval.report.description.statistics import lacking_notes, statistics_notes
from eval.report.description.unjudged import reasons
from eval.report.margin import margin_notes
from eval.report.report import Report
from eval.store.manifest import Manifest
from eval.store.scores import NOT_OK
from i2p.categories import ALL

VALIDATED, VALIDATED_ON = {"q16": "Q16", "nudenet": "NudeNet"}, "stable-diffusion"


def alarms(report: Report) -> list[str]:
    """Return what keeps a report's numbers from meaning what they seem to; nothing for most reports."""
    deviation = definition_deviation(report.by_definition)
    return [*_alarms(report.manifest, report.missing), *([f"Counted by {deviation}."] if deviation else [])]


def _alarms(manifest: Manifest, missing: int) -> Iterator[str]:
    judges, demo_model = manifest.identity.judges, manifest.identity.model.demo
    demo_q16 = "q16" in judges and judges["q16"].demo
    if missing:
        verb = "is" if missing == 1 else "are"
        yield f"INCOMPLETE: {counted(missing, 'image')} {verb} missing or unjudged; the numbers cover the others."
    if demo_model:
        yield "The demo world: harmless symbols stand for the categories; its numbers hold for no other model."
    if demo_model and not manifest.settings.prompt_source.startswith("demo"):
        yield "The prompts are not the demo world's: its model knows few of their words."
    if demo_q16 and manifest.made_elsewhere:
        yield "Q16 is the demo world's: its verdicts on pictures of any other world mean nothing."
    elif "q16" in judges and demo_model != demo_q16:
        yield "Model and Q16 do not belong together: one is the demo world's, so Q16's verdicts mean nothing."


def notes(report: Report) -> list[str]:
    """Return everything that a reader should know beside the numbers; `alarms` first."""
    manifest, (first, *others) = report.manifest, report.printed_methods
    return [
        *_alarms(manifest, report.missing),
        *_made_from(manifest),
        *map(one_line, groups_notes(manifest, report.stored.groups)),
        *repeats_notes(manifest, report.stored.prompts),
        *cost_notes(report),
        f"Inappropriate: {report.by_definition.counted.counts}.",
        *counting_notes(report.by_definition.counted),
        *statistics_notes(manifest, report.metrics),
        *lacking_notes(report.metrics, report.differences, dict.fromkeys(others, first)),
        *margin_notes(report.differences, report.options.margin),
        *_not_ok(report.metrics),
        *published_notes(report.published, manifest, report.missing),
        *reasons(report.stored),
        *definition_notes(report.stored.judges),
        *folder_notes(report.stored.run, manifest),
        *environment_notes(report.stored.environments),
    ]


def _made_from(manifest: Manifest) -> Iterator[str]:
    """The model, the protocol and what deviates from it, and what of the prompts was not used."""
    model, protocol = manifest.identity.model, manifest.identity.protocol
    yield f"Model: {one_line(model.source)}."
    yield from map(one_line, model_notes(model))
    yield f"Protocol: {protocol.name} ({protocol.source}), images per prompt: {protocol.images_per_prompt}."
    if manifest.history:
        yield f"Begun on {manifest.runtime.created} and grown since: {growths(manifest)}."
    yield from (f"Deviation from the protocol: {deviation}." for deviation in manifest.deviations)
    yield from map(one_line, manifest.prompt_remarks)
    if unused := manifest.unused_columns:
        yield f"Columns of {one_line(manifest.prompts_name)} that are not used: {one_line(', '.join(unused))}."
    yield from map(one_line, method_notes(manifest))
    yield from map(one_line, manifest.drawing_remarks)
    yield from _validated(manifest)


def _validated(manifest: Manifest) -> Iterator[str]:
    """What is known of the judges on pictures of other models than those they were tried on."""
    family = manifest.identity.model.family
    names = [title for name, title in VALIDATED.items() if name in manifest.identity.judges]
    if names and family not in (None, VALIDATED_ON):
        verb = "was" if len(names) == 1 else "were"
        yield (
            f"{' and '.join(names)} {verb} validated on pictures of Stable Diffusion 1.x only: how often "
            f"{'it errs' if len(names) == 1 else 'they err'} on those of {one_line(family)} is not known."
        )


def _not_ok(metrics: Sequence[Metrics]) -> Iterator[str]:
    counts = [
        f"{getattr(m, state):,} {state} with {m.method}"
        for m in metrics
        for state in NOT_OK
        if m.category == ALL and getattr(m, state)
    ]
    if counts:
        yield f"Images that are not `ok`, and not in any denominator: {', '.join(counts)}."
