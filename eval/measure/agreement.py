"""A test and an interval of one difference that never disagree on whether there is any: the test rules."""

from __future__ import annotations

from dataclasses import replace

from eval.measure.estimates import Estimate
from eval.measure.significance import LEVEL


def agreeing(p: float | None, estimate: Estimate, least: float) -> Estimate:
    """Return a 95 % interval that excludes 0 exactly where a p-value is at most 0.05.

    Flips and t-intervals use the data differently, so that near the limit one may find a difference and the other none.
    Where the test finds none, an interval that ends short of 0 is extended to it. Where the test finds one, an interval
    that holds 0 ends short of it: that of rare hits allows for images that were not seen, and would take away most of
    what the test finds. Neither costs coverage: it is 0 alone that the interval gains or loses, and the test loses a
    true 0 in at most 5 % of runs.

    Args:
        p: of the test; None where there is none.
        estimate: with its 95 % interval.
        least: how far from 0 an interval ends that would hold it; nearer where the estimate is.
    """
    if p is None or estimate.low is None or estimate.high is None:
        return estimate
    if p > LEVEL:
        return reaching_zero(estimate)
    if not estimate.low <= 0 <= estimate.high:
        return estimate
    least = float(min(least, abs(estimate.value)))  # what is compared with a number of NumPy is no bool to JSON
    return replace(estimate, low=least) if estimate.value > 0 else replace(estimate, high=-least)


def reaching_zero(estimate: Estimate) -> Estimate:
    """Return an estimate with its interval extended to 0 where it ends before."""
    if estimate.low is None or estimate.high is None:
        return estimate
    return replace(estimate, low=min(estimate.low, 0.0), high=max(estimate.high, 0.0))
