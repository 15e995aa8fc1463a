"""The figures of a report, as SVG and PNG: probabilities with their intervals, and a forest plot of the differences.

Drawn by matplotlib without its global state, and to the same bytes for the same numbers: fixed ids, no date, and no
settings of a user's matplotlibrc. Text in an SVG stays text, in fonts that every viewer has, so it can be searched and
edited.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence

from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.report.format import points
from i2p.categories import ALL

# The methods' colours, in the order of the run. Markers distinguish methods in grey too, and for readers with colour
# blindness; every colour has a contrast of 3 to 1 on white, and its counterpart in DARK on a dark page.
PALETTE = ("#404752", "#c96a0a", "#0a6fb0", "#9a3580", "#1a9c78", "#7b1e1e", "#7f86e6", "#6b6a00")
DARK = ("#c9cfd8", "#f2a04e", "#4ea9e6", "#cc6cb0", "#4fd6ac", "#f4938a", "#a9b0ff", "#8f9240")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "*")  # one more than colours, so that no combination repeats soon
INK, GRID = "#1d2228", "#8a929b"
WIDTH = 5.6  # inches: still legible on a phone
LONGEST = 26  # characters of a name; a hundred would leave no room for the plot
TALLEST = (
    60  # inches of a plot: a list may have thousands of categories, and matplotlib before 3.10 stops at 2^16 pixels
)
FOOT = 7.5  # points, of the caption below a plot

_STYLE = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9.5,
    "text.parse_math": False,  # a $ in a name is a $
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "i2p-bench",
    "figure.dpi": 100,
}


def probability_figure(metrics: Sequence[Metrics], form: str, caption: str = "") -> bytes:
    """Draw inappropriate probability in percent with its intervals, one row of methods per category.

    Args:
        metrics: of every category and method.
        form: `svg`, `png` (200 dots per inch), or `inline`, an SVG without a background.
        caption: stands below the plot, for a figure that is shown without its report.

    Returns:
        The file's content.
    """
    methods = list(dict.fromkeys(m.method for m in metrics))
    at = {(m.category, m.method): m for m in metrics}
    step = 0.8 / len(methods)
    rows = max(0.36, 0.125 * len(methods) + 0.12)  # inches per category
    categories, left_out = _first((m.category for m in metrics if m.category != ALL), rows)
    categories.append(ALL)
    caption = f"{caption} {left_out}".strip()
    with _drawing(form) as (figure, save):
        top = 0.28 + 0.22 * math.ceil(len(methods) / _columns(methods))
        axes = _axes(figure, rows * len(categories), categories, caption, top=top)
        for number, name in enumerate(methods):
            for place, category in enumerate(categories):
                m = at[category, name]
                if m.probability is not None:
                    y = place - 0.4 + step * (number + 0.5)
                    _point(axes, number, y, m.probability, m.low, m.high)
        for place in range(0, len(categories), 2):
            axes.axhspan(place - 0.5, place + 0.5, color=GRID, alpha=0.09, linewidth=0)
        largest = max([m.high if m.high is not None else m.probability or 0 for m in metrics], default=0)
        limit = min(100, 10 * math.ceil(10 * largest + 0.1))
        axes.set_xlim(-0.015 * limit, 1.015 * limit)
        axes.set_ylim(len(categories) - 0.5, -0.5)
        axes.set_yticks(range(len(categories)), [short(c) for c in categories])
        axes.get_yticklabels()[-1].set_fontweight("bold")
        axes.set_xlabel("inappropriate probability, % (95 % interval)")
        _legend(axes, methods)
        return save()


def forest_figure(differences: Sequence[Difference], methods: Sequence[str], form: str, caption: str = "") -> bytes:
    """Draw paired differences in percentage points with their intervals.

    Args:
        differences: of every category and pair of methods.
        methods: the run's, in its order, which determines their colours.
        form: as for `probability_figure`.
        caption: as for `probability_figure`.

    Returns:
        The file's content.
    """
    against = list(dict.fromkeys(d.against for d in differences))
    pairs = len({(d.method, d.against) for d in differences})
    categories, left_out = _first((d.category for d in differences), 0.24 * (pairs + 1))
    differences = [d for d in differences if d.category in categories]
    caption = f"{caption} {left_out}".strip()
    rows, labels = [], []
    for category in categories:
        if len(categories) > 1:
            rows.append(None)
            labels.append(short(category))
        for d in (d for d in differences if d.category == category):
            rows.append(d)
            labels.append(short(d.method) if len(against) == 1 else short(f"{d.method} – {d.against}"))
    with _drawing(form) as (figure, save):
        axes = _axes(figure, 0.24 * len(rows) + 0.1, labels, caption, top=0.3, right=1.7)
        axes.axvline(0, color=INK, linewidth=0.9)
        for y, d in enumerate(rows):
            if d is not None:
                _point(axes, methods.index(d.method), y, d.difference, d.low, d.high)
                axes.annotate(_points(d), (1.03, y), xycoords=axes.get_yaxis_transform(), va="center", fontsize=8.5)
        axes.annotate("points [95 % interval]", (1.03, 1), xycoords="axes fraction", va="bottom", fontsize=8, color=INK)
        reach = max(abs(x) for d in differences for x in (d.difference, d.low, d.high) if x is not None)
        axes.set_xlim(*_span(differences, reach))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), labels)
        for label, d in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if d is None else "normal")
        axes.set_xlabel(f"points against {short(', '.join(against))}: left of 0 is less")
        return save()


def _first(categories: Iterable[str], inches: float) -> tuple[list[str], str]:
    """The categories that a plot has room for, at this height per category, and a sentence that counts the others."""
    names = list(dict.fromkeys(categories))
    included = names[: max(1, int(TALLEST / inches))]
    excluded = len(names) - len(included)
    return included, f"Not shown: {excluded:,} more categories; the tables have them." if excluded else ""


def short(name: str) -> str:
    """Return a name in one line that fits beside a plot."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _points(d: Difference) -> str:
    interval = "" if d.low is None else f" {points(d.low, d.high)}"
    return f"{points(d.difference)}{interval}".replace("-", "−")


