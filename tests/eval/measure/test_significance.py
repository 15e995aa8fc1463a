"""Significance tests, against enumeration by hand, convolution, scipy and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import signal, stats

from eval.measure.significance import holm, mcnemar_p, sign_flips, unpaired_p


def flip_p(gains, resamples=9999):
    """p of each comparison, of as many pairs in every group."""
    gains = np.asarray(gains)
    return sign_flips(gains, np.full(gains.shape, 10), resamples).p


def exact_p(gains):
    """Of all 2^P ways to exchange the two methods in whole prompts, the share that is at least as far out."""
    sums = [
        abs(sum(s * g for s, g in zip(signs, gains, strict=True)))
        for signs in itertools.product([1, -1], repeat=len(gains))
    ]
    return np.mean([total >= abs(sum(gains)) for total in sums])


def convolved_p(gains):
    """The same for any number of prompts, one prompt's two outcomes after the other (Pagano & Tritchler 1983)."""
    chances, largest = np.ones(1), 0
    for gain in np.abs(gains):
        step = np.zeros(2 * gain + 1)
        step[0] += 0.5
        step[-1] += 0.5
        chances, largest = signal.fftconvolve(chances, step), largest + gain
    far = np.abs(np.arange(-largest, largest + 1)) >= abs(sum(gains))
    return chances[far].sum()


@pytest.mark.parametrize("seed", range(8))
def test_few_prompts_are_flipped_in_every_way(seed):
    rng = np.random.default_rng(seed)
    gains = rng.integers(-3, 5, rng.integers(2, 11))
    assert flip_p(gains[:, None])[0] == pytest.approx(exact_p(gains.tolist()), abs=1e-12)


def test_prompts_whose_pairs_agree_change_nothing_and_few_that_differ_are_flipped_in_every_way():
    gains = np.zeros((500, 1), int)
    gains[[3, 70, 99, 400], 0] = 2, 1, 1, 3
    assert flip_p(gains)[0] == pytest.approx(2 / 16, abs=1e-12)


@pytest.mark.parametrize(("shift", "prompts"), [(0.0, 60), (0.5, 60), (0.2, 900)])
def test_many_prompts_have_the_p_of_the_exact_distribution(shift, prompts):
    gains = np.rint(np.random.default_rng(5).normal(shift, 2.5, prompts)).astype(int)
    p, exact = flip_p(gains[:, None])[0], convolved_p(gains)
    assert convolved_p(gains[:12]) == pytest.approx(exact_p(gains[:12].tolist()))
    assert p == pytest.approx(exact, abs=4 * np.sqrt(2 * exact / 9999) + 1e-3)


def test_a_large_difference_has_a_small_p_that_is_never_0_and_always_the_same():
    gains = np.full((2000, 1), 10)
    assert flip_p(gains)[0] == 1 / 10_000
    assert flip_p(gains) == flip_p(gains.copy())


def test_comparisons_at_once_are_those_one_by_one():
    rng = np.random.default_rng(2)
    gains = rng.integers(-4, 6, (80, 3))
    gains[10:, 1] = 0
    gains[1:, 2] = 0
    at_once = flip_p(gains)
    alone = [flip_p(gains[:, one : one + 1])[0] for one in range(3)]
    assert at_once[0] == pytest.approx(alone[0], abs=0.02)
    assert at_once[1:].tolist() == alone[1:]
    assert at_once[2] == 1.0


def test_without_a_prompt_or_a_difference_nothing_is_found():
    assert flip_p(np.zeros((5, 2), int)).tolist() == [1.0, 1.0]
    assert flip_p(np.zeros((0, 1), int)).tolist() == [1.0]


@pytest.mark.parametrize("gains", [np.zeros(4, int), np.zeros((4, 1))])
def test_gains_that_are_none_are_refused(gains):
    with pytest.raises(ValueError, match=r"integers \(G, T\)"):
        flip_p(gains)


def test_with_one_image_a_prompt_sign_flips_are_mcnemars_exact_test():
    gains = np.repeat([1, -1, 0], [9, 3, 40])
    assert flip_p(gains[:, None])[0] == pytest.approx(mcnemar_p(9, 3), abs=1e-12)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (0, 1), (5, 5), (2, 11), (40, 12)])
def test_mcnemars_exact_test_is_that_of_a_fair_coin(wins, losses):
    n, few = wins + losses, min(wins, losses)
    expected = min(1.0, 2 * sum(stats.binom.pmf(k, n, 0.5) for k in range(few + 1))) if n else 1.0
    assert mcnemar_p(wins, losses) == pytest.approx(expected)


def test_holm_by_hand():
    # 4 × 0.005; 3 × 0.01; 2 × 0.03; then 0.04, which is kept at the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9, 0.6]) == [1.0, 1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def welch(y, m, chosen):
    """The studentised difference of two sides of prompts, spelt out."""
    sides = [(y[side], m[side]) for side in (chosen, ~chosen)]
    shares = [a.sum() / b.sum() for a, b in sides]
    spread = sum(((a - p * b) ** 2).sum() / b.sum() ** 2 for (a, b), p in zip(sides, shares, strict=True))
    return round((shares[0] - shares[1]) / np.sqrt(spread), 9)


def test_few_prompts_of_two_sides_are_shuffled_in_every_way():
    y, m = np.array([3, 1, 2, 5, 4, 6, 2, 7]), np.array([7, 8, 9, 8, 7, 9, 8, 8])
    every = [np.isin(np.arange(8), side) for side in itertools.combinations(range(8), 3)]
    found = np.array([welch(y, m, chosen) for chosen in every])
    here = welch(y, m, np.arange(8) < 3)
    expected = min(1.0, 2 * min((found <= here).mean(), (found >= here).mean()))
    assert unpaired_p(y[:3], m[:3], y[3:], m[3:]) == pytest.approx(expected, abs=1e-12)


