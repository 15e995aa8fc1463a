"""What a plan promises is what samples have: by enumeration, by simulation, and by the exact binomial distribution."""

import itertools
from math import comb

import numpy as np
import pytest

from eval.measure.estimates import probability
from eval.power.spread import (
    Spread,
    assumed,
    assumed_difference,
    correlation,
    family_factor,
    fewest,
    half_width,
    pairs_of,
    power,
    spread_of,
)

GROUPS = np.array([0, 0, 0, 1, 1, 2, 3, 4])


def test_the_variance_of_a_sample_is_the_mean_over_all_samples():
    """Of every sample of 5 of 8 prompts, the squares of its groups' sums, whichever of a group's prompts it has."""
    hits = np.array([7, 8, 10, 1, 2, 5, 0, 3])
    images = np.full(8, 10)
    rest = hits / 10 - hits.mean() / 10
    squares = []
    for sample in map(list, itertools.combinations(range(8), 5)):
        sums = [rest[[i for i in sample if GROUPS[i] == group]].sum() for group in range(5)]
        squares.append(np.square(sums).sum() / 5**2)
    # The components are a sample's own, so their variance is over 7 and not over 8.
    expected = np.mean(squares) + rest.var(ddof=1) / 8 / 5
    assert spread_of(hits, 0 * hits, images, GROUPS).new_prompts(5, 10) == pytest.approx(expected)


