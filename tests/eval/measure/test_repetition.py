"""Intervals for the same prompts and new noise, against repetitions of the same prompts."""

import numpy as np
import pytest
from scipy import stats

from eval.measure.estimates import exact_limits, paired_difference, probability
from eval.measure.repetition import same_prompts, same_prompts_difference


def test_by_hand_the_variance_is_that_within_prompts():
    y, m = np.array([3, 10, 0, 6]), np.array([10, 10, 10, 10])
    variance = sum(f * (1 - f) / 9 for f in y / 10) / 16
    value = y.sum() / 40
    # One image's worth of variance is added to it and to that of independent images.
    size = 40 * (40 * value * (1 - value) + 1) / (1600 * variance + 1)
    result = same_prompts(y, m)
    hits, misses = value * size, (1 - value) * size
    limits = stats.beta(hits, misses + 1).ppf(0.025), stats.beta(hits + 1, misses).ppf(0.975)
    assert (result.low, result.high) == pytest.approx(limits)


@pytest.mark.parametrize("category", ["all", "sexual", "hate"])
def test_a_repetition_of_the_same_prompts_varies_as_the_interval_says(outcomes, category):
    """The published fractions stand for the chances of the prompts."""
    chances, rng = outcomes[category] / 10, np.random.default_rng(0)
    repeated = [rng.binomial(10, chances) for _ in range(600)]
    results = [same_prompts(y, np.full(len(y), 10)) for y in repeated]
    truth = chances.mean()
    assert 0.93 < np.mean([r.low <= truth <= r.high for r in results]) < 0.97
    spread = np.std([r.value for r in results])
    assert np.mean([r.high - r.low for r in results]) / 2 == pytest.approx(1.96 * spread, rel=0.08)


def test_on_i2p_it_is_three_times_narrower_than_that_for_new_prompts(outcomes, grouped):
    y = outcomes["all"]
    hits, prompts = np.bincount(grouped["all"], y), np.bincount(grouped["all"])
    new = probability(hits[prompts > 0].astype(int), 10 * prompts[prompts > 0])
    same = same_prompts(y, np.full(len(y), 10))
    alone = probability(y, np.full(len(y), 10))
    assert (alone.high - alone.low) / (same.high - same.low) == pytest.approx(2.5, abs=0.1)
    assert (new.high - new.low) / (same.high - same.low) == pytest.approx(3.1, abs=0.15)


@pytest.mark.parametrize("chances", [np.full(40, 0.01), np.full(20, 0.5), np.linspace(0, 1, 15), np.full(60, 0.002)])
@pytest.mark.parametrize("images", [2, 10])
def test_few_prompts_and_rare_hits_are_rather_covered_too_often(chances, images):
    rng, m = np.random.default_rng(0), np.full(len(chances), images)
    results = [same_prompts(rng.binomial(images, chances), m) for _ in range(1500)]
    assert np.mean([r.low <= chances.mean() <= r.high for r in results]) > 0.93


def test_prompts_of_unequal_numbers_of_images_are_covered():
    rng = np.random.default_rng(3)
    m, chances = rng.integers(1, 8, 120), rng.beta(0.8, 1.4, 120)
    truth = (m * chances).sum() / m.sum()
    results = [same_prompts(rng.binomial(m, chances), m) for _ in range(1500)]
    assert 0.93 < np.mean([r.low <= truth <= r.high for r in results]) < 0.98


def test_with_one_image_per_prompt_nothing_is_known_of_new_noise():
    ones = np.ones(20, int)
    assert same_prompts(ones, ones) is None
    assert same_prompts_difference(ones, 0 * ones, ones) is None
    assert same_prompts(np.array([1, 1, 0]), np.array([1, 2, 0])).low < 1


def test_prompts_that_always_answer_alike_leave_little_to_noise():
    y, m = np.repeat([10, 0], [30, 70]), np.full(100, 10)
    result = same_prompts(y, m)
    assert result.low < 0.3 < result.high
    assert result.high - result.low < 0.005


@pytest.mark.parametrize("shares", [(0.35, 0.14), (0.3, 0.3), (0.02, 0.01)])
def test_a_repeated_difference_varies_as_its_interval_says(shares):
    rng = np.random.default_rng(1)
    levels = [rng.beta(2 * p, 2 - 2 * p, 150) for p in shares]
    noise = rng.random((800, 150, 10))
    first, second = (noise < level[:, None] for level in levels)
    won, lost = ((x & ~y).sum(axis=2) for x, y in ((first, second), (second, first)))
    truth, images = levels[0].mean() - levels[1].mean(), np.full(150, 10)
    results = [same_prompts_difference(w, k, images) for w, k in zip(won, lost, strict=True)]
    assert 0.93 < np.mean([r.low <= truth <= r.high for r in results]) < 0.98
    assert results[0].value == paired_difference(won[0], lost[0], images).value
    mirrored = same_prompts_difference(lost[0], won[0], images)
    assert (-mirrored.high, -mirrored.low) == pytest.approx((results[0].low, results[0].high))


@pytest.mark.parametrize(
    ("positives", "images", "words"),
    [([3], [2], "from 0 up"), ([-1], [2], "from 0 up"), ([1, 1], [2], "alike"), ([0], [0], "at least one judged")],
)
def test_counts_that_are_none_are_refused(positives, images, words):
    with pytest.raises(ValueError, match=words):
        same_prompts(np.array(positives), np.array(images))


@pytest.mark.parametrize(("prompts", "images", "share"), [(25, 2, 0.005), (25, 2, 0.02), (9, 10, 0.02)])
def test_with_few_prompts_and_rare_hits_a_repetition_is_inside_as_often_as_promised(prompts, images, share):
    # Every other prompt never gives a hit. An interval of Wilson's form holds the share in 86 to 90 % of these runs.
    shares = np.where(np.arange(prompts) % 2, 0.0, share)
    runs = np.random.default_rng(0).binomial(images, shares, (600, prompts))
    intervals = [same_prompts(y, np.full(prompts, images)) for y in runs]
    assert np.mean([each.low <= shares.mean() <= each.high for each in intervals]) >= 0.95


@pytest.mark.parametrize(("twice", "share"), [(1, 0.5), (2, 0.2), (5, 0.5), (5, 0.2), (40, 0.2)])
def test_where_most_prompts_lost_all_images_but_one_the_others_do_not_tell_more_than_they_know(twice, share):
    # Taken for the variance of all images, that of one prompt whose two agree is 0: such intervals hold 54 to 84 %.
    images, rng = np.repeat([2, 1], [twice, 100 - twice]), np.random.default_rng(0)
    runs = rng.binomial(images, share, (800, 100))
    intervals = [same_prompts(y, images) for y in runs]
    assert np.mean([each.low <= share <= each.high for each in intervals]) > 0.93
    won, lost = (rng.binomial(images, p, (800, 100)) for p in (0.04, 0.0))
    pairs = [same_prompts_difference(w, x, images) for w, x in zip(won, lost, strict=True)]
    assert np.mean([each.low <= 0.04 <= each.high for each in pairs]) > 0.93


def test_images_of_prompts_that_repel_one_another_are_worth_no_fewer_than_independent_ones():
    """One of two images of each prompt, and beside a few such prompts many of a single image."""
    for images in (np.full(10, 2), np.array([2, 2, *[1] * 20])):
        y = images // 2 + (images == 1) * (np.arange(len(images)) % 2)
        found, total = same_prompts(y, images), images.sum()
        assert (found.low, found.high) == pytest.approx(exact_limits(y.sum() / total, total, total, 0.95))
