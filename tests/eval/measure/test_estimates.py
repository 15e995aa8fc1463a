"""Shares, differences and their intervals for new prompts, against resampling, scipy and the published file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

import i2p
from eval.measure.estimates import (
    Estimate,
    design_effect,
    exact_limits,
    mean,
    paired_difference,
    positive_mean,
    probability,
)

CATEGORIES = (*i2p.CATEGORIES, "all")


def tens(positives):
    return np.full(len(positives), 10)


def test_the_value_is_the_share_of_images_and_not_the_mean_of_prompts():
    estimate = probability(np.array([1, 0, 9]), np.array([1, 5, 10]))
    assert estimate.value == 10 / 16


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_interval_is_that_of_resampled_prompts(outcomes, category):
    y, rng = outcomes[category], np.random.default_rng(0)
    resampled = np.array([rng.choice(y, len(y)).mean() / 10 for _ in range(4000)])
    low, high = np.quantile(resampled, [0.025, 0.975])
    estimate = probability(y, tens(y))
    # 4000 resamples place a quantile to about 4 % of the width; the bootstrap knows no t.
    assert estimate.low == pytest.approx(low, abs=0.05 * (high - low))
    assert estimate.high == pytest.approx(high, abs=0.05 * (high - low))


@pytest.mark.parametrize("category", ["all", "shocking", "illegal activity"])
def test_of_near_duplicates_the_interval_is_that_of_resampled_groups(outcomes, grouped, category):
    y, (_, number) = outcomes[category], np.unique(grouped[category], return_inverse=True)
    hits, images = np.bincount(number, y).astype(int), np.bincount(number, tens(y)).astype(int)
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(hits), (4000, len(hits)), dtype=np.int32)
    low, high = np.quantile(hits[chosen].sum(axis=1) / images[chosen].sum(axis=1), [0.025, 0.975])
    estimate, alone = probability(hits, images), probability(y, tens(y))
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    assert estimate.value == alone.value
    assert estimate.high - estimate.low > 1.2 * (alone.high - alone.low)


def test_the_interval_is_that_of_resampled_prompts_with_unequal_numbers_of_images():
    rng = np.random.default_rng(1)
    m = rng.integers(1, 20, 600)
    y = rng.binomial(m, rng.beta(0.8, 1.4, 600))
    chosen = rng.integers(0, 600, (4000, 600))
    low, high = np.quantile(y[chosen].sum(1) / m[chosen].sum(1), [0.025, 0.975])
    estimate = probability(y, m)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_images_of_one_prompt_are_worth_about_a_quarter_of_independent_ones(outcomes):
    y, rng = outcomes["all"], np.random.default_rng(2)
    clustered = np.std([rng.choice(y, len(y)).mean() / 10 for _ in range(2000)])
    naive = np.sqrt(y.mean() / 10 * (1 - y.mean() / 10) / (10 * len(y)))
    assert np.sqrt(design_effect(y, tens(y))) == pytest.approx(clustered / naive, rel=0.05)
    assert clustered / naive == pytest.approx(2.03, abs=0.1)


def binomial_limits(positives, images, confidence=0.95):
    """The shares at which so many hits, or more and fewer of them, have the probability of half the error."""
    tail = (1 - confidence) / 2
    low = positives and optimize.brentq(lambda p: stats.binom.sf(positives - 1, images, p) - tail, 0, 1, xtol=1e-12)
    if positives == images:
        return low, 1
    return low, optimize.brentq(lambda p: stats.binom.cdf(positives, images, p) - tail, 0, 1, xtol=1e-12)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
@pytest.mark.parametrize(("positives", "prompts"), [(0, 5), (3, 8), (0, 9), (20, 40), (399, 4703), (60, 60)])
def test_one_image_a_prompt_gives_clopper_and_pearsons_interval(positives, prompts, confidence):
    y = np.repeat([1, 0], [positives, prompts - positives])
    estimate = probability(y, np.ones(prompts, int), confidence)
    assert (estimate.low, estimate.high) == pytest.approx(binomial_limits(positives, prompts, confidence), abs=1e-9)


@pytest.mark.parametrize("prompts", [2, 5, 9, 35])
def test_with_one_image_a_prompt_no_share_is_covered_less_often_than_promised(prompts):
    k = np.arange(prompts + 1)
    intervals = [probability(np.arange(prompts) < hits, np.ones(prompts, int)) for hits in k]
    low, high = (np.array([getattr(each, end) for each in intervals]) for end in ("low", "high"))
    ends = np.concatenate([low, high])  # coverage jumps at the limits only, and is least beside one
    for share in np.concatenate([ends - 1e-9, ends + 1e-9]).clip(0, 1):
        held = (low <= share) & (share <= high)
        assert stats.binom.pmf(k[held], prompts, share).sum() >= 0.95 - 1e-6


@pytest.mark.parametrize("prompts", [4, 16, 300])
def test_without_a_single_hit_the_prompts_are_the_sample(prompts):
    none = probability(np.zeros(prompts, int), np.full(prompts, 10))
    every = probability(np.full(prompts, 10), np.full(prompts, 10))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / prompts))
    assert (every.value, every.high) == (1, 1)
    assert every.low == pytest.approx(0.025 ** (1 / prompts))


@pytest.mark.parametrize(("prompts", "images"), [(100, 10), (40, 250), (1000, 10)])
def test_a_single_hit_leaves_more_than_nothing(prompts, images):
    y = np.zeros(prompts, int)
    y[0] = 1
    estimate = probability(y, np.full(prompts, images))
    # At this share a hit is seen in 2.5 % of runs if images are independent, and less often if they are alike.
    share = 1 - 0.975 ** (1 / (prompts * images))
    assert 0.9 * share < estimate.low <= share
    assert estimate.low < estimate.value < estimate.high


def test_an_effective_sample_need_not_be_a_whole_number():
    y, m = np.array([3, 0, 7, 1, 0, 2]), np.array([10, 8, 10, 10, 5, 9])
    size = m.sum() / design_effect(y, m)
    hits = y.sum() / m.sum() * size
    assert size % 1 > 0.01
    estimate = probability(y, m)

    def density(p, a, b):
        return p ** (a - 1) * (1 - p) ** (b - 1)

    for limit, (a, b), tail in (
        (estimate.low, (hits, size - hits + 1), 0.025),
        (estimate.high, (hits + 1, size - hits), 0.975),
    ):
        # The tail of a binomial distribution is an integral over shares, which has a meaning between whole numbers.
        up_to, whole = (integrate.quad(density, 0, end, args=(a, b))[0] for end in (limit, 1))
        assert up_to / whole == pytest.approx(tail, abs=1e-6)


def test_one_more_hit_never_makes_an_almost_clean_result_look_much_surer():
    highs = [probability(np.repeat([1, 0], [k, 16 - k]), np.full(16, 10)).high for k in range(6)]
    assert min(highs) > 0.9 * highs[0]


def test_images_that_repeat_their_prompts_add_no_evidence():
    y, m = np.repeat([1, 0], [30, 70]), np.ones(100, int)
    one, ten = probability(y, m), probability(10 * y, 10 * m)
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))


def test_prompts_more_alike_than_chance_are_worth_no_more_than_independent_images():
    estimate = probability(np.full(500, 5), np.full(500, 10))
    assert (estimate.low, estimate.high) == pytest.approx(binomial_limits(2500, 5000), abs=1e-9)


def test_one_prompt_has_a_value_and_no_interval():
    assert probability(np.array([3]), np.array([10])) == Estimate(0.3, None, None)
    assert probability(np.array([3, 0]), np.array([10, 0])) == Estimate(0.3, None, None)


def test_prompts_without_judged_images_do_not_count():
    assert probability(np.array([3, 0, 5]), np.array([10, 0, 9])) == probability(np.array([3, 5]), np.array([10, 9]))


counts = st.integers(1, 12).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m)))


@settings(deadline=None, database=None, derandomize=True)
@given(st.lists(counts, min_size=2, max_size=30), st.sampled_from([0.5, 0.95, 0.999]))
def test_the_interval_holds_the_value_within_0_and_1_whatever_the_order(pairs, confidence):
    y, m = np.transpose(pairs)
    estimate = probability(y, m, confidence)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high
    assert probability(y[::-1], m[::-1], confidence).high == pytest.approx(estimate.high)
    mirrored = probability(m - y, m, confidence)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((estimate.low, estimate.high))


# Number of prompts, probability, correlation of two images of one prompt. I2P itself has 0.35.
@pytest.mark.parametrize(
    ("prompts", "p", "rho"), [(100, 0.2, 0.35), (100, 0.4, 0.5), (300, 0.35, 0.2), (400, 0.05, 0.5)]
)
def test_95_percent_intervals_cover_95_percent_of_the_time(prompts, p, rho):
    rng, runs = np.random.default_rng(0), 2000
    shape = (1 - rho) / rho
    samples = rng.binomial(10, rng.beta(p * shape, (1 - p) * shape, (runs, prompts)))
    estimates = [probability(y, tens(y)) for y in samples]
    assert 0.93 < np.mean([e.low <= p <= e.high for e in estimates]) < 0.97


@pytest.mark.parametrize(
    ("prompts", "p", "rho"), [(16, 0.05, 0.5), (30, 0.02, 0.35), (100, 0.01, 0.6), (16, 0.98, 0.3)]
)
def test_intervals_for_few_prompts_or_rare_hits_are_rather_too_wide_than_too_narrow(prompts, p, rho):
    rng = np.random.default_rng(0)
    shape = (1 - rho) / rho
    samples = rng.binomial(10, rng.beta(p * shape, (1 - p) * shape, (2000, prompts)))
    estimates = [probability(y, tens(y)) for y in samples]
    assert np.mean([e.low <= p <= e.high for e in estimates]) > 0.94


@pytest.mark.parametrize(
    ("positives", "images", "words"),
    [
        ([], [], "at least one judged image"),
        ([0, 0], [0, 0], "at least one judged image"),
        ([3], [2], "0 <= positives <= images"),
        ([-1], [2], "0 <= positives <= images"),
        ([np.nan], [2], "0 <= positives <= images"),
        ([1, 1], [2], "arrays"),
    ],
)
def test_counts_that_are_none_are_refused_rather_than_turned_into_a_number(positives, images, words):
    with pytest.raises(ValueError, match=words):
        probability(np.array(positives), np.array(images))


# --- paired differences --------------------------------------------------------------------------------------------


def pairs_of(rng, runs, prompts, first, second, alike):
    """Two methods' images, (runs, prompts, 4) each, of prompts that differ, on noise that is partly common."""
    level = rng.normal(0, 1, (runs, prompts, 1))
    common = alike * rng.normal(0, 1, (runs, prompts, 4))
    noise = [np.sqrt(1 - alike**2) * rng.normal(0, 1, (runs, prompts, 4)) for _ in range(2)]
    cuts = [np.sqrt(2) * stats.norm.ppf(1 - p) for p in (first, second)]
    return [level + common + noise[i] > cuts[i] for i in range(2)]


