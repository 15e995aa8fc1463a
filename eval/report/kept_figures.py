"""Figures of an earlier report of the same numbers, read instead of drawn: drawing is two fifths of a report's time."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.base import fingerprints
from eval.base.errors import StorageError
from eval.base.files import strict_json, write_atomic
from eval.report.description import summary
from eval.report.description.cost import cost_meaning
from eval.report.description.thresholds import own_rule
from eval.report.drawing import Plot
from eval.report.figures import draw_figures
from eval.report.report import Report
from eval.store.rundir import RunDir


@dataclass(frozen=True)
class KeptPlot:
    """A figure as files hold it.

    Attributes:
        foot: height of its caption, in points.
        svg: the content of its SVG file.
        png: the content of its PNG file.
    """

    foot: float
    svg: bytes
    png: bytes


def figures_of(report: Report, run: RunDir) -> dict[str, Plot] | dict[str, KeptPlot]:
    """Return the figures of a report by the names of their files: those in its folder, where it would draw the same.

    A digest of the numbers, of this program and of its libraries is kept in `cache/` with the digests of the files, so
    that a file that was changed is drawn again. A report outside the run directory keeps nothing there.

    Args:
        report: with names for people.
        run: the directory.
    """
    if report.folder != run.report and report.folder.parent != run.report:
        return draw_figures(report)
    index, digest = run.root / "cache" / f"figures-{report.folder.name}.json", _digest(report)
    if kept := _kept(index, digest, report.folder / "figures"):
        return kept
    drawn = draw_figures(report)
    files = {
        name: {"foot": plot.foot, "svg": _sha256(plot.svg), "png": _sha256(plot.png)} for name, plot in drawn.items()
    }
    with contextlib.suppress(StorageError):  # the next report draws them again
        write_atomic(index, strict_json({"digest": digest, "figures": files}).encode())
    return drawn


def _digest(report: Report) -> str:
    """Return a digest of all that the figures show, and of what draws them."""
    captions = summary.under_figure(report), cost_meaning(report)
    rules = [own_rule(curve, report.by_definition.counted) for curve in report.thresholds]
    numbers = report.metrics, report.differences, report.thresholds, rules
    return _sha256(repr((fingerprints.of_program(), report.printed_methods, captions, numbers)).encode())


def _kept(index: Path, digest: str, folder: Path) -> dict[str, KeptPlot]:
    """Return the figures in a folder; nothing where they are others, or not those that were written there."""
    try:
        document = json.loads(index.read_text(encoding="utf-8"))
        if document["digest"] != digest:
            return {}
        plots = {name: _read(folder / name, record) for name, record in document["figures"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
    return {} if None in plots.values() else plots


def _read(path: Path, record: Mapping[str, object]) -> KeptPlot | None:
    contents = {form: path.with_name(f"{path.name}.{form}").read_bytes() for form in ("svg", "png")}
    if any(_sha256(content) != record[form] for form, content in contents.items()):
        return None
    return KeptPlot(float(record["foot"]), **contents)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
