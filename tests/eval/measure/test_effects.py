"""The effects beyond the points, against resampled prompts and published examples."""

from dataclasses import replace

import numpy as np
import pytest

from eval.measure.effects import mover, relative_reduction, unpaired_difference, unpaired_reduction
from eval.measure.estimates import paired_difference, probability


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


def test_an_unpaired_difference_of_one_image_a_prompt_is_hardly_wider_than_newcombes():
    a, b = np.repeat([1, 0], [56, 14]), np.repeat([1, 0], [48, 32])
    found = unpaired_difference(*(probability(y, np.ones(len(y), int)) for y in (a, b)))
    # Newcombe (1998), table II, (a), method 10, from Wilson's intervals: 0.0524, 0.3339. Ours is made of exact ones.
    assert found.value == pytest.approx(0.2)
    assert 0.0524 - 0.011 < found.low < 0.0524
    assert 0.3339 < found.high < 0.3339 + 0.011


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


@pytest.mark.parametrize("images", [1, 10])
def test_methods_that_never_differed_may_yet(two, images):
    """As the interval of the difference says, which is not empty either."""
    hits, many = (two[1] > 5 if images == 1 else two[1]).astype(int), np.full(300, images)
    apart = paired_difference(np.zeros(300, int), np.zeros(300, int), many)
    same = relative_reduction(hits, hits, many)
    assert same.low < 0 < same.high
    assert same.high - same.low == pytest.approx((apart.high - apart.low) * many.sum() / hits.sum(), rel=0.75)


def test_all_agree_on_the_point_estimate(two):
    images = np.full(300, 10)
    a, b = two
    won, lost = np.maximum(a - b, 0), np.maximum(b - a, 0)
    apart = unpaired_difference(probability(a, images), probability(b, images))
    assert paired_difference(won, lost, images).value == pytest.approx(apart.value)


def test_at_the_limits_of_a_reduction_the_difference_of_one_share_from_its_part_of_the_other_ends_at_0():
    """What the limits of a ratio are by definition; one pair more of either enters the correlation."""
    rng, images = np.random.default_rng(3), np.array([10, 4, 10, 7, 10, 10, 2, 10])
    b = rng.binomial(images, 0.6)
    a = rng.binomial(b, 0.4)
    found, (p, q) = relative_reduction(a, b, images), (probability(y, images) for y in (a, b))
    more = np.sqrt(images.mean())
    rests = [
        [*(y - share * images), hit[0] - share * more, hit[1] - share * more]
        for y, share, hit in ((a, p.value, (more, 0)), (b, q.value, (0, more)))
    ]
    alike = np.corrcoef(*rests)[0, 1]
    for limit, end in ((found.high, "low"), (found.low, "high")):
        part = replace(q, **{name: (1 - limit) * value for name, value in vars(q).items()})
        assert getattr(mover(p, part, alike), end) == pytest.approx(0, abs=1e-9)
