"""What all the prompts would give from which a run's sample was drawn: of every method and difference, by category."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

import i2p
from eval.measure.estimates import paired_difference, probability
from eval.measure.pairs import Side, pair_up
from eval.measure.regression import Design, design_of, regression
from eval.measure.sample import per_row, rows_by_category
from eval.store.stored_run import StoredRun
from i2p.sampling import level


@dataclass(frozen=True)
class PopulationEstimate:
    """One row of `population.csv`: what all prompts would give, from a sample of them.

    Shares are fractions in [0, 1], differences those of `method` minus `against`, which is None for a share.
    `population` counts the prompts that the sample was drawn from, `prompts` and `images` the sampled ones that have
    `ok` images, or pairs of them. `sample` is the share or difference of these images. `estimate` is that of all
    prompts, with the limits of its 95 % interval; None where fewer than twenty are sampled. `relative_width` is the
    width of that interval over that of the sample alone, by prompt, as one of endlessly many.
    """

    method: str
    against: str | None
    category: str
    population: int
    prompts: int
    images: int
    sample: float
    estimate: float | None
    all_prompts_low: float | None
    all_prompts_high: float | None
    relative_width: float | None


def is_sample(stored: StoredRun) -> bool:
    """Whether a run draws its prompts from more of them, of which everything is known that an estimate needs."""
    population = stored.manifest.population
    known = population is not None and all(prompt.published is not None for prompt in stored.prompts)
    return known and len(stored.prompts) < population.prompts and not stored.identity.model.replayed


def estimate_population(stored: StoredRun, frame: pd.DataFrame) -> tuple[PopulationEstimate, ...]:
    """Return the estimates for all prompts: of every method, then of every difference from the first one.

    Prompts without any `ok` image are left out, as if they had not been drawn.

    Args:
        stored: the run; one that is not a sample has no estimates.
        frame: from `eval.measure.metrics.verdicts`.
    """
    if not is_sample(stored):
        return ()
    sides = {name: Side(name, frame[frame["method"] == name], stored) for name in stored.methods}
    first, *others = stored.methods
    estimates = [row for name, side in sides.items() for row in _estimates(stored, name, None, _shares(side))]
    for name in others:
        estimates += _estimates(stored, name, first, pair_up(sides[name], sides[first]).counts)
    return tuple(estimates)


def _shares(side: Side) -> pd.DataFrame:
    """Return won, lost and images of each row, as of pairs; nothing is lost to no second method."""
    rows = per_row(side.images)
    return pd.DataFrame({"won": rows["positives"], "lost": 0, "images": rows["judged"]})


def _estimates(
    stored: StoredRun, method: str, against: str | None, counts: pd.DataFrame
) -> Iterator[PopulationEstimate]:
    population, prompts = stored.manifest.population, {prompt.row: prompt for prompt in stored.prompts}
    counts = counts[counts["images"] > 0]
    if counts.empty:
        return
    published = np.array([prompts[row].published.inappropriate for row in counts.index])
    design = sample_design(population, published)
    for category, members in rows_by_category(stored.prompts).items():
        chosen = counts.index.isin(members)
        if not chosen.any():
            continue
        share = population.shares[category]
        won, lost, images = (counts[name].to_numpy() for name in ("won", "lost", "images"))
        if against is None:
            alone, least = probability(won[chosen], images[chosen]), 0.0
        else:
            alone, least = paired_difference(won[chosen], lost[chosen], images[chosen]), -1.0
        found = regression(won, lost, images, published, design, chosen, share.published, alone, least)
        yield PopulationEstimate(
            method,
            against,
            category,
            share.prompts,
            int(chosen.sum()),
            int(images[chosen].sum()),
            alone.value,
            found and found.value,
            found and found.low,
            found and found.high,
            found and found.relative_width,
        )


def sample_design(population: i2p.Population, published: np.ndarray) -> Design:
    """Return how a sample of prompts with these published fractions (P,) was drawn from a population."""
    if population.strata is None:
        return design_of(np.zeros(len(published), int), [population.prompts])
    return design_of(np.array([level(x) for x in published]), population.levels)
