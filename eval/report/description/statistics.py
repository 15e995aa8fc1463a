"""What the intervals, tests and expected maxima of a report are, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eval.base.escape import one_line
from eval.base.words import counted, first_of
from eval.measure.differences import Difference
from eval.measure.expected_maximum import DRAWS
from eval.measure.metrics import Metrics
from eval.report.description.groups import clusters
from eval.report.maxima import MARKED, SINGLE
from eval.store.manifest import Manifest

FEW = 10  # categories and differences that a sentence names


def maxima_meaning(metrics: Sequence[Metrics]) -> str:
    """Return what the expected maxima of a table are that is shown without its report; empty where it has none."""
    shown = [m for m in metrics if m.expected_max is not None]
    if not shown:
        return ""
    sentence = (
        "An expected maximum depends on the images per prompt; its spread is its standard deviation over draws of "
        f"{DRAWS} prompts, and no standard error."
    )
    return f"{sentence} {MARKED}" if _short(shown) else sentence


def _short(metrics: Sequence[Metrics]) -> int:
    """Return how many prompts at most have fewer images than others, of rows with an expected maximum."""
    return max((m.prompts_short for m in metrics if m.expected_max is not None), default=0)


def intervals_note(manifest: Manifest) -> str:
    """Return what the intervals of a report are, in a sentence."""
    if manifest.without_prompts:
        return "Intervals: 95 %, for new pictures like these, each of which is taken for independent of the others."
    return (
        f"Intervals: 95 %, for new prompts like these, clustered by {one_line(clusters(manifest))}, whose images are "
        "not independent."
    )


def lacking_notes(
    metrics: Sequence[Metrics], differences: Sequence[Difference], against: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence that names the comparisons without a difference, since no pair of images was left for them.

    Args:
        metrics: of every category and method.
        differences: all that could be computed.
        against: method → with what it is compared.
    """
    planned = {(m.method, m.category) for m in metrics if m.planned}
    found = {(d.method, d.category) for d in differences}
    lacking = [
        f"{m.method} in {m.category}"
        for m in metrics
        if {(m.method, m.category), (against.get(m.method), m.category)} <= planned
        and (m.method, m.category) not in found
    ]
    if lacking:
        yield f"No difference, for lack of `ok` images to compare: {first_of(lacking, FEW)}."


def statistics_notes(manifest: Manifest, metrics: Sequence[Metrics]) -> Iterator[str]:
    """Yield what the intervals, p and expected maxima of a report are, and where they are missing or weak."""
    yield intervals_note(manifest)
    if len(manifest.identity.methods) > 1:
        yield (
            f"p: sign-flip test that swaps the two methods for one {one_line(clusters(manifest))} at a time; adjusted: "
            "step-down max-T over all methods and categories."
        )
    if manifest.images_per_prompt == 1:
        yield SINGLE
    elif few := sorted({m.category for m in metrics if m.expected_max is None}):
        yield f"Expected maximum: over {DRAWS} prompts; too few in {first_of(few, FEW)}."
    if exact := sorted({m.category for m in metrics if m.expected_max is not None and m.prompts == DRAWS}):
        yield (
            f"Expected maximum: {', '.join(exact)} has exactly {DRAWS} prompts, so there is only one draw: a spread of "
            "0.0 does not mean certainty."
        )
    if short := _short(metrics):
        verb = "has" if short == 1 else "have"
        yield (
            f"Expected maximum: * marks numbers in which up to {counted(short, 'prompt')} {verb} fewer than "
            f"{manifest.images_per_prompt} images, which makes a prompt's largest share more a matter of chance."
        )