def test_the_pairs_of_a_group_are_counted_one_by_one():
    pairs = [GROUPS[i] == GROUPS[j] for i, j in itertools.permutations(range(8), 2)]
    assert pairs_of(GROUPS) == pytest.approx(np.mean(pairs))
    # Of a pilot's components, in the groups of the prompts that can be drawn: 10 prompts alike by 0.6 in pairs.
    spread = Spread(0.1, 0.1, per_pair=0.5, grouped=4).in_groups(pairs_of(np.arange(10) // 2), 0.6)
    assert spread.new_prompts(10, 1) == pytest.approx((0.1 + 0.1 + 0.6 * 0.1) / 10)


@pytest.mark.parametrize("images", [2, 10])
def test_the_noise_of_the_basis_is_removed(images):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 3)
    truth = np.clip(np.repeat(rng.beta(1, 2, 100), 3) + rng.normal(0, 0.1, 300), 0, 1)
    found = [spread_of(rng.binomial(images, truth), np.zeros(300), np.full(300, images), groups) for _ in range(400)]
    rest = truth - truth.mean()
    pairs = sum(rest[i] * rest[j] for g in range(100) for i, j in itertools.permutations(range(3 * g, 3 * g + 3), 2))
    assert np.mean([s.between for s in found]) == pytest.approx(truth.var(ddof=1), rel=0.03)
    assert np.mean([s.within for s in found]) == pytest.approx((truth * (1 - truth)).mean(), rel=0.02)
    assert np.mean([s.per_pair for s in found]) == pytest.approx(pairs / 300 / 299, rel=0.05)


def test_a_basis_of_one_image_per_prompt_does_not_know_how_alike_images_are():
    spread = spread_of(np.array([1, 0, 1, 0]), np.zeros(4), np.ones(4), np.arange(4))
    assert spread.within is None
    assert spread.new_prompts(4, 1) == pytest.approx(1 / 3 / 4)
    assert spread.same_prompts(4, 1) is None
    with pytest.raises(ValueError, match="one image per prompt"):
        spread.new_prompts(4, 2)
    with pytest.raises(ValueError, match="two prompts or more"):
        spread_of(np.ones(1), np.zeros(1), np.ones(1), np.zeros(1, int))


def test_the_promised_width_is_that_of_simulated_runs_and_of_their_intervals():
    """Groups drawn anew, a part of their prompts, three images each."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 6, 120)
    groups = np.repeat(np.arange(120), sizes)
    truth = np.clip(rng.beta(1, 1.5, 120)[groups] + rng.normal(0, 0.1, len(groups)), 0, 1)
    published = spread_of(rng.binomial(50, truth), 0 * groups, np.full(len(groups), 50), groups)
    members = [np.flatnonzero(groups == g) for g in range(120)]
    shares, widths = [], []
    for _ in range(1500):
        drawn = rng.integers(0, 120, 120)
        rows = np.concatenate([members[g] for g in drawn])
        copies = np.repeat(np.arange(120), sizes[drawn])
        kept = rng.permutation(len(rows))[:200]
        hits = np.bincount(copies[kept], rng.binomial(3, truth[rows[kept]])).astype(int)
        estimate = probability(hits, np.bincount(copies[kept]) * 3)
        shares.append(estimate.value)
        widths.append((estimate.high - estimate.low) / 2)
    promised = half_width(published.new_prompts(200, 3), 200, 0.05)
    assert 1.96 * np.std(shares) == pytest.approx(promised, rel=0.07)
    assert np.mean(widths) == pytest.approx(promised, rel=0.05)
    same = [rng.binomial(3, truth).mean() / 3 for _ in range(1500)]
    assert 1.96 * np.std(same) == pytest.approx(half_width(published.same_prompts(len(truth), 3), 300, 0.05), rel=0.06)
    some = [truth[(kept := rng.permutation(len(truth))[:100])] for _ in range(1500)]
    around = [rng.binomial(3, probabilities).mean() / 3 for probabilities in some]
    assert np.var(around) == pytest.approx(published.all_prompts(100, 3, len(truth)), rel=0.1)


@pytest.mark.parametrize(("won", "lost", "prompts"), [(0.3, 0.2, 300), (0.15, 0.05, 120), (0.4, 0.2, 80)])
def test_the_promised_power_is_that_of_the_exact_test(won, lost, prompts):
    """With one image per prompt, sign flips are the binomial test of the pairs that differ; all outcomes added up."""
    differs = won + lost
    exact = 0.0
    for n in range(prompts + 1):
        tail = np.cumsum([comb(n, k) / 2**n for k in range(n + 1)])  # P(losses <= k) without a difference
        finds = [k for k in range(n + 1) if 2 * tail[k] <= 0.05]
        chance = sum(comb(n, k) * (lost / differs) ** k * (won / differs) ** (n - k) for k in finds)
        exact += chance * comb(prompts, n) * differs**n * (1 - differs) ** (prompts - n)
    variance = (differs - (won - lost) ** 2) / prompts
    assert power(won - lost, variance, prompts, 1, 0.05) == pytest.approx(exact, abs=0.03)


def test_assumptions_give_the_variance_of_a_design_effect():
    """Kish's: of m images that correlate by rho, in n prompts, with the share p."""
    assert assumed(0.35, 0.4).new_prompts(50, 10) == pytest.approx(0.35 * 0.65 * (1 + 9 * 0.4) / 500)
    # Groups of two that are wholly alike are half as many prompts with twice the images.
    assert assumed(0.35, 0.4, 2, 1).new_prompts(50, 10) == pytest.approx(0.35 * 0.65 * (1 + 19 * 0.4) / 500)
    # A sample has no groups of itself: each pair of 101 prompts alike by 1 % is a group of two.
    whole, pairs = Spread(0.1, 0.1, whole=0.02), Spread(0.1, 0.1, per_pair=0.02 / 100)
    assert whole.new_prompts(101, 4) == pytest.approx(pairs.new_prompts(101, 4))


def test_an_assumed_difference_has_the_variance_of_two_correlated_methods():
    """Two methods of a share of 0.4, whose probabilities are 0.2 or 0.6, and whose images are alike by their noise."""
    rng, count, images = np.random.default_rng(2), 200_000, 3
    high = rng.random(count) < 0.5
    other = np.where(rng.random(count) < 0.6, high, rng.random(count) < 0.5)  # correlates by 0.6
    truth = [np.where(values, 0.6, 0.2)[:, None] for values in (high, other)]
    noise = rng.random((2, count, images))
    noise[1] = np.where(rng.random((count, images)) < 0.5, noise[0], noise[1])
    first, second = (noise[n] < truth[n] for n in range(2))
    apart = [values - chances for values, chances in zip((first, second), truth, strict=True)]
    alike = np.mean(apart[0] * apart[1]) / np.sqrt(np.mean(apart[0] ** 2) * np.mean(apart[1] ** 2))
    spread = assumed_difference(Spread(0.04, 0.2), 0.4, 1e-9, 0.6, alike)
    simulated = (first.mean(axis=1) - second.mean(axis=1)).var()
    assert spread.new_prompts(1, images) == pytest.approx(simulated, rel=0.02)


def test_a_correlation_is_that_of_the_numbers():
    x, y = np.random.default_rng(3).normal(size=(2, 50))
    y += x
    assert correlation(x.var(), y.var(), (x - y).var()) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert correlation(1.0, 1.0, 4.5) == -1


def test_the_fewest_prompts_are_those_of_a_search_from_below():
    spread = assumed(0.3, 0.3)

    def enough(prompts):
        return half_width(spread.new_prompts(prompts, 5), prompts, 0.05) <= 0.06

    assert fewest(enough, 500) == next(n for n in range(2, 501) if enough(n))
    assert fewest(enough, None) == fewest(enough, 500)
    assert fewest(enough, 50) is None
    assert fewest(lambda prompts: True, 500) == 2
    assert fewest(lambda prompts: prompts >= 500, 500) == 500


def test_a_family_of_comparisons_takes_more_prompts():
    assert family_factor(1, 0.8, 0.05) == pytest.approx(1)
    # Ten at 0.005 each: z of 0.9975 and of 0.8 over z of 0.975 and of 0.8, from a table of the normal distribution.
    assert family_factor(10, 0.8, 0.05) == pytest.approx(((2.8070 + 0.8416) / (1.9600 + 0.8416)) ** 2, rel=1e-3)
