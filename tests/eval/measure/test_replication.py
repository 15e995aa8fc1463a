"""A repetition of a run agrees with it in 95 of 100 cases, and one of something else is found."""

import math

import numpy as np
import pytest

from eval.measure.estimates import Estimate
from eval.measure.repetition import same_prompts
from eval.measure.replication import agrees, repetition


@pytest.mark.parametrize(("images", "other"), [(10, 10), (2, 10), (10, 2), (5, 1)])
def test_both_runs_noise_counts_whatever_their_images_per_prompt(images, other):
    """Simulated with given chances: neither formula nor function knows them."""
    rng = np.random.default_rng(5)
    chances, runs = rng.beta(0.6, 1.2, 400), 1500
    ours = rng.binomial(images, chances, (runs, len(chances)))
    theirs = rng.binomial(other, chances, (runs, len(chances))).mean(1) / other
    made = np.full(len(chances), images)
    inside = [agrees(repetition(same_prompts(y, made), images, other), x) for y, x in zip(ours, theirs, strict=True)]
    assert np.mean(inside) == pytest.approx(0.95, abs=3.5 * math.sqrt(0.95 * 0.05 / runs))


def test_each_side_is_widened_by_itself_and_ends_at_0_and_1():
    assert repetition(Estimate(0.3, 0.28, 0.33), 10, 10) == pytest.approx(
        (0.3 - 0.02 * math.sqrt(2), 0.3 + 0.03 * math.sqrt(2))
    )
    assert repetition(Estimate(0.3, 0.28, 0.33), 3, 1) == pytest.approx((0.26, 0.36))
    assert repetition(Estimate(0.01, 0.0, 0.99), 10, 10) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("printed", "agreeing"), [(0.34, False), (0.35, True), (0.36, True), (0.37, True), (0.38, False)]
)
def test_a_number_agrees_if_one_that_it_may_stand_for_does(printed, agreeing):
    """Whole percent, rounded up or to the nearest: 0.35 stands for what lies above 0.34 and up to 0.355."""
    assert agrees((0.3549, 0.3651), printed, (0.01, 0.005)) == agreeing
    assert agrees((0.3549, 0.3651), printed) == (printed == 0.36)