# Prompts, the two probabilities, and how much of the noise both methods share.
@pytest.mark.parametrize(
    ("prompts", "first", "second", "alike"),
    [(60, 0.5, 0.1, 0.5), (175, 0.5, 0.45, 0.9), (100, 0.2, 0.2, 0.0), (175, 0.05, 0.02, 0.5)],
)
def test_95_percent_intervals_of_a_paired_difference_cover_95_percent_of_the_time(prompts, first, second, alike):
    a, b = pairs_of(np.random.default_rng(1), 2000, prompts, first, second, alike)
    wins, losses = (a & ~b).sum(axis=2), (b & ~a).sum(axis=2)
    found = [paired_difference(w, k, np.full(prompts, 4)) for w, k in zip(wins, losses, strict=True)]
    assert np.mean([d.value for d in found]) == pytest.approx(first - second, abs=0.005)
    assert 0.93 < np.mean([d.low <= first - second <= d.high for d in found]) < 0.97


def test_with_one_pair_a_prompt_the_interval_is_that_of_bonett_and_price():
    wins, losses = np.repeat([1, 0, 0], [20, 5, 75]), np.repeat([0, 1, 0], [20, 5, 75])
    p, q = 21 / 102, 6 / 102
    half = stats.t.ppf(0.975, 99) * np.sqrt((p + q - (p - q) ** 2) / 102)
    found = paired_difference(wins, losses, np.ones(100, int))
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx((p - q - half, p - q + half))


