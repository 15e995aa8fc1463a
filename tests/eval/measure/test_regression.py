"""The regression estimate beside least squares, every sample of small populations, and simulated runs."""

from itertools import combinations, product

import numpy as np
import pytest

from eval.measure.estimates import paired_difference, probability
from eval.measure.regression import Design, design_of, regression


def of_shares(won, images, published, design, mean_published, members=None):
    members = np.ones(len(won), bool) if members is None else members
    alone = probability(np.asarray(won)[members], np.asarray(images)[members])
    lost = np.zeros(len(won), int)
    return regression(won, lost, images, published, design, members, mean_published, alone, 0.0)


def drawn_alike(size, population):
    return design_of(np.zeros(size, int), [population])


def variance_of(regressed, fractions):
    """The variance behind an interval, from its width beside that of the sample alone."""
    return regressed.relative_width**2 * np.var(fractions, ddof=1) / len(fractions)


def test_the_estimate_is_the_line_of_least_squares_at_the_published_mean():
    rng = np.random.default_rng(0)
    images = rng.integers(3, 11, 40)
    won, published, weights = rng.binomial(images, 0.4), rng.integers(0, 11, 40) / 10, rng.uniform(5, 15, 40)
    design = Design(np.zeros(40, int), weights)
    members = rng.random(40) < 0.7
    found = of_shares(won, images, published, design, 0.45, members)
    root = np.sqrt(weights[members])
    line = np.column_stack([np.ones(members.sum()), published[members]]) * root[:, None]
    (a, b), *_ = np.linalg.lstsq(line, (won / images)[members] * root, rcond=None)
    assert found.value == pytest.approx(a + b * 0.45, abs=1e-12)


def test_without_noise_its_variance_is_that_over_every_sample_of_a_small_population():
    """Shares of 0 and 1 have no noise: what varies is which 20 of 23 prompts are drawn."""
    rng = np.random.default_rng(1)
    published = np.array([*range(11), *range(11), 3]) / 10
    hits = (rng.random(23) < published).astype(int)
    images, design = np.full(20, 10), drawn_alike(20, 23)
    samples = [np.array(places) for places in combinations(range(23), 20)]
    found = [of_shares(10 * hits[s], images, published[s], design, published.mean()) for s in samples]
    values = np.array([regressed.value for regressed in found])
    assert values.mean() == pytest.approx(hits.mean(), abs=0.01)
    variances = [variance_of(regressed, hits[s]) for regressed, s in zip(found, samples, strict=True)]
    assert np.mean(variances) == pytest.approx(values.var(), rel=0.15)


def test_where_nothing_is_known_of_a_prompt_it_is_the_textbook_s_simple_sample():
    """Over all samples of 20 of 23 prompts: mean, and variance (1 - n / N) S² / n, exactly."""
    hits = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0])
    samples = [np.array(places) for places in combinations(range(23), 20)]
    images, design, flat = np.full(20, 10), drawn_alike(20, 23), np.full(20, 0.5)
    found = [of_shares(10 * hits[s], images, flat, design, 0.5) for s in samples]
    values = np.array([regressed.value for regressed in found])
    variances = [variance_of(regressed, hits[s]) for regressed, s in zip(found, samples, strict=True)]
    assert values.mean() == pytest.approx(hits.mean())
    assert np.mean(variances) == pytest.approx(values.var())


def test_with_strata_its_variance_is_that_over_every_stratified_sample():
    """Two strata of 11, 10 of each drawn, and a share that no line fits: only what varies within strata is left."""
    levels = np.repeat([2, 8], 11)
    hits = np.array([0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1])
    counts = np.bincount(levels, minlength=11)
    samples = [
        np.array([*low, *high]) for low, high in product(combinations(range(11), 10), combinations(range(11, 22), 10))
    ]
    images, mean = np.full(20, 10), levels.mean() / 10
    found = [of_shares(10 * hits[s], images, levels[s] / 10, design_of(levels[s], counts), mean) for s in samples]
    values = np.array([regressed.value for regressed in found])
    variances = [variance_of(regressed, hits[s]) for regressed, s in zip(found, samples, strict=True)]
    assert values.mean() == pytest.approx(hits.mean())
    assert np.mean(variances) == pytest.approx(values.var(), rel=0.15)


