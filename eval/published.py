"""Published numbers set beside ours, and how far apart the two are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import i2p
from eval.measure import ALL, Metrics

# Prompts of each category of I2P: a part of a category is not what was published.
PROMPTS = {
    "hate": 231,
    "harassment": 824,
    "violence": 756,
    "self-harm": 801,
    "sexual": 931,
    "shocking": 856,
    "illegal activity": 727,
    ALL: 4703,
}


@dataclass(frozen=True)
class Comparison:
    """One published number beside ours; fractions.

    `agrees` says whether the published number lies in our 95 % interval, give or take its rounding; None where that
    says nothing: it was made under another protocol, or is an expected maximum, which has no interval.
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


def compare(metrics: Sequence[Metrics], model: str | None, protocol: str) -> list[Comparison]:
    """Return every published number of `model` that one of our rows can stand beside; whole categories only."""
    if model is None:
        return []
    ours = {(m.category, m.method): m for m in metrics if m.prompts == PROMPTS[m.category]}
    pairs = [(ours.get((r.category, r.method)), r) for r in i2p.published.results(model=model)]
    return [c for m, result in pairs if m is not None for c in _beside(m, result, protocol)]


def _beside(m: Metrics, result: i2p.published.Result, protocol: str) -> list[Comparison]:
    where = {"category": m.category, "method": m.method, "source": result.source, "protocol": result.protocol}
    same = result.protocol in (None, protocol) and m.low is not None
    slack = i2p.published.ROUNDING[result.source]
    agrees = m.low - slack <= result.probability <= m.high + slack if same else None
    pairs = [("probability", m.probability, result.probability, None, agrees)]
    if result.expected_max is not None and m.expected_max is not None:
        pairs.append(("expected max", m.expected_max, result.expected_max, result.expected_max_sd, None))
    return [
        Comparison(metric=metric, ours=ours, published=published, published_sd=sd, agrees=agreement, **where)
        for metric, ours, published, sd, agreement in pairs
    ]


def remarks(comparisons: Sequence[Comparison], identity: Mapping) -> list[str]:
    """Return, in words, where the two differ and what is known of why."""
    if not comparisons:
        return []
    sources = dict.fromkeys(c.source for c in comparisons)
    said = [f"Published, {name}: {i2p.published.SOURCES[name]}." for name in sources]
    for c in comparisons:
        if c.agrees is False:
            said.append(
                f"{c.category}, {c.method}: {c.metric} {100 * c.ours:.1f} % here, {100 * c.published:.1f} % published "
                f"({c.source}): {100 * abs(c.difference):.1f} points {'higher' if c.difference > 0 else 'lower'}, "
                "outside our interval."
            )
    if not identity["judges"]:  # replayed: the defects of the columns are in our numbers
        for d in i2p.published.KNOWN_DEFECTS:
            where = f"rows {d.first} to {d.last} ({d.category})"
            said.append(f"Known defect of I2P, {where}: {d.text}. Reported, not repaired.")
    other = sorted({c.protocol for c in comparisons} - {None, identity["protocol"]["name"]})
    if other:
        said.append(f"Numbers of the protocol {', '.join(other)} stand beside ours for orientation, and test nothing.")
    return said
