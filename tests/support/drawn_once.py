"""Figures that differ in numbers alone are drawn once for all processes: they are two fifths of a small run.

Few tests look at figures. Those that don't have commands of their own process share them by `share`, and those that
they start by the variable `FOLDER`, which the forks of `forking.py` heed.
"""

import functools
import hashlib
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.report import figures
from eval.report.kept_figures import KeptPlot

FOLDER = "PYTEST_FIGURES"  # the variable that names the folder of the figures that were drawn
DRAW = {
    name: getattr(figures, name) for name in ("probability_figure", "forest_figure", "threshold_figure", "cost_figure")
}


def share(patch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> None:
    """Have this process and those that it starts share figures with all processes of this run of the tests."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "figures"
    patch.setenv(FOLDER, str(folder))
    share_in(folder, patch.setattr)


def share_in(folder: Path, replace: Callable = setattr) -> None:
    """Have reports look for figures of a kind in a folder before they draw, and leave there what they draw."""
    for name in DRAW:
        replace(figures, name, functools.partial(_drawn, name, folder))


def _drawn(name: str, folder: Path, *arguments):
    """Draw a figure, or read one that is equal but for its numbers.

    Whether a value, an interval or a row is there tells figures apart, since that is what drawing depends on.
    """
    kind = re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", repr(arguments))
    file = folder / hashlib.sha256(f"{name}{kind}".encode()).hexdigest()
    try:
        return pickle.loads(file.read_bytes())
    except FileNotFoundError:
        plot = DRAW[name](*arguments)
    kept = plot and KeptPlot(plot.foot, plot.svg, plot.png)
    folder.mkdir(exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(pickle.dumps(kept))
    new.replace(file)
    return kept