def test_pairs_that_never_differ_leave_room_for_a_difference_not_seen():
    none = np.zeros(50, int)
    found = paired_difference(none, none, np.full(50, 4))
    assert found.value == 0
    assert -0.06 < found.low < 0 < found.high < 0.06


def test_the_other_way_round_a_difference_has_the_other_sign():
    wins, losses, images = np.array([3, 0, 0, 2]), np.array([1, 0, 1, 0]), np.array([4, 0, 3, 4])
    one, other = paired_difference(wins, losses, images), paired_difference(losses, wins, images)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    paired = images > 0  # a prompt without pairs does not count
    assert one == paired_difference(wins[paired], losses[paired], images[paired])
    assert paired_difference(np.array([2]), np.array([0]), np.array([4])).low is None


@pytest.mark.parametrize(
    ("wins", "losses", "images"), [([3], [2], [4]), ([-1], [0], [4]), ([1, 1], [0], [1]), ([0], [0], [0]), ([], [], [])]
)
def test_counts_of_pairs_that_are_none_are_refused(wins, losses, images):
    with pytest.raises(ValueError, match="expected"):
        paired_difference(np.array(wins), np.array(losses), np.array(images))


@pytest.mark.parametrize("largest", [46, 200])
def test_a_group_that_is_most_of_the_prompts_does_not_make_a_difference_look_precise(largest):
    # Whole groups lean one way or the other by chance. Without leverage 89 and 2 % of these intervals hold 0.
    images, rng = 2 * np.repeat([largest, 1], [1, 60]), np.random.default_rng(0)
    held = []
    for _ in range(400):
        gains = rng.choice([-1, 1], 61) * rng.binomial(images, 0.3)
        found = paired_difference(np.maximum(gains, 0), np.maximum(-gains, 0), images)
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) > 0.94


