"""What the figures of a report share: a style, axes with a caption, colours and markers of methods, and their files.

Drawn by matplotlib without its global state, and to the same bytes for the same numbers: fixed ids, no date, and no
settings of a user's matplotlibrc. Text in an SVG stays text, in fonts that every viewer has, so it can be searched and
edited.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import textwrap
import warnings
from collections.abc import Iterator, Sequence

from eval.report.labels import distinct_labels, widest

# The methods' colours, in the order of the run. Markers distinguish methods in grey too, and for readers with colour
# blindness; every colour has a contrast of 3 to 1 on white, and its counterpart in DARK on a dark page.
PALETTE = ("#404752", "#c96a0a", "#0a6fb0", "#9a3580", "#1a9c78", "#7b1e1e", "#7f86e6", "#6b6a00")
DARK = ("#c9cfd8", "#f2a04e", "#4ea9e6", "#cc6cb0", "#4fd6ac", "#f4938a", "#a9b0ff", "#8f9240")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "*")  # one more than colours, so that no combination repeats soon
INK, GRID = "#1d2228", "#8a929b"
WIDTH = 8.4  # inches: fills the page on a wide screen with letters the size of its text, and a paper at four fifths
LETTERS, FOOT = 9.5, 7.5  # points, of names and numbers, and of the caption below a plot
BACKGROUND, CAPTION = "background", "caption"  # ids in an SVG, of what is not shown where a page embeds it

_STYLE = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": LETTERS,
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


class Plot:
    """A figure: drawn once, and saved in the forms that are asked for.

    Attributes:
        foot: height of its caption, in points; a page, which says the same itself, cuts it off.
    """

    def __init__(self):
        from matplotlib.figure import Figure

        self.foot = 0.0
        self._figure = Figure(facecolor="white")
        self._figure.patch.set_gid(BACKGROUND)

    @functools.cached_property
    def svg(self) -> bytes:
        """The content of an SVG file."""
        return self._saved(format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})

    @functools.cached_property
    def png(self) -> bytes:
        """The content of a PNG file with 150 dots per inch."""
        return self._saved(format="png", dpi=150, metadata={"Software": None})

    def _saved(self, **options) -> bytes:
        sink = io.BytesIO()
        with _style():
            self._figure.savefig(sink, **options)
        return sink.getvalue()

    def axes(self, height: float, names: Sequence[str], remark: str, caption: str, *, top: float, right: float = 0.15):
        """Return axes of this height, in inches, with room for these names on the left, and make the figure fit them.

        Args:
            height: of the axes.
            names: the labels of their rows.
            remark: stands below them; empty for none.
            caption: stands at the foot of the figure, for when it is shown without its report.
            top: inches above the axes.
            right: inches on their right.
        """
        left = 0.3 + widest(names, LETTERS, bold=True)  # of which some are
        foot, total = self._page(height, remark, caption, top)
        axes = self._panel((left, foot, WIDTH - left - right, height), total)
        axes.grid(axis="x", color=GRID, alpha=0.3, linewidth=0.7)
        axes.tick_params(axis="y", length=0)
        return axes

    def panels(self, rows: int, columns: int, height: float, caption: str, *, top: float) -> list[list]:
        """Return rows of axes of this height each, whose columns share the space, and make the figure fit them.

        Args:
            rows: how many; the first is at the top.
            columns: how many.
            height: of each panel.
            caption: as for `axes`.
            top: inches above the uppermost row.
        """
        left, gap = 0.68, 0.22
        foot, total = self._page(rows * (height + gap) - gap, "", caption, top)
        width = (WIDTH - left - 0.15 - gap * (columns - 1)) / columns
        places = [
            [(left + column * (width + gap), foot + row * (height + gap), width, height) for column in range(columns)]
            for row in reversed(range(rows))
        ]
        panels = [[self._panel(place, total) for place in row] for row in places]
        for axes in (axes for row in panels for axes in row):
            axes.grid(color=GRID, alpha=0.3, linewidth=0.7)
            axes.tick_params(length=0)
        return panels

    def _page(self, height: float, remark: str, caption: str, top: float) -> tuple[float, float]:
        """Make the figure fit a plot of this height, with its texts; return where the plot begins, and the total."""
        remark_foot, self.foot = _foot(remark), _foot(caption)
        foot = (remark_foot + self.foot) / 72
        total = 0.55 + foot + height + top
        self._figure.set_size_inches(WIDTH, total)
        for text, start, gid in ((remark, foot, None), (caption, self.foot / 72, CAPTION)):
            lines = "\n".join(_lines(text))
            self._figure.text(0.1 / WIDTH, start / total, lines, fontsize=FOOT, va="top", linespacing=1.2, gid=gid)
        return 0.55 + foot, total

    def _panel(self, place: tuple[float, float, float, float], total: float):
        """Return axes at a place in inches: left, bottom, width, height."""
        axes = self._figure.add_axes([inches / (WIDTH, total)[n % 2] for n, inches in enumerate(place)])
        axes.set_facecolor("none")
        axes.set_axisbelow(True)
        return axes


@contextlib.contextmanager
def drawing() -> Iterator[Plot]:
    """Give an empty figure to draw on, in this module's style whatever a matplotlibrc says."""
    with _style():
        yield Plot()