@pytest.mark.parametrize("methods", [1, 2])
def test_with_every_prompt_drawn_only_the_noise_of_their_images_is_left(methods):
    """Its variance is that of simulated repetitions of the same prompts."""
    rng = np.random.default_rng(2)
    prompts, m = 60, 6
    published = rng.integers(0, 11, prompts) / 10
    p = rng.beta(1 + 3 * published, 4 - 3 * published, (2, prompts))[:methods]
    images, members, design = np.full(prompts, m), np.ones(prompts, bool), drawn_alike(prompts, prompts)
    found = []
    for _ in range(1200):
        first, *others = rng.random((methods, prompts, m)) < p[..., None]
        second = others[0] if others else np.zeros_like(first)
        won, lost = (first & ~second).sum(axis=1), (second & ~first).sum(axis=1)
        alone = probability(won, images) if methods == 1 else paired_difference(won, lost, images)
        regressed = regression(won, lost, images, published, design, members, published.mean(), alone, 1.0 - methods)
        assert regressed.value == pytest.approx(alone.value)  # nothing is left to be estimated
        found.append((regressed.value, variance_of(regressed, (won - lost) / m)))
    values, variances = np.array(found).T
    assert np.mean(variances) == pytest.approx(values.var(), rel=0.15)


@pytest.mark.parametrize(
    ("prompts", "images", "strata"), [(120, 10, True), (120, 10, False), (60, 1, True), (400, 2, True)]
)
def test_intervals_hold_the_truth_in_simulated_runs(prompts, images, strata):
    """Of 500 prompts and 300 runs: a true 95 % is seen outside 91 to 98.7 % once in three hundred times."""
    rng = np.random.default_rng(3)
    p = np.where(rng.random(500) < 0.3, 0.0, rng.beta(1, 1.5, 500))
    levels = rng.binomial(10, p)
    counts, truth, held = np.bincount(levels, minlength=11), p.mean(), 0
    for _ in range(300):
        if strata:
            turns = np.empty(500)
            for number in range(11):
                places = rng.permutation(np.flatnonzero(levels == number))
                turns[places] = (np.arange(len(places)) + 0.5) / len(places)
            places = np.argsort(turns)[:prompts]
            design = design_of(levels[places], counts)
        else:
            places, design = rng.permutation(500)[:prompts], drawn_alike(prompts, 500)
        won = rng.binomial(images, p[places])
        found = of_shares(won, np.full(prompts, images), levels[places] / 10, design, levels.mean() / 10)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 300 <= 0.987


def test_a_published_share_that_tells_much_makes_the_interval_narrow():
    rng = np.random.default_rng(4)
    p = rng.beta(0.7, 1.1, 100)
    won, images, design = rng.binomial(10, p), np.full(100, 10), drawn_alike(100, 4703)
    told, untold = rng.binomial(10, p) / 10, rng.permutation(p)
    assert of_shares(won, images, told, design, told.mean()).relative_width < 0.65
    assert of_shares(won, images, untold, design, untold.mean()).relative_width > 0.9


def test_levels_are_one_stratum_until_five_of_its_prompts_are_drawn():
    design = design_of(np.array([0, 0, 0, 1, 1, 3, 3, 3, 3, 3, 4, 5]), [30, 20, 5, 55, 10, 20])
    assert design.strata.tolist() == [0] * 5 + [1] * 7
    assert design.weights == pytest.approx([10] * 5 + [90 / 7] * 7)
    assert design_of(np.array([2, 2]), [5, 5, 10]).weights.tolist() == [10, 10]


def test_nothing_found_is_no_certainty_and_few_prompts_are_none():
    published, design, images = np.linspace(0, 1, 20), drawn_alike(20, 100), np.full(20, 5)
    found = of_shares(np.zeros(20, int), images, published, design, 0.4)
    assert (found.value, found.low, found.relative_width) == (0.0, 0.0, 1.0)
    assert found.high > 0.05
    few = np.arange(20) < 19
    assert of_shares(np.ones(20, int), images, published, design, 0.4, few) is None


def test_no_single_prompt_decides_the_line():
    published = np.array([0.0] * 19 + [1.0])
    won = np.array([0, 1, 2] * 6 + [1, 5])
    found = of_shares(won, np.full(20, 5), published, drawn_alike(20, 100), 0.5)
    assert found.value == pytest.approx(won.mean() / 5)
    assert np.isfinite([found.low, found.high, found.relative_width]).all()


def test_prompts_that_lost_most_of_their_images_do_not_make_a_difference_look_precise():
    """Prompts weigh the same and images do not: the sample's own standard error must be that of its interval."""
    rng, held = np.random.default_rng(2), []
    chance = rng.beta(0.8, 1.4, 2000)
    truth = (0.4 * chance - 0.05 * (1 - 0.4 * chance)).mean()
    for _ in range(400):
        s = rng.choice(2000, 300, replace=False)
        images = rng.binomial(10, np.where(rng.random(300) < 0.5, 0.15, 0.9))
        s, images = s[images > 0], images[images > 0]
        won = rng.binomial(images, 0.4 * chance[s])
        lost = rng.binomial(images - won, 0.05)
        alone, everyone = paired_difference(won, lost, images), np.ones(len(s), bool)
        design = drawn_alike(len(s), 2000)
        found = regression(won, lost, images, chance[s], design, everyone, chance.mean(), alone, -1.0)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) > 0.92  # 85 to 90 with a standard error by prompt beside an interval by image
