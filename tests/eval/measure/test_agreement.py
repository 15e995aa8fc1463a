"""Where a test and an interval disagree on 0, the test rules."""

import numpy as np

from eval.measure.agreement import agreeing
from eval.measure.estimates import Estimate, paired_difference
from eval.measure.significance import sign_flips


def around(value, half):
    return Estimate(value, value - half, value + half)


def test_an_interval_that_excludes_0_against_the_test_reaches_to_it():
    assert agreeing(0.2, around(0.3, 0.1), 0.01) == Estimate(0.3, 0.0, 0.4)
    assert agreeing(0.2, around(-0.3, 0.1), 0.01) == Estimate(-0.3, -0.4, 0.0)


def test_an_interval_that_holds_0_against_the_test_ends_short_of_it():
    assert agreeing(0.001, Estimate(0.3, -0.2, 0.8), 0.01) == Estimate(0.3, 0.01, 0.8)
    assert agreeing(0.001, Estimate(-0.3, -0.8, 0.2), 0.01) == Estimate(-0.3, -0.8, -0.01)
    assert agreeing(0.001, Estimate(0.3, -0.2, 0.8), 0.5) == Estimate(0.3, 0.3, 0.8)  # never beyond the value


def test_where_they_agree_nothing_changes():
    for p, estimate in ((0.001, around(0.3, 0.1)), (0.8, around(0.01, 0.1)), (None, around(0.3, 0.1))):
        assert agreeing(p, estimate, 0.001) == estimate
    assert agreeing(1.0, Estimate(0.3, None, None), 0.01) == Estimate(0.3, None, None)


def test_no_difference_of_small_samples_has_a_test_and_an_interval_that_disagree():
    rng, apart = np.random.default_rng(0), 0
    for _ in range(400):
        groups, images = rng.integers(2, 30), rng.integers(1, 4)
        won = rng.binomial(images, 0.3 * rng.random(), groups)
        lost = rng.binomial(images - won, 0.15 * rng.random())
        m = np.full(groups, images)
        p = sign_flips((won - lost)[:, None], m[:, None]).p[0]
        alone = paired_difference(won, lost, m)
        apart += (p <= 0.05) == (alone.low <= 0 <= alone.high)
        estimate = agreeing(p, alone, 0.5 / m.sum())
        assert (p <= 0.05) != (estimate.low <= 0 <= estimate.high)
        assert estimate.low <= estimate.value <= estimate.high
    assert apart > 5  # or this tries nothing


def test_cutting_at_0_costs_no_coverage_where_hits_are_rare():
    """Of two methods that can be exchanged, and of one that has few hits where the other has none."""
    rng = np.random.default_rng(0)
    for first, second in ((0.02, 0.02), (0.03, 0.001)):
        held = []
        for run in range(300):
            won, lost = (rng.binomial(10, rng.beta(s / 2, (1 - s) / 2, 80)) for s in (first, second))
            both = np.minimum(won, lost)
            won, lost, m = won - both, lost - both, np.full(80, 10)
            p = sign_flips((won - lost)[:, None], m[:, None], 399, run).p[0]
            alone = paired_difference(won, lost, m)
            held.append([e.low <= first - second <= e.high for e in (agreeing(p, alone, 0.5 / m.sum()), alone)])
        agreed, before = np.mean(held, axis=0)
        assert agreed > 0.95 if first == second else agreed == before
