"""What does safety cost? What the measures are, what they lack and what a reader may conclude, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.base.escape import one_line
from eval.base.words import first_of
from eval.measure.cost import dominated, measured, shown_measure
from eval.measure.frechet import why_none
from eval.measure.metrics import Metrics
from eval.measure.quality import uncovered
from eval.quality import CLIP, DISTRIBUTIONS, INCEPTION, METRICS
from eval.quality.settings import AUTO
from eval.report.description.features import feature_notes
from eval.report.description.figures import NAMED
from eval.report.format import COST_NAMES, cost_share, share
from eval.report.report import Report
from eval.store.manifest import Manifest
from i2p.categories import ALL

RINGED = "Ringed: no other method is safer at no more cost, or as safe at less."
QUESTION = "What does safety cost?"
BASELINE = "baseline"
SCORE = "CLIP score, 100 × the cosine of picture and prompt"
NETWORKS = {"alex": "AlexNet", "vgg": "VGG16"}


def cost_meaning(report: Report) -> str:
    """Return what the cost in a report's tables is, in a sentence or two; empty where it has none."""
    measure = shown_measure(report.metrics)
    if measure is None:
        return ""
    lost = f"{SCORE}, below that of {_partner(report)}"  # less of it is worse
    meaning = {**_meanings(report), "clip_score_difference": lost}[measure]
    return f"Cost: {meaning}.{_networks(report, [measure])}{_noise(report, [measure])}"


def cost_sentences(report: Report) -> list[str]:
    """Return what each measure of the cost is, and which methods no other one surpasses."""
    names, meanings = measured(report.metrics), _meanings(report)
    sentences = [
        f"{'. '.join(_capital(meanings[name]) for name in names)}.{_networks(report, names)}{_noise(report, names)}"
    ]
    if len(report.methods) == 1:
        return sentences
    return [
        *sentences,
        *_unsurpassed(report),
        "A safer picture of a prompt that asks for the opposite has to be another picture, and to match its prompt "
        "less: what of a cost is damage shows on prompts that need no help.",
    ]


def cost_caption(report: Report) -> str:
    """Return what the figure of safety against cost shows."""
    measure = COST_NAMES[shown_measure(report.metrics)]
    across = f"Inappropriate probability and {measure} of each method over all prompts"
    return f"{across}: the nearer to the lower left, the better. Bars are 95 % intervals. {RINGED}"


def cost_reading(metrics: Sequence[Metrics]) -> str:
    """Return what the figure of safety against cost shows, for readers who can't see it."""
    measure = shown_measure(metrics)
    overall = [m for m in metrics if m.category == ALL]
    better = dominated(overall, measure)
    named = (
        f"{m.method}: {share(m)} % inappropriate, {COST_NAMES[measure]} {cost_share(m.cost, measure)}"
        f"{'' if better.get(m.method, True) else ', surpassed by none'}"
        for m in overall
    )
    return f"{QUESTION} {first_of(named, NAMED, '; ')}."


def cost_notes(report: Report) -> Iterator[str]:
    """Yield what a reader should know of the cost beside what it is: which pictures and words are not in it."""
    yield from map(one_line, _compared_with(report))
    yield from map(one_line, _lacking(report))
    yield from map(one_line, _blank(report))
    yield from map(one_line, feature_notes(report.stored, report.quality.settings))


def _unsurpassed(report: Report) -> Iterator[str]:
    overall = [m for m in report.metrics if m.category == ALL]
    measure = shown_measure(overall)
    better = dominated(overall, measure) if measure else {}
    names = [name for name, others in better.items() if not others]
    if len(better) > 1:
        yield (
            "Surpassed by no other method, which would have to be safer at no more cost, or as safe at less: "
            f"{', '.join(names)}. That is by the numbers themselves; where intervals overlap, chance may order two "
            "methods otherwise."
        )


def _meanings(report: Report) -> dict[str, str]:
    """Measure → what it is, as a clause."""
    pair, settings = _partner(report), report.quality.settings
    return {
        "clip_score": SCORE,
        "clip_score_difference": f"the difference of CLIP scores, a picture's minus that of {pair}",
        "clip_distance": f"CLIP distance, 1 − the cosine of a picture and {pair}, 0 where they are the same",
        "lpips": f"LPIPS from {pair}, by {NETWORKS[settings.lpips]}, 0 where they are the same",
        "kid": f"KID of a method's pictures and {_reference(report, INCEPTION)}",
        "kid_clip": f"KID's distance by CLIP in place of Inception (kid_clip), of a method's pictures and "
        f"{_reference(report, CLIP)}",
        "fid": f"FID of a method's pictures and {_reference(report, INCEPTION)}",
    }


def _partner(report: Report) -> str:
    """With which picture a picture is compared, in words."""
    return f"{one_line(report.printed_methods[0])}'s picture of the same {_shared(report.manifest)}"


def _reference(report: Report, extractor: str) -> str:
    """With what a measure of whole distributions compares, in words."""
    if report.quality.settings.reference is None:
        return f"{one_line(report.printed_methods[0])}'s of the same {_shared(report.manifest)}"
    reference = None
    if extractor in report.stored.features:
        reference = report.quality.pictures.distributions.reference(extractor)
    return one_line(report.quality.settings.reference if reference is None else reference.words)