def groups_of_distances(rng, groups, acting, shape):
    """Sums and numbers of images of groups whose pictures a method changes with some probability, on average `acting`.

    How far a changed picture is moved is skewed, of mean 1, and mostly the group's own.
    """
    images = rng.choice([1, 1, 1, 1, 2, 4], groups)
    rate = rng.beta(0.5, 0.5 * (1 - acting) / acting, groups)
    own = rng.gamma(shape, 1 / shape, groups)
    sums = [
        ((rng.random(m) < rate[g]) * (0.7 * own[g] + 0.3 * rng.gamma(shape, 1 / shape, m))).sum()
        for g, m in enumerate(images)
    ]
    return np.array(sums), images


@pytest.mark.parametrize(("moved", "shape", "stated"), [(0.2, 1, 0.93), (0.2, 8, 0.96), (0.05, 1, 0.88)])
def test_the_coverage_of_mean_distances_is_what_is_stated_of_it(moved, shape, stated):
    rng = np.random.default_rng(1)
    samples = np.where(rng.random((800, 63)) < moved, rng.gamma(shape, 1 / shape, (800, 63)), 0.0)
    found = [positive_mean(sums, np.ones(63, int)) for sums in samples]
    held = [e.low <= moved <= e.high for e in found if e.low is not None]
    assert np.mean(held) == pytest.approx(stated, abs=0.03)  # three standard errors


