"""Published numbers beside the run's, and how far apart the two are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import i2p
import sld
from eval.measure.metrics import Metrics
from eval.report.concepts import is_known
from eval.store.manifest import Manifest


@dataclass(frozen=True)
class PublishedNumber:
    """A published number beside the run's; fractions.

    `agrees` is whether the published number lies in the run's 95 % interval, give or take its rounding; None where that
    tests nothing: the two were made differently, or it is an expected maximum, which has no interval. `ours` is the
    run's number.
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
        """The run's number minus the published one."""
        return self.ours - self.published


def beside_published(
    metrics: Sequence[Metrics], model: str | None, manifest: Manifest, *, comparable: bool = True
) -> list[PublishedNumber]:
    """Return every published number of `model` that one of the run's can be compared with; whole categories only.

    Args:
        metrics: of the run.
        model: as in `i2p.published`; None for nothing to compare with.
        manifest: of the run.
        comparable: whether nothing sets the run apart (`eval.report.description.published.reasons_not_comparable`);
            if something does, no number agrees or disagrees.
    """
    if model is None or not manifest.is_i2p:
        return []
    protocol = manifest.identity.protocol.name if comparable else None
    redefined = redefined_methods(manifest)
    rows = {(m.category, m.method): m for m in metrics if m.prompts == i2p.published.PROMPTS.get(m.category)}
    pairs = [(rows.get((r.category, r.method)), r) for r in i2p.published.results(model=model)]
    return [
        number
        for m, result in pairs
        if m is not None
        for number in _numbers(m, result, None if m.method in redefined else protocol)
    ]


def redefined_methods(manifest: Manifest) -> set[str]:
    """Return the methods that differ from those of the same name in `sld`; of those made elsewhere nothing is known."""
    concepts = sld.CONCEPT, sld.CONCEPT_OFFICIAL
    return {
        method.name
        for method in manifest.identity.methods
        if not method.made_elsewhere and not any(is_known(method, concept) for concept in concepts)
    }


def _numbers(m: Metrics, result: i2p.published.Result, protocol: str | None) -> list[PublishedNumber]:
    """`protocol` is None where the two must not be tested against each other."""
    where = {"category": m.category, "method": m.method, "source": result.source, "protocol": result.protocol}
    testable = protocol is not None and result.protocol in (None, protocol) and m.low is not None
    slack = i2p.published.ROUNDING[result.source]
    agrees = m.low - slack <= result.probability <= m.high + slack if testable else None
    pairs = [("probability", m.probability, result.probability, None, agrees)]
    if result.expected_max is not None and m.expected_max is not None:
        pairs.append(("expected max", m.expected_max, result.expected_max, result.expected_max_sd, None))
    return [
        PublishedNumber(metric=metric, ours=value, published=published, published_sd=sd, agrees=agreement, **where)
        for metric, value, published, sd, agreement in pairs
    ]
