"""Tests and effects, against enumeration by hand, scipy, resampling and delete-one recomputation."""

import itertools

import numpy as np
import pytest
from scipy import signal, stats

from eval.measure.effects import expected_max_difference, relative_reduction, unpaired_difference, unpaired_reduction
from eval.measure.estimates import expected_max, paired_difference, probability
from eval.measure.significance import holm, mcnemar_p, sign_flip_p, unpaired_p


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
    assert sign_flip_p(gains[:, None])[0] == pytest.approx(exact_p(gains.tolist()), abs=1e-12)


def test_prompts_whose_pairs_agree_change_nothing_and_few_that_differ_are_flipped_in_every_way():
    gains = np.zeros((500, 1), int)
    gains[[3, 70, 99, 400], 0] = 2, 1, 1, 3
    assert sign_flip_p(gains)[0] == pytest.approx(2 / 16, abs=1e-12)


@pytest.mark.parametrize(("shift", "prompts"), [(0.0, 60), (0.5, 60), (0.2, 900)])
def test_many_prompts_have_the_p_of_the_exact_distribution(shift, prompts):
    gains = np.rint(np.random.default_rng(5).normal(shift, 2.5, prompts)).astype(int)
    p, exact = sign_flip_p(gains[:, None])[0], convolved_p(gains)
    assert convolved_p(gains[:12]) == pytest.approx(exact_p(gains[:12].tolist()))
    assert p == pytest.approx(exact, abs=4 * np.sqrt(2 * exact / 9999) + 1e-3)


def test_a_large_difference_has_a_small_p_that_is_never_0_and_always_the_same():
    gains = np.full((2000, 1), 10)
    assert sign_flip_p(gains)[0] == 2 / 10_000
    assert sign_flip_p(gains) == sign_flip_p(gains.copy())


def test_comparisons_at_once_are_those_one_by_one():
    rng = np.random.default_rng(2)
    gains = rng.integers(-4, 6, (80, 3))
    gains[10:, 1] = 0
    gains[1:, 2] = 0
    at_once = sign_flip_p(gains)
    alone = [sign_flip_p(gains[:, one : one + 1])[0] for one in range(3)]
    assert at_once[0] == pytest.approx(alone[0], abs=0.02)
    assert at_once[1:].tolist() == alone[1:]
    assert at_once[2] == 1.0


def test_without_a_prompt_or_a_difference_nothing_is_found():
    assert sign_flip_p(np.zeros((5, 2), int)).tolist() == [1.0, 1.0]
    assert sign_flip_p(np.zeros((0, 1), int)).tolist() == [1.0]


@pytest.mark.parametrize("gains", [np.zeros(4, int), np.zeros((4, 1))])
def test_gains_that_are_none_are_refused(gains):
    with pytest.raises(ValueError, match=r"integers \(P, T\)"):
        sign_flip_p(gains)


def test_with_one_image_a_prompt_sign_flips_are_mcnemars_exact_test():
    gains = np.repeat([1, -1, 0], [9, 3, 40])
    assert sign_flip_p(gains[:, None])[0] == pytest.approx(mcnemar_p(9, 3), abs=1e-12)


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


# --- effects -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two():
    """Positives of two methods, (300,) each of ten images, on prompts that are alike."""
    rng = np.random.default_rng(1)
    level = rng.beta(0.9, 1.6, 300)
    return rng.binomial(10, 0.35 * level), rng.binomial(10, level)


def resampled(statistic, prompts, draws=3000):
    rng = np.random.default_rng(0)
    return np.quantile([statistic(rng.integers(0, prompts, prompts)) for _ in range(draws)], [0.025, 0.975])


def test_the_interval_of_a_relative_reduction_is_that_of_resampled_prompts(two):
    a, b = two
    low, high = resampled(lambda i: 1 - a[i].sum() / b[i].sum(), 300)
    found = relative_reduction(a, b, np.full(300, 10))
    assert found.value == pytest.approx(1 - a.sum() / b.sum())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))
    apart = unpaired_reduction(*(probability(y, np.full(300, 10)) for y in two))
    assert apart.high - apart.low > 1.2 * (found.high - found.low)