def _span(differences: Sequence[Difference], reach: float) -> tuple[float, float]:
    """The limits of the axis: the smallest and the largest value, 0 included, with a margin."""
    lows, highs = (
        [100 * (getattr(d, end) if getattr(d, end) is not None else d.difference) for d in differences]
        for end in ("low", "high")
    )
    margin = max(100 * reach * 0.06, 1)
    return min(*lows, 0) - margin, max(*highs, 0) + margin


def _point(axes, number: int, y: float, value: float, low: float | None, high: float | None) -> None:
    """Draw an estimate with its interval; the marker is hollow where there is no interval."""
    colour = PALETTE[number % len(PALETTE)]
    reach = None if low is None else [[100 * (value - low)], [100 * (high - value)]]
    axes.errorbar(
        [100 * value],
        [y],
        xerr=reach,
        fmt=MARKERS[number % len(MARKERS)],
        color=colour,
        markersize=4.6,
        markerfacecolor="none" if low is None else colour,
        markeredgecolor=colour,
        elinewidth=1.3,
        clip_on=False,
    )


def _axes(figure, height: float, names: Sequence[str], caption: str, *, top: float, right: float = 0.15):
    """Return axes of this height, in inches, with room for these names on the left, and make the figure fit them.

    The caption is at the foot, in lines with room for another font that is a tenth wider.
    """
    lines = textwrap.wrap(caption, int((WIDTH - 0.2) * 72 / (0.6 * FOOT)), break_on_hyphens=False)
    foot = (1.3 * len(lines) * FOOT + 5) / 72 if lines else 0
    left, bottom = 0.25 + 0.078 * max(len(short(name)) for name in names), 0.55 + foot
    total = height + top + bottom
    figure.set_size_inches(WIDTH, total)
    figure.text(0.1 / WIDTH, foot / total, "\n".join(lines), fontsize=FOOT, va="top", linespacing=1.2)
    axes = figure.add_axes((left / WIDTH, bottom / total, (WIDTH - left - right) / WIDTH, height / total))
    axes.set_facecolor("none")
    axes.grid(axis="x", color=GRID, alpha=0.3, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    return axes


def _columns(names: Sequence[str]) -> int:
    """The number of columns of the legend: as many as fit, up to three."""
    return max(1, min(3, int((WIDTH - 0.2) / (0.45 + 0.085 * max(len(short(name)) for name in names)))))


def _legend(axes, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=PALETTE[n % len(PALETTE)], marker=MARKERS[n % len(MARKERS)], markersize=4.6, linewidth=1.3)
        for n in range(len(names))
    ]
    numbers = [str(number) for number in range(len(names))]
    legend = axes.legend(
        handles, numbers, loc="lower right", bbox_to_anchor=(1.01, 1.0), ncols=_columns(names), frameon=False,
        handlelength=1.6, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip
    # Set afterwards, because matplotlib leaves out labels that begin with an underscore, as a method's name may.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(short(name))


@contextlib.contextmanager
def _drawing(form: str) -> Iterator:
    """Give a figure and a function that saves it as `form`, in this module's style whatever a matplotlibrc says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would report on its font cache
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            figure = Figure(facecolor="none" if form == "inline" else "white")
            yield figure, lambda: _saved(figure, form)


def _saved(figure, form: str) -> bytes:
    sink = io.BytesIO()
    if form == "png":
        figure.savefig(sink, format="png", dpi=200, metadata={"Software": None})
    else:
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return sink.getvalue()
