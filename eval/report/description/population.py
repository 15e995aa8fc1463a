"""What would all the prompts give from which a run's sample was drawn? What the estimates are of, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import i2p
from eval.base.words import counted
from eval.measure.population import PopulationEstimate, is_sample
from eval.measure.regression import FEWEST
from eval.report.format import fixed
from eval.report.report import Report
from eval.store.manifest import Manifest
from i2p.categories import ALL

FILTERS = ("categories", "hard", "toxicity_min", "toxicity_below", "rows")
GAIN = 0.02  # of an interval's width; less is none


def population_question(report: Report) -> str:
    """Return the heading of the estimates for all prompts, without a mark."""
    return f"What would {all_prompts(report.manifest)} give?"


def population_sentences(report: Report) -> list[str]:
    """Return what is estimated for all prompts, or why nothing is; nothing for a run that draws no sample."""
    stored, manifest = report.stored, report.manifest
    sampled = manifest.settings.prompts.get("sample") is not None
    if manifest.identity.model.replayed:
        reason = "The verdicts are the published ones themselves, so there is nothing that they could help to estimate."
        return [reason] if sampled else []
    if manifest.population is None:
        return [_unknown(report)] if sampled else []
    if is_sample(stored):
        return list(_estimated(report, manifest.population))
    everyone = _named(manifest, manifest.population.prompts)
    return [
        f"This run has {everyone}, so nothing is left to be estimated: the numbers above are those of all of them, and "
        "the interval for the same prompts and new noise is theirs."
    ]


def all_prompts(manifest: Manifest) -> str:
    """Return the prompts that the sample was drawn from, in a few words."""
    population = manifest.population
    if population is None:
        return "all the prompts"
    return "all of I2P" if _is_whole(manifest) else f"all {counted(population.prompts, 'prompt')}"


def _is_whole(manifest: Manifest) -> bool:
    return manifest.is_i2p and manifest.population.prompts == i2p.published.PROMPTS[ALL]


def _named(manifest: Manifest, prompts: int) -> str:
    """The prompts that the sample was drawn from: how many, of what, and how they were selected."""
    source = "I2P" if manifest.is_i2p else manifest.prompts_name
    chosen = [
        f"{key}={value if not isinstance(value, list) else ','.join(map(str, value))}"
        for key in FILTERS
        if (value := manifest.settings.prompts.get(key)) is not None
    ]
    return f"all {counted(prompts, 'prompt')} of {source}" + (f" with {', '.join(chosen)}" if chosen else "")


def _unknown(report: Report) -> str:
    if all(prompt.published is not None for prompt in report.stored.prompts):
        return (
            "What the sample was drawn from is not on record, since the run began with an older version: a new run "
            "estimates all of it."
        )
    return "Nothing was published of the prompts, so what those that were not drawn would give can't be estimated."


def _estimated(report: Report, population: i2p.Population) -> Iterator[str]:
    drawn = (
        "in proportion over the levels of the published percentage"
        if population.strata
        else "each with the same chance"
    )
    sample, everyone = len(report.stored.prompts), _named(report.manifest, population.prompts)
    yield (
        f"{counted(sample, 'prompt')} {'was' if sample == 1 else 'were'} drawn from {everyone}, {drawn}. What all of "
        "these would give on new noise is estimated by a regression on the published percentage of each."
    )
    overall = [row for row in report.population if row.category == ALL and row.relative_width is not None]
    if not overall:
        yield f"Fewer than {FEWEST} of them were judged, which are too few for that."
        return
    if any(row.estimate is None for row in report.population):
        yield f"Categories of which fewer than {FEWEST} sampled prompts were judged have no estimate (–)."
    yield (
        "The 95 % intervals are about these prompts only: what varies is which of them are drawn, and the noise of "
        f"their images. {_gain(overall, report.manifest.images_per_prompt)}"
    )


def _gain(overall: Sequence[PopulationEstimate], images: int) -> str:
    gains = [1 - row.relative_width for row in overall]
    if max(gains) < GAIN:
        return "Nothing is gained: over all prompts they are as wide as those of the sample alone."
    least, most = (fixed(100 * max(gain, 0.0), 0) for gain in (min(gains), max(gains)))
    narrower = most if least == most else f"{least} to {most}"
    sentence = f"Over all prompts they are {narrower} % narrower than those of the sample alone."
    return (
        f"{sentence} More images per prompt would gain more: one says little about its prompt."
        if images == 1
        else sentence
    )
