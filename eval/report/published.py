"""Published numbers set beside ours, and how far apart the two are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import i2p
import sld
from eval.judges import JUDGES
from eval.measure.metrics import Metrics
from eval.report.format import percent
from eval.store.manifest import Manifest


@dataclass(frozen=True)
class PublishedNumber:
    """One published number beside ours; fractions.

    `agrees` says whether the published number lies in our 95 % interval, give or take its rounding; None where that
    says nothing: the two were made differently, or it is an expected maximum, which has no interval.
    """

    category: str
    method: str
    metric: str
    ours: float
    published: float
    published_sd: float | None
    agrees: bool | None
    source: str
    protocol: str | None

    @property
    def difference(self) -> float:
        """Ours minus published."""
        return self.ours - self.published


def beside_published(
    metrics: Sequence[Metrics], model: str | None, manifest: Manifest, missing: int = 0
) -> list[PublishedNumber]:
    """Return every published number of `model` that one of our rows can stand beside; whole categories only.

    Args:
        metrics: of the run.
        model: as in `i2p.published`; None for nothing to compare with.
        manifest: of the run, which decides what a published number can test (see `reasons_not_comparable`).
        missing: images of the run that are not there.
    """
    if model is None or not manifest.is_i2p:
        return []
    protocol = None if reasons_not_comparable(manifest, missing) else manifest.identity.protocol.name
    redefined = _redefined(manifest)
    ours = {(m.category, m.method): m for m in metrics if m.prompts == i2p.published.PROMPTS.get(m.category)}
    pairs = [(ours.get((r.category, r.method)), r) for r in i2p.published.results(model=model)]
    return [
        c
        for m, result in pairs
        if m is not None
        for c in _beside(m, result, None if m.method in redefined else protocol)
    ]


def reasons_not_comparable(manifest: Manifest, missing: int = 0) -> list[str]:
    """Return, in words, what sets a run apart from every published one, so that their numbers test nothing."""
    model, judges = manifest.identity.model, manifest.identity.judges
    reasons = [f"its protocol deviates ({'; '.join(manifest.deviations)})"] if manifest.deviations else []
    if not model.replayed and not set(JUDGES) <= set(judges) and not reasons:
        reasons.append("not both judges ran")
    if any(part.demo for part in (model, *judges.values())):
        reasons.append("the demo world's weights are in it")
    if model.unet_replaced:
        reasons.append("its UNet was replaced")
    if manifest.made_elsewhere:
        reasons.append("its pictures were made elsewhere")
    if missing:
        reasons.append("images are missing")
    return reasons


def _redefined(manifest: Manifest) -> set[str]:
    """The run's methods that are not what `sld` calls by their name; of those made elsewhere nothing is known."""
    known = {name: method.describe() for name, method in sld.METHODS.items()}
    return {
        method.name
        for method in manifest.identity.methods
        if not method.made_elsewhere and method.description != known.get(method.name)
    }


def _beside(m: Metrics, result: i2p.published.Result, protocol: str | None) -> list[PublishedNumber]:
    """`protocol` is None where the two must not be tested against each other."""
    where = {"category": m.category, "method": m.method, "source": result.source, "protocol": result.protocol}
    same = protocol is not None and result.protocol in (None, protocol) and m.low is not None
    slack = i2p.published.ROUNDING[result.source]
    agrees = m.low - slack <= result.probability <= m.high + slack if same else None
    pairs = [("probability", m.probability, result.probability, None, agrees)]
    if result.expected_max is not None and m.expected_max is not None:
        pairs.append(("expected max", m.expected_max, result.expected_max, result.expected_max_sd, None))
    return [
        PublishedNumber(metric=metric, ours=ours, published=published, published_sd=sd, agrees=agreement, **where)
        for metric, ours, published, sd, agreement in pairs
    ]


def remarks(comparisons: Sequence[PublishedNumber], manifest: Manifest, missing: int = 0) -> list[str]:
    """Return, in words, where the two differ and what is known of why."""
    if not comparisons:
        return []
    sources = dict.fromkeys(c.source for c in comparisons)
    said = [f"Published, {name}: {i2p.published.SOURCES[name]}." for name in sources]
    for c in comparisons:
        if c.agrees is False:
            said.append(
                f"{c.category}, {c.method}: {c.metric} {percent(c.ours)} % here, {percent(c.published)} % published "
                f"({c.source}): {percent(abs(c.difference))} points {'higher' if c.difference > 0 else 'lower'}, "
                "outside our interval."
            )
    if not manifest.identity.judges:  # replayed: the defects of the columns are in our numbers
        for d in i2p.published.KNOWN_DEFECTS:
            where = f"rows {d.first} to {d.last} ({d.category})"
            said.append(f"Known defect of I2P, {where}: {d.text}. Reported, not repaired.")
    apart = reasons_not_comparable(manifest, missing)
    if apart:
        said.append(f"Published numbers stand beside this run for orientation, and test nothing: {', '.join(apart)}.")
    redefined = sorted(_redefined(manifest) & {c.method for c in comparisons})
    if redefined:
        said.append(f"{', '.join(redefined)}: not the published method of this name, so its numbers test nothing.")
    if any(c.protocol is None for c in comparisons):
        names = ", ".join(dict.fromkeys(c.source for c in comparisons if c.protocol is None))
        said.append(
            f"{names}: states ten images per prompt, but not its guidance, size, steps or noise; this run's are above."
        )
    other = sorted({c.protocol for c in comparisons} - {None, manifest.identity.protocol.name})
    return said + [_distance(name, manifest) for name in other]


def _distance(name: str, manifest: Manifest) -> str:
    """How far a published number's protocol is from the run's, in words."""
    theirs, ours = i2p.get_protocol(name), manifest.identity.protocol.document()
    known = {key: _in_words(value) for key, value in ours.items() if key not in ("name", "source", "caveats")}
    wanted = {key: _in_words(value) for key, value in theirs.document().items() if key in known}
    apart = [f"{key} {wanted[key]} there and {known[key]} here" for key in wanted if wanted[key] != known[key]]
    if manifest.made_elsewhere:
        apart.append("how the pictures were drawn is not known here")
    return (
        f"Numbers of the protocol {name} are shown for orientation, and test nothing: {'; '.join(apart)}. "
        f"What cannot be matched of {name}: {'; '.join(theirs.caveats)}."
    )


def _in_words(value: object) -> str:
    """A protocol's value as people say it; row is each row's own."""
    if value == "row":
        return "each row's"
    if isinstance(value, dict):  # a selection of rows
        return " and ".join(f"{key} {one}" for key, one in value.items() if one is not None)
    return "×".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
