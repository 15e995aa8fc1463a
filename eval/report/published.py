"""Published numbers beside the run's, and how far apart the two are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import i2p
import sld
from eval.measure.estimates import Estimate
from eval.measure.metrics import Metrics
from eval.measure.replication import agrees, repetition
from eval.report.concepts import is_known
from eval.store.manifest import Manifest

# The safety concept of each source's methods; the dataset's column is the baseline's alone.
CONCEPTS = {"model-card": sld.CONCEPT_OFFICIAL, "i2p-readme": sld.CONCEPT}
# Why a published number tests nothing.
RUN, PROTOCOL, METHOD = "the run was made differently", "another protocol", "another method"
CONCEPT, MAXIMUM = "another safety concept", "no standard error published"
LOST = "prompts without a judged image"
ONE = "one image per prompt"  # which says nothing of the noise that another run of the same prompts would have


@dataclass(frozen=True)
class PublishedNumber:
    """A published number beside the run's; fractions.

    Attributes:
        category: of the prompts.
        method: its name.
        metric: "probability" or "expected max".
        ours: the run's number.
        published: the published one.
        published_spread: the standard deviation of an expected maximum over draws of 25 prompts; no standard error.
        repetition_low: limit of the range in which a number of the same prompts with new noise lies in 95 % of
            repetitions; None where the published one tests nothing.
        repetition_high: likewise.
        agrees: whether the published number lies between them, give or take its rounding; None where it tests nothing.
        untested: why it tests nothing; empty where it does.
        source: a key of `i2p.published.SOURCES`.
        protocols: the names of those under which a run is about the same thing.
        inferred: whether the source leaves open which method the number is of.
    """

    category: str
    method: str
    metric: str
    ours: float
    published: float
    published_spread: float | None
    repetition_low: float | None
    repetition_high: float | None
    agrees: bool | None
    untested: str
    source: str
    protocols: tuple[str, ...]
    inferred: bool

    @property
    def difference(self) -> float:
        """The run's number minus the published one."""
        return self.ours - self.published


def beside_published(
    metrics: Sequence[Metrics], model: str | None, manifest: Manifest, *, comparable: bool = True
) -> list[PublishedNumber]:
    """Return every published number of `model` that one of the run's can be compared with; whole categories only.

    A replay of the dataset's own results is not compared with itself, and an expected maximum only with one of as many
    images per prompt, on which it depends.

    Args:
        metrics: of the run.
        model: as in `i2p.published`; None for nothing to compare with.
        manifest: of the run.
        comparable: whether nothing sets the run apart (`eval.report.description.published.reasons_not_comparable`);
            if something does, no number agrees or disagrees.
    """
    if model is None or not manifest.is_i2p:
        return []
    rows = {(m.category, m.method): m for m in metrics if m.probability is not None and _is_whole(m)}
    results = [r for r in i2p.published.results(model=model) if (r.category, r.method) in rows]
    if manifest.identity.model.replayed:
        results = [result for result in results if result.source != "dataset"]
    return [
        number
        for result in results
        for number in _numbers(rows[result.category, result.method], result, manifest, "" if comparable else RUN)
    ]


def _is_whole(m: Metrics) -> bool:
    """Whether a row is of a whole category of I2P, also if some of its prompts have lost all of their images."""
    prompts = i2p.published.PROMPTS.get(m.category)
    return prompts is not None and (m.prompts == prompts or m.planned == prompts * m.images_per_prompt)


def redefined_methods(manifest: Manifest) -> set[str]:
    """Return the methods that differ from those of the same name in `sld`; of those made elsewhere nothing is known."""
    concepts = sld.CONCEPT, sld.CONCEPT_OFFICIAL
    return {
        method.name
        for method in manifest.identity.methods
        if not method.made_elsewhere and not any(is_known(method, concept) for concept in concepts)
    }


def _numbers(m: Metrics, result: i2p.published.Result, manifest: Manifest, apart: str) -> Iterator[PublishedNumber]:
    source = i2p.published.SOURCES[result.source]
    where = {"category": m.category, "method": m.method, "source": result.source, "protocols": source.protocols}
    where["inferred"] = bool(result.inferred)
    lost = LOST if m.prompts < i2p.published.PROMPTS[m.category] else ""
    untested = apart or _untested(result, source, manifest) or lost or (ONE if None in m.same_prompts else "")
    limits = verdict = None
    if not untested:
        ours = Estimate(m.probability, *m.same_prompts)
        limits = repetition(ours, manifest.images_per_prompt, source.images_per_prompt)
        verdict = agrees(limits, result.probability, source.rounding)
    low, high = limits or (None, None)
    yield PublishedNumber(
        metric="probability", ours=m.probability, published=result.probability, published_spread=None,
        repetition_low=low, repetition_high=high, agrees=verdict, untested=untested, **where,
    )  # fmt: skip
    as_many = manifest.images_per_prompt == source.images_per_prompt
    if result.expected_max is not None and m.expected_max is not None and as_many:
        yield PublishedNumber(
            metric="expected max", ours=m.expected_max, published=result.expected_max,
            published_spread=result.expected_max_sd, repetition_low=None, repetition_high=None, agrees=None,
            untested=untested or MAXIMUM, **where,
        )  # fmt: skip


def _untested(result: i2p.published.Result, source: i2p.published.Source, manifest: Manifest) -> str:
    """Return why a number tests nothing beside a run that nothing else sets apart; empty where it does."""
    if manifest.identity.protocol.name not in source.protocols:
        return PROTOCOL
    if result.method in redefined_methods(manifest):
        return METHOD
    method = next(method for method in manifest.identity.methods if method.name == result.method)
    return "" if is_known(method, CONCEPTS.get(result.source, sld.CONCEPT)) else CONCEPT
