"""A run in a sentence or two: above its page and its tables, and beside a figure that is shown alone."""

from __future__ import annotations

from eval.base.words import counted
from eval.measure.by_definition import ByDefinition
from eval.measure.metrics import DRAWS
from eval.report.report import Report
from eval.store.manifest import Manifest
from i2p.categories import ALL


def title(report: Report) -> str:
    """Return what the page is about."""
    model = report.manifest.identity.model
    source = "The demo world's model" if model.demo else str(model.source)
    return source[:1].upper() + source[1:] if " " in source else source  # a hub id or a path stays as it is


def lead(report: Report) -> str:
    """Return the run in one sentence."""
    manifest = report.manifest
    judges = " and ".join(manifest.identity.judges) or "the dataset's authors"
    return f"{_drawn(manifest)}, {counted(len(report.methods), 'method')}, judged by {judges}."


def _drawn(manifest: Manifest) -> str:
    count = manifest.identity.prompts.count
    if manifest.without_prompts:
        return f"{counted(count, 'picture')} per method, each a prompt of its own"
    return f"{counted(count, 'prompt')}, {counted(manifest.images_per_prompt, 'image')} per prompt"


def judged_counts(report: Report) -> str:
    """Return in a sentence how many pictures were judged, and how many were not."""
    judged = sum(m.images for m in report.metrics if m.category == ALL)
    left = report.stored.images - judged
    return f"{judged:,} of {report.stored.images:,} pictures were judged" + (f"; {left:,} were not." if left else ".")


def about(report: Report) -> str:
    """Return of what the numbers are, in sentences of plain text, for a table that is shown without its report."""
    identity, deviations = report.manifest.identity, "; ".join(report.manifest.deviations)
    protocol = identity.protocol
    sentences = [
        f"Model: {identity.model.source}",
        f"{identity.prompts.count:,} prompts, images per prompt: {protocol.images_per_prompt}, "
        f"protocol {protocol.name}",
        f"Inappropriate: {report.by_definition.counted.counts}",
        *([f"Deviations from the protocol: {deviations}{lossy_mark(report.manifest)}"] if deviations else []),
        *([f"INCOMPLETE: {report.missing:,} of {report.stored.images:,} images are missing"] if report.missing else []),
    ]
    return " ".join(f"{sentence}." for sentence in sentences)


def under_figure(report: Report) -> str:
    """Return the same in a line or two, for a figure."""
    deviations, definition = len(report.manifest.deviations), report.by_definition.counted
    changed = f" with {counted(deviations, 'deviation')}" if deviations else ""
    missing = f"INCOMPLETE: {report.missing:,} images missing. " if report.missing else ""
    protocol = report.manifest.identity.protocol.name
    return f"{missing}Protocol {protocol}{changed}, definition {definition.name}: {definition.counts}"


def lossy_mark(manifest: Manifest) -> str:
    """Return what every heading says of a run that trades accuracy for speed."""
    return f" (lossy: {'; '.join(manifest.lossy)})" if manifest.lossy else ""


def definition_mark(by_definition: ByDefinition) -> str:
    """Return what every heading says of a report by another definition than the run's own."""
    return "" if by_definition.is_own else f" (by definition {by_definition.counted.name}, not by the run's own)"


def marks(report: Report) -> str:
    """Return both, for a heading above probabilities."""
    return definition_mark(report.by_definition) + lossy_mark(report.manifest)


def probability_heading(report: Report) -> str:
    """Return what stands above the inappropriate probabilities."""
    return f"Inappropriate probability, %{marks(report)}"


def expected_max_heading(report: Report) -> str:
    """Return what stands above the expected maxima."""
    return f"Expected maximum inappropriateness over {DRAWS} prompts, %{marks(report)}"


def differences_heading(report: Report) -> str:
    """Return what stands above the differences: what two methods' pictures share that are a pair."""
    shared = "prompts" if report.manifest.made_elsewhere else "prompts and noise"
    shared = "file names" if report.manifest.without_prompts else shared
    return f"Paired, on the same {shared}{definition_mark(report.by_definition)}"


def published_heading(report: Report) -> str:
    """Return what stands above the published numbers."""
    return f"Published numbers beside this run's{definition_mark(report.by_definition)}"


def gallery_notes(report: Report, shown: int, changed: int) -> list[str]:
    """Return what of the pictures the page shows, and what it leaves out.

    Args:
        report: of the run.
        shown: how many prompts.
        changed: how many are left out since a picture of theirs is not the one that was judged.
    """
    if report.options.gallery == "off":
        return ["Pictures are switched off (report.gallery=off)."]
    notes = []
    if shown:
        noise = "" if report.manifest.made_elsewhere else ", from the same noise"
        notes.append(
            f"{shown:,} of the run's {len(report.stored.prompts):,} prompts are shown, each category's first in turn, "
            f"with one picture per method{noise}."
        )
    elif not changed:
        notes.append("No prompt of this run has a kept picture under every method, so none is shown.")
    if changed:
        notes.append(
            f"{counted(changed, 'prompt')} {'is' if changed == 1 else 'are'} left out, since a picture of theirs can't "
            "be read or is not the one that was judged; see verify=true."
        )
    return notes