def test_the_interval_of_an_unpaired_difference_is_that_of_prompts_resampled_on_either_side(two):
    rng = np.random.default_rng(0)
    many = [two[0][rng.integers(0, 300, 300)].mean() - two[1][rng.integers(0, 300, 300)].mean() for _ in range(3000)]
    low, high = np.quantile(many, [0.025, 0.975]) / 10
    found = unpaired_difference(*(probability(y, np.full(300, 10)) for y in two))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_an_unpaired_difference_of_one_image_a_prompt_is_newcombes():
    a, b = np.repeat([1, 0], [56, 14]), np.repeat([1, 0], [48, 32])
    found = unpaired_difference(*(probability(y, np.ones(len(y), int)) for y in (a, b)))
    # Newcombe (1998), table II, (a), method 10: 0.0524, 0.3339; our t is a little wider than his normal quantile.
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=0.004)


def test_a_reduction_from_nothing_is_none_and_one_to_nothing_is_whole_and_unsure():
    hits, none, images = np.array([3, 0, 2, 5, 1, 0, 2, 2]), np.zeros(8, int), np.full(8, 10)
    assert relative_reduction(hits, none, images) is None
    found = relative_reduction(none, hits, images)
    assert found.value == found.high == 1
    assert found.low < 0.5
    same = relative_reduction(hits, hits, images)
    assert same.value == 0
    assert same.low <= 0 <= same.high
    single = relative_reduction(hits[:1], hits[:1], images[:1])
    assert (single.value, single.low, single.high) == (0, None, None)


@pytest.mark.parametrize(("prompts", "draws"), [(300, 25), (30, 4)])
def test_the_interval_of_expected_maxima_rests_on_the_jackknife(two, prompts, draws):
    a, b = (y[:prompts] / 10 for y in two)
    found = expected_max_difference(a, b, draws, np.full(prompts, 10))
    assert found.value == pytest.approx(expected_max(a, draws).value - expected_max(b, draws).value)
    left = [
        expected_max(np.delete(a, i), draws).value - expected_max(np.delete(b, i), draws).value for i in range(prompts)
    ]
    error = np.sqrt((prompts - 1) ** 2 / prompts * np.var(left, ddof=0) * prompts / (prompts - 1))
    half = (found.high - found.low) / 2
    assert 1.8 * error < half < 2.7 * error
    apart = expected_max_difference(a, b[::-1], draws)
    assert apart.value == pytest.approx(found.value)


def test_expected_maxima_of_too_few_prompts_have_no_interval_or_none_at_all():
    values = np.linspace(0, 1, 25)
    assert expected_max_difference(values[:24], values[:24], 25) is None
    found = expected_max_difference(values, values / 2, 25)
    assert (found.value, found.low, found.high) == (0.5, None, None)


@pytest.mark.parametrize("images", [1, 10])
def test_methods_that_never_differed_may_yet(two, images):
    """As the interval of the difference says, which is not empty either."""
    hits, many = (two[1] > 5 if images == 1 else two[1]).astype(int), np.full(300, images)
    apart = paired_difference(np.zeros(300, int), np.zeros(300, int), many)
    same = relative_reduction(hits, hits, many)
    assert same.low < 0 < same.high
    assert same.high - same.low == pytest.approx((apart.high - apart.low) * many.sum() / hits.sum(), rel=0.75)
    most = expected_max_difference(np.minimum(hits / many, 0.8), np.minimum(hits / many, 0.8), 25, many)
    assert most.low < 0 < most.high


def test_prompts_without_a_hit_leave_room_for_a_maximum_not_seen():
    none = np.zeros(100)
    found = expected_max_difference(none, none, 25)
    assert (found.value, found.low) == (0, -found.high)
    # No hit in 100 prompts: up to 3 % of prompts may have one, and 25 of them to more than a half.
    assert 0.4 < found.high < 0.8


def test_the_first_and_the_second_can_be_exchanged(two):
    a, b = (y / 10 for y in two)
    images = np.full(300, 10)
    one, other = expected_max_difference(a, b, 25, images), expected_max_difference(b, a, 25, images)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_all_agree_on_the_point_estimate(two):
    images = np.full(300, 10)
    a, b = two
    won, lost = np.maximum(a - b, 0), np.maximum(b - a, 0)
    apart = unpaired_difference(probability(a, images), probability(b, images))
    assert paired_difference(won, lost, images).value == pytest.approx(apart.value)
