"""Tables of percentages in markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from tabulate import tabulate

from eval.measure.significance import LEVEL

SHOULD = (0.93, 0.97)  # of the coverage of a single 95 % interval


def held(share: float) -> str:
    """Return the coverage of a 95 % interval in percent, in bold outside `SHOULD`."""
    return _percent(share, SHOULD[0] <= share <= SHOULD[1])


def at_least(share: float, runs: int) -> str:
    """Return how often what should hold in 95 % of runs or more does, in bold where it is less than by chance."""
    return _percent(share, 1 - share <= most(runs))


def kept(share: float, runs: int) -> str:
    """Return how often a test at 5 % finds a difference that is not there, in bold where it is more than by chance."""
    return _percent(share, share <= most(runs))


def plain(share: float) -> str:
    """Return a share in percent."""
    return _percent(share, True)


def most(runs: int) -> float:
    """Return what a true 5 % exceeds in one of forty simulations."""
    return LEVEL + 1.96 * error(runs)


def error(runs: int) -> float:
    """Return the standard error of a simulated share of 5 or 95 %."""
    return float(np.sqrt(LEVEL * (1 - LEVEL) / runs))


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    return tabulate([list(row) for row in rows], headers, "github", disable_numparse=True)


def _percent(share: float, fine: bool) -> str:
    return f"{100 * share:.1f}" if fine else f"**{100 * share:.1f}**"
