"""KID and its interval, against torch-fidelity, sums over all pairs written out, and simulated worlds."""

import itertools

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kernel_poly, kid_features_to_metric, mmd2

from eval.measure import u_statistic
from eval.measure.estimates import Estimate
from eval.measure.kid import kid, own_similarity, paired_kid


def features(count, length=16, shift=0.0, seed=0):
    """Non-negative, as Inception's are."""
    return np.abs(np.random.default_rng(seed).normal(shift, 1, (count, length)))


X, Y = features(60), features(60, shift=0.5, seed=1)
GROUPS = np.random.default_rng(2).integers(0, 17, 60)  # in no order, of several images each


def upstream(first, second):
    """As torch-fidelity computes it of one subset, all pictures."""
    sides = torch.from_numpy(first), torch.from_numpy(second)
    result = kid_features_to_metric(*sides, kid_subsets=1, kid_subset_size=len(first), verbose=False)
    return result["kernel_inception_distance_mean"]


def kernel(first, second):
    return kernel_poly(first, second, kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)


def test_against_a_reference_it_is_that_of_torch_fidelity():
    assert kid(X, GROUPS, Y).value == pytest.approx(upstream(X, Y), rel=1e-9)


def test_in_single_precision_it_is_the_same_but_for_rounding():
    x, y = features(300, 2048).astype(np.float32), features(300, 2048, 0.05, 1).astype(np.float32)
    assert kid(x, np.arange(300), y).value == pytest.approx(upstream(x.astype(float), y.astype(float)), abs=1e-7)


def test_a_reference_may_have_another_number_of_pictures():
    few = Y[:7]
    k, kxy, kyy = kernel(X, X), kernel(X, few), kernel(few, few)
    expected = (k.sum() - np.trace(k)) / (60 * 59) + (kyy.sum() - np.trace(kyy)) / (7 * 6) - 2 * kxy.mean()
    estimate = kid(X, GROUPS, few)
    assert estimate.value == pytest.approx(expected, rel=1e-12)
    assert kid(X, GROUPS, few, own=own_similarity(few)) == estimate


def test_pairs_of_one_noise_do_not_count_as_likeness():
    expected = mmd2(kernel(X, X), kernel(X, Y), kernel(Y, Y), mmd_est="u-statistic")
    assert paired_kid(X, Y, GROUPS).value == pytest.approx(expected, rel=1e-12)


def test_with_cosines_the_kernel_is_of_whole_products():
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (X, Y))
    estimate = paired_kid(x, y, GROUPS, cosine=True)
    scaled = paired_kid(4 * x, 4 * y, GROUPS)  # √d of embeddings of length 16
    assert (estimate.value, estimate.low) == (pytest.approx(scaled.value), pytest.approx(scaled.low))


def test_equal_pictures_are_at_distance_zero_exactly_and_tell_no_interval():
    assert paired_kid(X, X.copy(), GROUPS) == Estimate(0.0, None, None)


def test_unchanged_pictures_are_passed_over_with_the_same_result():
    mixed = np.where((np.arange(60) % 3 == 0)[:, None], Y, X)
    expected = mmd2(kernel(mixed, mixed), kernel(mixed, X), kernel(X, X), mmd_est="u-statistic")
    assert paired_kid(mixed, X, GROUPS).value == pytest.approx(expected, rel=1e-9)


def test_few_images_have_no_distance_and_few_groups_no_interval():
    assert paired_kid(X[:1], Y[:1], GROUPS[:1]) is None
    assert kid(X[:1], GROUPS[:1], Y) is None
    assert kid(X, GROUPS, Y[:1]) is None
    alone = paired_kid(X[:8], Y[:8], np.zeros(8, int))
    assert alone.value != 0
    assert (alone.low, alone.high) == (None, None)
    four_changed = np.where((GROUPS < 4)[:, None], Y, X)
    assert paired_kid(four_changed, X, GROUPS).low is None
    five_changed = np.where((GROUPS < 5)[:, None], Y, X)
    assert paired_kid(five_changed, X, GROUPS).low is not None


@pytest.mark.parametrize("block", [1, 100, 1000])
def test_no_number_depends_on_how_many_are_computed_at_once(monkeypatch, block):
    whole = paired_kid(X, Y, GROUPS), kid(X, GROUPS, Y[:7])
    monkeypatch.setattr(u_statistic, "BLOCK", block)
    for estimate, expected in zip((paired_kid(X, Y, GROUPS), kid(X, GROUPS, Y[:7])), whole, strict=True):
        for name in ("value", "low", "high"):
            assert getattr(estimate, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_the_order_of_images_and_the_names_of_groups_do_not_matter():
    order = np.random.default_rng(3).permutation(60)
    expected = paired_kid(X, Y, GROUPS)
    for estimate in (paired_kid(X[order], Y[order], GROUPS[order]), paired_kid(X, Y, 1000 * GROUPS - 5)):
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )


def test_draws_and_groups_left_out_are_means_over_the_pairs_written_out(monkeypatch):
    """What the limits are made of, against loops over pairs of groups of a draw."""
    seen = {}
    monkeypatch.setattr(u_statistic, "DRAWS", 6)
    monkeypatch.setattr(u_statistic, "_limits", lambda *values: seen.update(values=values) or (0.0, 0.0))
    paired_kid(X, Y, GROUPS)
    h = kernel(X, X) + kernel(Y, Y) - kernel(X, Y) - kernel(X, Y).T
    members = [np.flatnonzero(number == GROUPS) for number in np.unique(GROUPS)]

    def mean(groups):
        # Copies of a group meet other groups, and not each other.
        pairs = [(a, b) for a, b in itertools.permutations(groups, 2) if a != b]
        total = sum(h[np.ix_(members[a], members[b])].sum() for a, b in pairs)
        return total / sum(len(members[a]) * len(members[b]) for a, b in pairs)

    value, draws, without = seen["values"]
    everyone = range(len(members))
    assert value == pytest.approx(mean(everyone))
    taken = np.random.default_rng(0).multinomial(len(members), np.full(len(members), 1 / len(members)), 6)
    assert draws == pytest.approx([mean(np.repeat(everyone, times)) for times in taken])
    assert without == pytest.approx([mean([g for g in everyone if g != left]) for left in everyone])


def test_the_limits_are_those_of_scipy_where_both_say_the_same():
    """BCa of a mean, but for the wider levels of Student's t, which many groups make the normal ones."""
    from scipy import stats

    sample = np.random.default_rng(4).exponential(size=400)
    rng = np.random.default_rng(5)
    draws = rng.choice(sample, (20_000, 400)).mean(axis=1)
    without = (sample.sum() - sample) / 399
    low, high = u_statistic._limits(sample.mean(), draws, without)
    expected = stats.bootstrap((sample,), np.mean, n_resamples=20_000, rng=rng).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.1 * sample.std() / 20)


def test_features_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="expected features of one length"):
        kid(X, GROUPS, Y[:, :3])
    with pytest.raises(ValueError, match="expected features of as many pictures"):
        paired_kid(X, Y[:, :3], GROUPS)
    with pytest.raises(ValueError, match="expected features \\(n, d\\) and groups"):
        kid(X, GROUPS[:3], Y)
    with pytest.raises(ValueError, match="expected finite features"):
        paired_kid(np.where(X > 2, np.nan, X), Y, GROUPS)
