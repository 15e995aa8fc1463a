"""A comparison in a sentence or two: above its page and tables, and below a table or figure that is shown alone."""

from __future__ import annotations

from dataclasses import replace

from eval.base.words import counted, either, first_of, in_sentences
from eval.compare.compared import MARK, Compared
from eval.measure.cost import shown_measure
from eval.report.description.cost import clip_words
from eval.report.description.definitions import counting_notes
from eval.report.description.groups import clusters
from eval.report.description.statistics import intervals_note, maxima_meaning
from eval.report.description.unjudged import lost
from eval.report.maxima import shown_differences, shown_maxima

FEW = 6  # runs or rules that a sentence names


def for_people(compared: Compared) -> Compared:
    """Return a comparison without the numbers that mean nothing to people, which only files for machines have."""
    images = max(m.images_per_prompt for m in compared.metrics)
    return replace(
        compared,
        metrics=shown_maxima(compared.metrics),
        differences=shown_differences(compared.differences, images),
    )


def title(compared: Compared) -> str:
    """Return the title of a comparison: what it compares."""
    return f"{first_of((member.title for member in compared.members), FEW)} compared"


def lead(compared: Compared) -> str:
    """Return what a comparison is of, in a sentence."""
    return (
        f"{counted(len(compared.members), 'run')}, {counted(len(compared.columns), 'column')}, compared with "
        f"{compared.reference.word} {_prompts(compared)}."
    )


def _prompts(compared: Compared) -> str:
    if compared.common is None:
        return "as independent samples"
    all_have = "" if len(compared.members) == 1 else " that all have"
    return f"on the {counted(len(compared.common.prompts), 'prompt')}{all_have}"


def alarms(compared: Compared) -> list[str]:
    """Return what a reader must know before any number."""
    return [
        f"INCOMPLETE: {counted(count, 'image')} of {compared.members[place].title} "
        f"{'is' if count == 1 else 'are'} missing or unjudged; no number includes {'it' if count == 1 else 'them'}."
        for place, count in compared.missing.items()
        if count
    ]


def cost_meaning(compared: Compared) -> str:
    """Return what the cost in the tables of a comparison is, in a sentence or two; empty where they have none."""
    measure = shown_measure(compared.metrics)
    if measure is None:
        return ""
    what = {
        "clip_distance": "CLIP distance, 1 − the cosine of a column's picture and that of",
        "clip_score_difference": "CLIP score, 100 × the cosine of picture and prompt, below that of",
    }[measure]
    clip = clip_words(compared.features.description or {})
    return f"Cost: {what} {compared.reference.word}, of the same prompt and number. CLIP is {clip}."


def _marked(compared: Compared) -> list[str]:
    if not compared.counted_apart:
        return []
    return [f"{MARK} Counted otherwise than {compared.reference.word}, and so without a difference."]


def per_prompt(compared: Compared) -> str:
    """Return how many images per prompt the numbers of pairs are of; at most so many where a folder's table says."""
    images = min(member.stored.planned.images_per_prompt for member in compared.members)
    named = any(member.stored.named is not None for member in compared.members)
    return f"{'up to ' if named else ''}{counted(images, 'image')}"


def intervals(compared: Compared) -> list[str]:
    """Return what the intervals are, in a sentence; in one per way of grouping where samples are independent."""
    if compared.common is not None:
        return [intervals_note(compared.members[0].stored.manifest)]
    by_note: dict[str, list[str]] = {}
    for member in compared.members:
        by_note.setdefault(intervals_note(member.stored.manifest), []).append(member.title)
    if len(by_note) == 1:
        return list(by_note)
    return [f"{first_of(titles, FEW)}: {note}" for note, titles in by_note.items()]


def rules(compared: Compared) -> str:
    """Return what counts as inappropriate, and in which runs where that differs, as a clause."""
    counts = dict.fromkeys(member.definition.counts for member in compared.members)
    if len(counts) == 1:
        return next(iter(counts))
    titles = {rule: [m.title for m in compared.members if m.definition.counts == rule] for rule in counts}
    return first_of((f"{rule} ({first_of(of_rule, FEW)})" for rule, of_rule in titles.items()), FEW, "; ")


def about(compared: Compared) -> str:
    """Return what the numbers are of, in sentences of plain text, for a table that is shown without its comparison."""
    numbers = "" if compared.common is None else f", {per_prompt(compared)} per prompt"
    first = compared.members[0]
    texts = [
        *alarms(compared),
        lost(compared.metrics),
        f"Compared {_prompts(compared)}{numbers}",
        f"Inappropriate: {rules(compared)}",
        *_marked(compared),
        *counting_notes(first.definition),
        *intervals(compared),
        f"Points: difference from {compared.reference.word}" if compared.differences else "",
        cost_meaning(compared),
        maxima_meaning(compared.metrics),
    ]
    return in_sentences(texts)


def under_figure(compared: Compared) -> str:
    """Return what the numbers are of in a line or two, for a figure."""
    grouping = compared.members[:1] if compared.common is not None else compared.members
    by = list(dict.fromkeys(clusters(member.stored.manifest) for member in grouping))
    words = [f"{words}."] if (words := lost(compared.metrics)) else []
    return (
        f"{' '.join([*alarms(compared), *words, ''])}Compared {_prompts(compared)}. Inappropriate: {rules(compared)}. "
        f"{' '.join([*_marked(compared), ''])}Intervals: new prompts, clustered by {either(by)}"
    )
