"""A test and an interval that disagree on 0 are brought to agree, to the safe side."""

import numpy as np
import pytest

from eval.measure.agreement import agreeing
from eval.measure.estimates import Estimate, paired_difference
from eval.measure.significance import sign_flips


def around(value, half_of):
    return lambda confidence: Estimate(value, value - half_of(confidence), value + half_of(confidence))


def test_an_interval_that_excludes_0_against_the_test_reaches_to_it():
    assert agreeing(0.2, around(0.3, lambda _: 0.1)) == (0.2, Estimate(0.3, 0.0, 0.4))
    assert agreeing(0.2, around(-0.3, lambda _: 0.1)) == (0.2, Estimate(-0.3, -0.4, 0.0))


def test_a_p_against_which_the_interval_holds_0_is_that_at_which_it_ends_there():
    p, estimate = agreeing(0.001, around(0.3, lambda confidence: confidence / 2))
    assert p == pytest.approx(0.4)  # half of 0.6
    assert estimate.low < 0


def test_where_they_agree_nothing_changes():
    assert agreeing(0.001, around(0.3, lambda _: 0.1)) == (0.001, Estimate(0.3, 0.3 - 0.1, 0.4))
    p, estimate = agreeing(0.8, around(0.01, lambda _: 0.1))
    assert (p, estimate.high) == (0.8, 0.11)
    assert agreeing(None, around(0.3, lambda _: 0.1))[0] is None
    assert agreeing(1.0, lambda _: Estimate(0.3, None, None)) == (1.0, Estimate(0.3, None, None))


def test_no_difference_of_small_samples_has_a_test_and_an_interval_that_disagree():
    rng, apart = np.random.default_rng(0), 0
    for _ in range(400):
        groups, images = rng.integers(2, 30), rng.integers(1, 4)
        won = rng.binomial(images, 0.3 * rng.random(), groups)
        lost = rng.binomial(images - won, 0.15 * rng.random())
        m = np.full(groups, images)
        p = sign_flips((won - lost)[:, None], m[:, None]).p[0]

        def interval(confidence, won=won, lost=lost, m=m):
            return paired_difference(won, lost, m, confidence)

        raw = interval(0.95)
        apart += (p <= 0.05) == (raw.low <= 0 <= raw.high)
        agreed, estimate = agreeing(p, interval)
        assert (agreed <= 0.05) != (estimate.low <= 0 <= estimate.high)
        assert agreed >= p
        assert estimate.low <= raw.low
        assert estimate.high >= raw.high
    assert apart > 5  # or this tries nothing
