"""A run against published numbers, in words: whether they can be tested, where they differ, and the known reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import i2p
import sld
from eval.judges import JUDGES
from eval.report.concepts import concept_deviations
from eval.report.format import in_words, percent
from eval.report.published import CONCEPT, CONCEPTS, PublishedNumber, redefined_methods
from eval.store.manifest import Manifest
from i2p.categories import ALL
from sld.checkpoints.family import TITLES

CONCEPT_NAMES = {sld.CONCEPT_OFFICIAL: "the paper's own text", sld.CONCEPT: "that of diffusers' pipeline"}
NONE = "None: no number is published for this model on whole categories that the run covers."


def reasons_not_comparable(manifest: Manifest, missing: int = 0) -> list[str]:
    """Return as clauses what sets a run apart from every published one; with any, published numbers test nothing."""
    model, judges = manifest.identity.model, manifest.identity.judges
    of_methods = concept_deviations(manifest)  # of some methods only, which are not tested
    deviations = [deviation for deviation in manifest.deviations if deviation not in of_methods]
    reasons = [f"its protocol deviates ({'; '.join(deviations)})"] if deviations else []
    if not model.replayed and not set(JUDGES) <= set(judges) and not reasons:
        reasons.append("not both judges ran")
    if any(part.demo for part in (model, *judges.values())):
        reasons.append("the demo world's weights are in it")
    if parts := [TITLES[part] for part in model.replaced_parts]:
        reasons.append(f"its {' and '.join(parts)} {'were' if len(parts) > 1 else 'was'} replaced")
    if model.loras:
        reasons.append("LoRAs were fused into it")
    if manifest.made_elsewhere:
        reasons.append("its pictures were made elsewhere")
    if missing:
        reasons.append("images are missing")
    return reasons


def published_notes(numbers: Sequence[PublishedNumber], manifest: Manifest, missing: int = 0) -> list[str]:
    """Return where published numbers come from and how they differ from the run's; nothing where there are none.

    Args:
        numbers: for people, whose methods have names for print.
        manifest: of the run.
        missing: how many images are still to be made or judged.
    """
    return list(_notes(numbers, manifest, missing)) if numbers else []


def _notes(numbers: Sequence[PublishedNumber], manifest: Manifest, missing: int) -> Iterator[str]:
    yield from _sources(numbers)
    if any(number.agrees is not None for number in numbers):
        older = " The sources had an older NudeNet, which can be a reason too."
        yield (
            "A published number agrees if it lies where another run of the same prompts with new noise lies in 95 of "
            f"100 repetitions, give or take its rounding; so 1 in 20 sound numbers disagree by chance."
            f"{older if 'nudenet' in manifest.identity.judges else ''}"
        )
    for number in numbers:
        if number.agrees is False:
            yield (
                f"{number.category}, {number.method}: {number.metric} {percent(number.ours)} % here, "
                f"{percent(number.published)} % published ({number.source}): {percent(abs(number.difference))} points "
                f"{'higher' if number.difference > 0 else 'lower'}, outside the range of "
                f"repetitions, {percent(number.repetition_low)} to {percent(number.repetition_high)} %."
            )
    replayed = not manifest.identity.judges  # then the defects of the column are in the run's numbers
    shown = {number.category for number in numbers if number.source == "dataset" or replayed}
    for defect in i2p.published.KNOWN_DEFECTS:
        if shown & {defect.category, ALL}:
            where = f"rows {defect.first} to {defect.last} ({defect.category})"
            yield f"Known defect of I2P, {where}: {defect.text}. Reported, not repaired."
    if reasons := reasons_not_comparable(manifest, missing):
        yield f"Published numbers stand beside this run for orientation, and test nothing: {', '.join(reasons)}."
    methods = {number.method for number in numbers}
    if redefined := sorted(methods & set(map(manifest.settings.in_print, redefined_methods(manifest)))):
        yield f"{', '.join(redefined)}: not the published method of this name, so its numbers test nothing."
    for source, names in _with_other_concepts(numbers).items():
        yield (
            f"{', '.join(names)}: drawn with another safety concept than the numbers of {source} "
            f"({CONCEPT_NAMES[CONCEPTS[source]]}), which therefore test nothing."
        )
    own = manifest.identity.protocol.name
    for protocols in sorted({number.protocols for number in numbers if own not in number.protocols}):
        yield _distance(protocols, manifest)


def _sources(numbers: Sequence[PublishedNumber]) -> Iterator[str]:
    """Where the numbers come from, and what the sources leave open."""
    for name in dict.fromkeys(number.source for number in numbers):
        inferred = any(number.inferred for number in numbers if number.source == name)
        doubt = f"; {i2p.published.INFERRED[name]}" if inferred else ""
        yield f"Published, {name}: {i2p.published.SOURCES[name].text}{doubt}."
    if any(number.source == "model-card" for number in numbers):
        yield (
            "model-card: states ten images per prompt, but not its guidance, size, steps or noise; this run's are "
            "above."
        )


def _with_other_concepts(numbers: Sequence[PublishedNumber]) -> dict[str, list[str]]:
    """The methods whose numbers test nothing for their safety concept alone, by source."""
    names: dict[str, list[str]] = {}
    for number in numbers:
        if number.untested == CONCEPT:
            names.setdefault(number.source, []).append(number.method)
    return {source: list(dict.fromkeys(methods)) for source, methods in names.items()}


def _distance(names: Sequence[str], manifest: Manifest) -> str:
    """In which settings the first of the protocols that go with published numbers differs from the run's."""
    protocol, document = i2p.get_protocol(names[0]), manifest.identity.protocol.document()
    values = {key: in_words(value) for key, value in document.items() if key not in ("name", "source", "caveats")}
    published = {key: in_words(value) for key, value in protocol.document().items() if key in values}
    clauses = [
        f"{key} {value} there and {values[key]} here" for key, value in published.items() if value != values[key]
    ]
    if manifest.made_elsewhere:
        clauses.append("how the pictures were drawn is not known here")
    return (
        f"Numbers of the protocol {' or '.join(names)} are shown for orientation, and test nothing: "
        f"{'; '.join(clauses)}. What cannot be matched of {names[0]}: {'; '.join(protocol.caveats)}."
    )
