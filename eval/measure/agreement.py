"""A test and an interval of one difference that never disagree on whether there is any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from eval.measure.estimates import Estimate
from eval.measure.significance import LEVEL


def agreeing(p: float | None, interval: Callable[[float], Estimate]) -> tuple[float | None, Estimate]:
    """Return a p-value and a 95 % interval of which one excludes 0 exactly where the other is at most 0.05.

    Flips and t-intervals use the data differently, so that near the limit one may find a difference and the other none.
    A difference counts as found only where both find it: an interval that excludes 0 against the test reaches to 0, and
    a p against which the interval holds 0 is that at which the interval would end there. Each step is to the safe side:
    the test finds no more than before, and the interval covers no less.

    Args:
        p: of the test; None where there is none.
        interval: returns the interval with a confidence.
    """
    estimate = interval(1 - LEVEL)
    if p is None or estimate.low is None or estimate.high is None:
        return p, estimate
    if p > LEVEL:
        return p, reaching_zero(estimate)
    return (max(p, _level_at_zero(interval)) if _holds_zero(estimate) else p), estimate


def reaching_zero(estimate: Estimate) -> Estimate:
    """Return an estimate with its interval extended to 0 where it ends before."""
    if estimate.low is None or estimate.high is None:
        return estimate
    return replace(estimate, low=min(estimate.low, 0.0), high=max(estimate.high, 0.0))


def _holds_zero(estimate: Estimate) -> bool:
    return estimate.low <= 0 <= estimate.high


def _level_at_zero(interval: Callable[[float], Estimate]) -> float:
    """Return the smallest level at which the interval excludes 0, by bisection; the interval holds 0 at `LEVEL`."""
    holds, excludes = LEVEL, 1.0
    while excludes - holds > 1e-9:
        level = (holds + excludes) / 2
        holds, excludes = (level, excludes) if _holds_zero(interval(1 - level)) else (holds, level)
    return excludes