@contextlib.contextmanager
def _style() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is drawn as a box
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would report on its font cache
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            yield


def _lines(text: str) -> list[str]:
    """A text in lines, with room for another font that is a tenth wider."""
    return textwrap.wrap(text, int((WIDTH - 0.2) * 72 / (0.6 * FOOT)), break_on_hyphens=False)


def _foot(text: str) -> float:
    """The height of a text below the axes, in points."""
    return 1.3 * len(_lines(text)) * FOOT + 5 if text else 0.0


def points_of(axes, number: int, points: Sequence[tuple]) -> None:
    """Draw a method's estimates with their intervals; the marker is hollow where there is no interval.

    Args:
        axes: in percent.
        number: the method's in its run, which determines colour and marker.
        points: place on the other axis, estimate, and the ends of its interval as fractions, None without one.
    """
    colour = PALETTE[number % len(PALETTE)]
    for hollow in (False, True):
        chosen = [point for point in points if (point[2] is None) == hollow]
        if not chosen:
            continue
        y, values, lows, highs = zip(*chosen, strict=True)
        lengths = [
            [100 * (value - low) for value, low in zip(values, lows, strict=True)],
            [100 * (high - value) for value, high in zip(values, highs, strict=True)],
        ] if not hollow else None  # fmt: skip
        axes.errorbar(
            [100 * value for value in values],
            y,
            xerr=lengths,
            fmt=MARKERS[number % len(MARKERS)],
            color=colour,
            markersize=4.6,
            markerfacecolor="none" if hollow else colour,
            markeredgecolor=colour,
            elinewidth=1.3,
            clip_on=False,
        )


def columns(names: Sequence[str]) -> int:
    """Return the number of columns of the legend: as many as fit, up to five."""
    return max(1, min(5, int((WIDTH - 0.2) / (0.6 + widest(names, LETTERS)))))


def legend(axes, names: Sequence[str], bottom: float = 1.0) -> None:
    """Name the methods above the axes, each with its colour and marker; `bottom` is in heights of the axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=PALETTE[n % len(PALETTE)], marker=MARKERS[n % len(MARKERS)], markersize=4.6, linewidth=1.3)
        for n in range(len(names))
    ]
    numbers = [str(number) for number in range(len(names))]
    drawn = axes.legend(
        handles, numbers, loc="lower right", bbox_to_anchor=(1.01, bottom), ncols=columns(names), frameon=False,
        handlelength=1.6, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip
    # Set afterwards, because matplotlib leaves out labels that begin with an underscore, as a method's name may.
    for text, label in zip(drawn.get_texts(), distinct_labels(names), strict=True):
        text.set_text(label)