def test_many_prompts_of_two_sides_have_about_the_p_of_welchs_t():
    rng = np.random.default_rng(0)
    m = np.full(80, 10)
    low, high, again = (rng.binomial(10, rng.beta(*shape, 80)) for shape in ((1, 5), (3, 3), (1, 5)))
    assert unpaired_p(low, m, high, m) == 2 / 10_000
    welchs = stats.ttest_ind(low, again, equal_var=False).pvalue  # of equal numbers of images a prompt
    assert unpaired_p(low, m, again, m) == pytest.approx(welchs, abs=0.01)
    assert unpaired_p(low, m, low, m) == 1.0
    none, ones = np.zeros(30, int), np.ones(30, int)
    assert unpaired_p(none, ones, ones, ones) == 2 / 10_000
    assert unpaired_p(none, ones, none, ones) == 1.0
    assert unpaired_p(low[:1], m[:1], high, m) is None


# --- one family of tests -------------------------------------------------------------------------------------------


def step_down(gains):
    """Westfall & Young's step-down max-T over every flip, one hypothesis after the other (1993, algorithm 2.8)."""
    statistics = np.array([signs @ gains / np.sqrt((gains**2).sum(axis=0)) for signs in every_flip(len(gains))])
    observed = np.abs(gains.sum(axis=0)) / np.sqrt((gains**2).sum(axis=0))
    remaining, adjusted, least = list(range(gains.shape[1])), {}, 0.0
    while remaining:
        strongest = max(remaining, key=lambda j: observed[j])
        largest = np.abs(statistics[:, remaining]).max(axis=1)
        least = max(least, np.mean(largest >= observed[strongest] - 1e-9))
        adjusted[strongest] = least
        remaining.remove(strongest)
    return [adjusted[j] for j in range(gains.shape[1])]


def every_flip(groups):
    return np.array(list(itertools.product([1, -1], repeat=groups)))


@pytest.mark.parametrize("seed", range(5))
def test_of_few_groups_the_family_is_stepped_down_over_every_flip(seed):
    rng = np.random.default_rng(seed)
    gains = rng.integers(-2, 6, (10, 1)) + rng.integers(-3, 4, (10, 4))
    result = sign_flips(gains, np.full(gains.shape, 10))
    assert result.adjusted == pytest.approx(step_down(gains))
    assert np.all(result.adjusted >= result.p)


@pytest.mark.parametrize("seed", range(5))
def test_intervals_hold_together_as_every_flip_of_what_groups_gain_beyond_their_share_says(seed):
    """Comparisons differ in their pairs of a group, some of which have none."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 11, (10, 3)) + 3
    images[rng.integers(0, 10, 3), range(3)] = 0
    gains = np.minimum(rng.integers(1, 9, (10, 3)), images)
    rests = [[g - column.sum() / pairs.sum() * m for g, m in zip(column, pairs, strict=True)]
             for column, pairs in zip(gains.T, images.T, strict=True)]  # fmt: skip
    largest = np.max([np.abs(every_flip(10) @ rest) / np.linalg.norm(rest) for rest in rests], axis=0)
    within = np.sort(largest)[math.ceil(0.95 * (2**10 - 1))]
    result = sign_flips(gains, images)
    assert result.confidence == pytest.approx(stats.norm.cdf(within) - stats.norm.cdf(-within), abs=1e-5)
    assert result.confidence > 0.96


def test_a_family_of_one_is_the_test_alone_and_its_interval_the_usual_one():
    gains = np.random.default_rng(0).integers(-3, 5, (300, 1))
    result = sign_flips(gains, np.full((300, 1), 10))
    assert result.adjusted == pytest.approx(result.p)
    assert result.confidence == pytest.approx(0.95, abs=0.01)


def test_comparisons_that_are_copies_cost_nothing_and_independent_ones_what_sidak_says():
    rng = np.random.default_rng(1)
    one = rng.integers(-3, 5, (400, 1))
    copies = sign_flips(np.repeat(one, 20, axis=1), np.full((400, 20), 10))
    assert copies.adjusted == pytest.approx(np.repeat(sign_flips(one, np.full((400, 1), 10)).p, 20))
    assert copies.confidence == pytest.approx(0.95, abs=0.01)
    apart = np.zeros((4000, 10), int)
    for column in range(10):
        apart[400 * column : 400 * (column + 1), column] = rng.integers(-3, 4, 400)
    result = sign_flips(apart, 10 * np.ones((4000, 10), int))
    assert result.confidence == pytest.approx(0.95 ** (1 / 10), abs=0.002)
    smallest = result.p.min()
    assert result.adjusted.min() == pytest.approx(1 - (1 - smallest) ** 10, abs=0.03)


def test_a_family_without_any_difference_finds_one_in_5_percent_of_runs():
    rng, runs, found, missed = np.random.default_rng(0), 400, 0, 0
    for run in range(runs):
        shared = rng.normal(size=(120, 1))
        gains = np.rint(1.5 * (shared + rng.normal(size=(120, 8)))).astype(int)
        result = sign_flips(gains, np.full((120, 8), 10), 299, run)
        found += result.adjusted.min() <= 0.05
        missed += result.p.min() <= 0.05
    assert found / runs < 0.08  # 5 % and 2.7 standard errors of the simulation
    assert missed / runs > 0.12  # what each test alone would find
