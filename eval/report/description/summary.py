"""A run in a sentence or two: above its page and tables, and below a figure that is shown without its report."""

from __future__ import annotations

from eval.base.words import counted, counted_of, in_sentences
from eval.measure.by_definition import ByDefinition
from eval.measure.expected_maximum import DRAWS
from eval.report.description.cost import cost_meaning
from eval.report.description.definitions import counting_notes
from eval.report.description.facts import judge_titles
from eval.report.description.groups import clusters
from eval.report.description.methods import extensions
from eval.report.description.statistics import intervals_note, maxima_meaning
from eval.report.description.unjudged import lost
from eval.report.report import Report
from eval.store.manifest import Manifest
from i2p.categories import ALL


def lead(report: Report) -> str:
    """Return the run in one sentence."""
    manifest = report.manifest
    return f"{_drawn(manifest)}, {counted(len(report.methods), 'method')}, judged by {_judges(manifest)}."


def _judges(manifest: Manifest) -> str:
    return ", and ".join(judge_titles(manifest).values()) or "the dataset's authors"


def _drawn(manifest: Manifest) -> str:
    count = manifest.identity.prompts.count
    if manifest.without_prompts:
        return f"{counted(count, 'picture')} per method, each a prompt of its own"
    return f"{counted(count, 'prompt')}, {counted(manifest.images_per_prompt, 'image')} per prompt"


def judged_counts(report: Report) -> str:
    """Return how many pictures were judged and how many were not, in a sentence."""
    judged = sum(m.images for m in report.metrics if m.category == ALL)
    unjudged = report.stored.images - judged
    return counted_of(judged, report.stored.images, "picture", "was") + (
        f" judged; {unjudged:,} {'was' if unjudged == 1 else 'were'} not." if unjudged else " judged."
    )


def about(report: Report) -> str:
    """Return what the numbers are of, in sentences of plain text, for a table that is shown without its report."""
    identity, deviations = report.manifest.identity, "; ".join(report.manifest.deviations)
    protocol, extended = identity.protocol, extensions(report.manifest)
    missing = f"{counted_of(report.missing, report.stored.images, 'image', 'is')} missing" if report.missing else ""
    texts = [
        f"Model: {identity.model.source}",
        f"{counted(identity.prompts.count, 'prompt')}, images per prompt: {protocol.images_per_prompt}, "
        f"protocol {protocol.name}",
        f"Judged by {_judges(report.manifest)}",
        f"Inappropriate: {report.by_definition.counted.counts}",
        *counting_notes(report.by_definition.counted),
        intervals_note(report.manifest),
        cost_meaning(report),
        maxima_meaning(report.metrics),
        deviations and f"Deviations from the protocol: {deviations}{lossy_mark(report.manifest)}",
        f"An extension of Safe Latent Diffusion: {', '.join(extended)}" if extended else "",
        lost(report.metrics),
        missing and f"INCOMPLETE: {missing}",
    ]
    return in_sentences(texts)


def under_figure(report: Report) -> str:
    """Return what the numbers are of in a line or two, for a figure."""
    deviations, definition = len(report.manifest.deviations), report.by_definition.counted
    changed = f" with {counted(deviations, 'deviation')}" if deviations else ""
    missing = f"INCOMPLETE: {counted(report.missing, 'image')} missing. " if report.missing else ""
    words = f"{words}. " if (words := lost(report.metrics)) else ""
    protocol = report.manifest.identity.protocol.name
    return (
        f"{missing}{words}Protocol {protocol}{changed}, definition {definition.name}: {definition.counts}. "
        f"Intervals: new prompts, clustered by {clusters(report.manifest)}"
    )


def lossy_mark(manifest: Manifest) -> str:
    """Return what headings add for a run that trades accuracy for speed; empty for any other."""
    return f" (lossy: {'; '.join(manifest.lossy)})" if manifest.lossy else ""


def definition_mark(by_definition: ByDefinition) -> str:
    """Return what headings add for a report by another definition than the run's own; empty for any other."""
    return "" if by_definition.is_own else f" (by definition {by_definition.counted.name}, not by the run's own)"


def extension_mark(manifest: Manifest) -> str:
    """Return what headings add for safety guidance that goes beyond the paper; empty without any."""
    names = extensions(manifest)
    return f" (an extension of Safe Latent Diffusion: {', '.join(names)})" if names else ""


def marks(report: Report) -> str:
    """Return all marks, for a heading above probabilities."""
    return definition_mark(report.by_definition) + lossy_mark(report.manifest) + extension_mark(report.manifest)


def probability_heading(report: Report) -> str:
    """Return the heading of the inappropriate probabilities."""
    return f"Inappropriate probability, %{marks(report)}"


def expected_max_heading(report: Report) -> str:
    """Return the heading of the expected maxima, which depend on the number of images per prompt."""
    images = counted(report.manifest.images_per_prompt, "image")
    return f"Expected maximum inappropriateness over {DRAWS} prompts, {images} per prompt, %{marks(report)}"


def differences_heading(report: Report) -> str:
    """Return the heading of the differences, which names what the two pictures of a pair share."""
    shared = "prompts" if report.manifest.made_elsewhere else "prompts and noise"
    shared = "file names" if report.manifest.without_prompts else shared
    return f"Paired, on the same {shared}{definition_mark(report.by_definition)}"


def published_heading(report: Report) -> str:
    """Return the heading of the published numbers."""
    return f"Published numbers beside this run's{definition_mark(report.by_definition)}"


def gallery_notes(report: Report, included: int, changed: int) -> list[str]:
    """Return which pictures the page shows and which it leaves out.

    Args:
        report: of the run.
        included: how many prompts are shown.
        changed: how many are left out because a picture of theirs is not the one that was judged.
    """
    if report.options.gallery == "off":
        return ["Pictures are switched off (report.gallery=off)."]
    notes = []
    if included:
        noise = "" if report.manifest.made_elsewhere else ", from the same noise"
        notes.append(
            counted_of(included, len(report.stored.prompts), "prompt", "is", whose="the run's ")
            + f" shown, each category's first in turn, with one picture per method{noise}."
        )
    elif not changed:
        notes.append("No prompt of this run has a kept picture under every method, so none is shown.")
    if changed:
        notes.append(
            f"{counted(changed, 'prompt')} {'is' if changed == 1 else 'are'} left out, since a picture of theirs can't "
            "be read or is not the one that was judged; see verify=true."
        )
    return notes