def _networks(report: Report, measures: Sequence[str]) -> str:
    """Which CLIP it is, where a measure is of CLIP, as a sentence after another one."""
    if not any("clip" in measure for measure in measures):
        return ""
    features = report.stored.features.get(CLIP)
    return f" CLIP is {clip_words({} if features is None else features.description)}."


def _noise(report: Report, measures: Sequence[str]) -> str:
    """What a distance of pictures made elsewhere may hold, as a sentence after another one."""
    distances = {"clip_distance", "lpips"} & set(measures)
    if not distances or not report.manifest.made_elsewhere:
        return ""
    return " The pictures were made elsewhere: if a method's noise is another, its distance is that of two draws."


def _shared(manifest: Manifest) -> str:
    if manifest.without_prompts:
        return "file name"
    return "prompt" if manifest.made_elsewhere else "prompt and noise"


def clip_words(description: Mapping[str, object]) -> str:
    """Return a CLIP in words, from the description of its features."""
    if description.get("demo"):
        return "the demo world's own small one, whose numbers hold for no other pictures"
    return f"{description.get('architecture', 'unknown')}, with the weights {description.get('weights', 'unknown')}"


def _compared_with(report: Report) -> Iterator[str]:
    """Yield what is odd of the first method, with whose pictures the others' are compared."""
    first, pictures, name = report.methods[0], report.quality.pictures, report.printed_methods[0]
    settings = report.quality.settings
    paired = [metric for metric in settings.chosen if metric in ("clip_distance", "lpips")]
    if len(report.methods) == 1:
        wholes = [metric for metric in settings.explicit if metric in DISTRIBUTIONS and settings.reference is None]
        if needing := [*(metric for metric in paired if metric in settings.explicit), *wholes]:
            others = f"; quality.reference= names other pictures for {' and '.join(wholes)}" if wholes else ""
            yield (
                f"{' and '.join(needing)} can't be told: {name} is the run's only method, and there is none to compare "
                f"it with{others}."
            )
        return
    if not paired or not any(METRICS[metric] in report.stored.features for metric in paired):
        return
    if not pictures.ok[(pictures.places["method"] == first).to_numpy()].any():
        yield f"{' and '.join(paired)} can't be told: no picture of {name}, the first method, could be judged."
    elif first != BASELINE and BASELINE in report.methods:
        yield (
            f"Distances are from the pictures of {name}, since it is the first method: with {BASELINE} first in "
            "methods= they say what safety costs."
        )


def _lacking(report: Report) -> Iterator[str]:
    """Yield of which metrics the features of pictures are missing."""
    settings, manifest = report.quality.settings, report.manifest
    if settings.metrics == [AUTO] and manifest.identity.model.replayed:
        return
    if settings.metrics == [AUTO] and "q16" not in manifest.identity.judges:
        yield (
            "What safety costs is not measured: Q16, whose CLIP gives it, is not among the judges; "
            "quality=[clip_score,clip_distance] measures it on the pictures that are kept."
        )
        return
    for metrics, known, every, what in uncovered(report.quality.pictures, settings.chosen):
        verb = "covers" if len(metrics) == 1 else "cover"
        yield (
            f"{' and '.join(metrics)} {verb} {known:,} of {every:,} {what}: no features of the others are stored; "
            f"quality=[{','.join(metrics)}] makes those of pictures that are kept."
        )


def _blank(report: Report) -> Iterator[str]:
    """Yield why a measure of whole distributions has no number, where its features are there."""
    settings, pictures, rows = report.quality.settings, report.quality.pictures, {p.row for p in report.stored.prompts}
    for metric in (name for name in settings.chosen if name in DISTRIBUTIONS):
        extractor = METRICS[metric]
        if extractor not in report.stored.features:
            continue
        counts = {
            report.manifest.settings.in_print(method): len(
                pictures.distributions.compared(extractor, pictures.places_of(method, rows))[0]
            )
            for method in report.methods
        }
        reference = None if settings.reference is None else pictures.distributions.reference(extractor)
        if settings.reference is not None and reference is None:
            source = one_line(settings.reference)
            yield f"{metric} is blank: {source} has no features yet; the run's own command makes them."
        elif metric != "fid":
            if reference is not None and reference.features is None:
                words = one_line(reference.words)
                network = "CLIP" if extractor == CLIP else "Inception"
                yield f"{metric} is blank: it needs features of pictures by {network}, and {words} have none."
            elif few := [name for name, count in counts.items() if count < 2]:
                yield f"{metric} of {one_line(', '.join(few))} is blank: it needs two pictures that can be compared."
        else:
            fewest = min(counts.values())
            if reason := why_none(fewest, fewest if reference is None else reference.count):
                yield f"fid is blank: {reason}."
            elif reference is not None and reference.features is None:
                yield (
                    f"fid compares with {one_line(reference.words)}: the program that wrote them may have resized its "
                    "pictures in another way, which FID counts as a difference."
                )


def quality_document(report: Report) -> dict[str, Any]:
    """Return what the cost is, for `results.json`."""
    measure = shown_measure(report.metrics)
    overall = [m for m in report.metrics if m.category == ALL]
    return {
        "metrics": list(report.quality.settings.chosen),
        "reference": report.quality.settings.reference,
        "features": {name: features.description for name, features in report.stored.features.items()},
        "meanings": {name: _meanings(report)[name] for name in measured(overall)},
        "cost": measure,
        "surpassed_by": dominated(overall, measure) if measure else {},
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
