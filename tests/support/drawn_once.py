"""Figures that differ in numbers, names and words alone are drawn once for all processes, being two fifths of a run.

Few tests look at figures. Those that don't have commands of their own process share them by `share`, and those that
they start by the variable `FOLDER`, which the forks of `forking.py` heed.
"""

import functools
import hashlib
import os
import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.measure.thresholds import Curve
from eval.report import figures
from eval.report.kept_figures import KeptPlot
from i2p.categories import ALL

FOLDER = "PYTEST_FIGURES"  # the variable that names the folder of the figures that were drawn
DRAW = {
    name: getattr(figures, name) for name in ("probability_figure", "forest_figure", "threshold_figure", "cost_figure")
}
WORDS = re.compile(rb"(<text[^>]*>)[^<]*(</text>)")  # left out of an SVG: a page that has it would have another's names
INTERVAL = ("new_prompts_low", "new_prompts_high")
CURVE = ("probability", *INTERVAL, "difference", *(f"difference_{limit}" for limit in INTERVAL))


def share(patch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> None:
    """Have this process and those that it starts share figures with all processes of this run of the tests."""
    folder = folder_of_all(factory) / "figures"
    patch.setenv(FOLDER, str(folder))
    share_in(folder, patch.setattr)


def folder_of_all(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of all processes of this run of the tests."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def share_in(folder: Path, replace: Callable = setattr) -> None:
    """Have reports look for figures of a kind in a folder before they draw, and leave there what they draw."""
    for name in DRAW:
        replace(figures, name, functools.partial(_drawn, name, folder))


def _drawn(name: str, folder: Path, *arguments):
    """Draw a figure, or read one of its kind."""
    kind = repr((name, *map(_kind, arguments)))
    file = folder / hashlib.sha256(kind.encode()).hexdigest()
    try:
        return pickle.loads(file.read_bytes())
    except FileNotFoundError:
        plot = DRAW[name](*arguments)
    kept = plot and KeptPlot(plot.foot, WORDS.sub(rb"\1\2", plot.svg), plot.png)
    folder.mkdir(exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(pickle.dumps(kept))
    new.replace(file)
    return kept


def _kind(value: object) -> object:
    """What drawing an argument depends on: which values and intervals are there, and whether there are categories."""
    match value:
        case [Metrics(), *_]:
            costs = {name for m in value for name, number in vars(m.cost).items() if number is not None}
            looks = _looks((m.method, *_there(m, "probability", *INTERVAL)) for m in value)
            return len({m.category for m in value}) > 1, sorted(costs), looks
        case [Difference(), *_]:
            looks = _looks(((d.method, d.against), *_there(d, "difference", *INTERVAL)) for d in value)
            return len({d.category for d in value}) > 1, looks
        case [Curve(), *_]:
            return [_kind(curve) for curve in value]
        case Curve():
            return value.judge, _looks((row.method, *_there(row, *CURVE)) for row in value.rows if row.category == ALL)
        case list() | tuple():
            return len(value)
    return bool(value)


def _looks(rows: Iterable[tuple]) -> list[tuple]:
    """The different looks of rows, whose first value, a method, is told by its place among the methods."""
    rows = list(rows)
    methods = list(dict.fromkeys(method for method, *_ in rows))
    return sorted({(methods.index(method), *look) for method, *look in rows})


def _there(row: object, *names: str) -> list[bool]:
    return [getattr(row, name) is not None for name in names]
