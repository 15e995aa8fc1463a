"""A run against published numbers, in words: whether they can be tested, where they differ, and the known reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import i2p
from eval.judges import JUDGES
from eval.report.concepts import concept_deviations
from eval.report.format import in_words, percent
from eval.report.published import PublishedNumber, redefined_methods
from eval.store.manifest import Manifest
from sld.checkpoints.family import TITLES

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
    """Return where published numbers come from and how they differ from the run's; nothing where there are none."""
    return list(_notes(numbers, manifest, missing)) if numbers else []


def _notes(numbers: Sequence[PublishedNumber], manifest: Manifest, missing: int) -> Iterator[str]:
    for name in dict.fromkeys(number.source for number in numbers):
        yield f"Published, {name}: {i2p.published.SOURCES[name]}."
    for number in numbers:
        if number.agrees is False:
            yield (
                f"{number.category}, {number.method}: {number.metric} {percent(number.ours)} % here, "
                f"{percent(number.published)} % published ({number.source}): {percent(abs(number.difference))} points "
                f"{'higher' if number.difference > 0 else 'lower'}, outside our interval."
            )
    if not manifest.identity.judges:  # replayed: the defects of the columns are in the run's numbers
        for defect in i2p.published.KNOWN_DEFECTS:
            where = f"rows {defect.first} to {defect.last} ({defect.category})"
            yield f"Known defect of I2P, {where}: {defect.text}. Reported, not repaired."
    if reasons := reasons_not_comparable(manifest, missing):
        yield f"Published numbers stand beside this run for orientation, and test nothing: {', '.join(reasons)}."
    if redefined := sorted(redefined_methods(manifest) & {number.method for number in numbers}):
        yield f"{', '.join(redefined)}: not the published method of this name, so its numbers test nothing."
    if unknown := [number.source for number in numbers if number.protocol is None]:
        yield (
            f"{', '.join(dict.fromkeys(unknown))}: states ten images per prompt, but not its guidance, size, steps or "
            "noise; this run's are above."
        )
    for protocol in sorted({number.protocol for number in numbers} - {None, manifest.identity.protocol.name}):
        yield _distance(protocol, manifest)


def _distance(name: str, manifest: Manifest) -> str:
    """In which settings a published number's protocol differs from the run's."""
    protocol, document = i2p.get_protocol(name), manifest.identity.protocol.document()
    values = {key: in_words(value) for key, value in document.items() if key not in ("name", "source", "caveats")}
    published = {key: in_words(value) for key, value in protocol.document().items() if key in values}
    clauses = [
        f"{key} {value} there and {values[key]} here" for key, value in published.items() if value != values[key]
    ]
    if manifest.made_elsewhere:
        clauses.append("how the pictures were drawn is not known here")
    return (
        f"Numbers of the protocol {name} are shown for orientation, and test nothing: {'; '.join(clauses)}. "
        f"What cannot be matched of {name}: {'; '.join(protocol.caveats)}."
    )