def test_two_pseudo_clusters_make_up_for_hits_that_were_not_seen():
    """Of a hundred prompts with a share of 1 %, whose ten images are alike as on I2P."""
    rng, share, alike = np.random.default_rng(2), 0.01, 0.35
    size, images = 1 / alike - 1, np.full(100, 10)
    held = []
    for _ in range(600):
        y = rng.binomial(10, rng.beta(share * size, (1 - share) * size, 100))
        p = y.sum() / 1000
        plain = max(1.0, np.square(y - 10 * p).sum() / (p * (1 - p) * 1000)) if p else 1.0
        low, high = exact_limits(p, 1000 / plain, 1000, 0.95)
        ours = probability(y, images)
        held.append((ours.low <= share <= ours.high, low <= share <= high))
    assert np.mean(held, axis=0) == pytest.approx([0.99, 0.89], abs=0.03)


def test_a_mean_of_equal_groups_has_students_interval():
    values = np.random.default_rng(3).normal(-2, 5, 40)
    estimate = mean(values, np.ones(40, int))
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((values.mean(), theirs.low, theirs.high))


def test_a_mean_of_groups_of_any_size_has_the_jackknifes_residuals():
    """A group's residual by one less its part of the images, beside that of groups of one size."""
    sums, images = np.array([3.0, 1.0, 7.0, 2.5]), np.array([1, 2, 6, 1])
    value, total = sums.sum() / 10, 0.0
    for y, m in zip(sums, images, strict=True):
        total += ((y - value * m) * (1 - 1 / 4) / (1 - m / 10)) ** 2
    error = np.sqrt(total * 4 / 3) / 10
    estimate, reach = mean(sums, images), stats.t(3).ppf(0.975) * error
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, value - reach, value + reach))


def test_without_a_pair_that_differs_the_clusters_are_the_sample():
    none = np.zeros(20, int)
    ten, one = (paired_difference(none, none, np.full(20, pairs)) for pairs in (10, 1))
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))


def test_a_difference_of_all_pairs_ends_at_1():
    none, pairs = np.zeros(6, int), np.full(6, 2)
    assert paired_difference(pairs, none, pairs).high == 1 > paired_difference(pairs, none, pairs).low
    assert paired_difference(none, pairs, pairs).low == -1 < paired_difference(none, pairs, pairs).high


def test_a_mean_is_of_images_and_knows_no_interval_where_nothing_varies():
    assert mean(np.array([0.1, 0.3, 0.7]), np.array([1, 3, 7])) == Estimate(pytest.approx(0.1), None, None)
    assert mean(np.array([6.0, 0.0, 1.0]), np.array([3, 0, 1])).value == 7 / 4
    for average in (mean, positive_mean):
        assert average(np.zeros(5), np.ones(5, int)) == Estimate(0.0, None, None)
        assert average(np.array([0.6]), np.array([2])) == Estimate(0.3, None, None)
        with pytest.raises(ValueError, match="of one image or more"):
            average(np.zeros(2), np.zeros(2, int))


@pytest.mark.parametrize(("acting", "shape"), [(0.2, 2), (0.6, 0.7), (0.95, 8)])
def test_the_interval_of_a_mean_of_distances_covers_it_and_does_not_lie_below_it(acting, shape):
    rng = np.random.default_rng(5)
    found = [positive_mean(*groups_of_distances(rng, 63, acting, shape)) for _ in range(600)]
    assert all(0 < e.low < e.value < e.high for e in found)
    # 600 samples place a coverage of 95 % to about 1.8 points.
    assert np.mean([e.low <= acting <= e.high for e in found]) > 0.92
    assert np.mean([e.high < acting for e in found]) < 0.06
