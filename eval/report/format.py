"""A table for people, and how numbers stand in its cells: percent, percentage points, intervals."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tabulate import tabulate

from eval.base.escape import markdown
from eval.measure.by_definition import Defined
from eval.measure.metrics import Metrics

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A table for people: headings and rows of cells, all text. Columns named in `words` read from the left."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()

    def text(self, style: str) -> str:
        """Return it as text; `style` is one of tabulate's: `github` for Markdown, `simple` for a terminal."""
        align = ["left" if name in self.words else "right" for name in self.headers]
        rows = self.rows
        if style == "github" and "category" in self.words:  # a name from a list of prompts may hold any markup
            at = [name == "category" for name in self.headers]
            rows = [[markdown(cell) if c else cell for cell, c in zip(row, at, strict=True)] for row in rows]
        return tabulate(rows, self.headers, tablefmt=style, disable_numparse=True, colalign=align)


def long_table(rows: list[dict]) -> Table:
    """Return rows of the same keys, which are the headings, as a table."""
    words = {"job", "state", "category", "method", "against", "metric", "in our interval", "source"}
    return make_table(rows[0] if rows else [], [row.values() for row in rows], words)


def make_table(headers: Iterable[str], rows: Iterable[Iterable[object]], words: Collection[str]) -> Table:
    """Return cells as text in a table.

    Methods may bear any name, that of a column of words too; such a column is aligned with it, no more.
    """
    return Table(tuple(headers), tuple(tuple(map(str, row)) for row in rows), frozenset(words))


def share(row: Metrics | Defined) -> str:
    """Return a probability with its interval, in percent."""
    return f"{percent(row.probability)} {interval(row.low, row.high)}".removesuffix(f" {NONE}")


def fixed(value: float, digits: int = 1, sign: str = "") -> str:
    """Return a number with so many decimals, `sign="+"` also before positive ones; what rounds to 0 is never -0."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def percent(value: float | None, none: str = NONE) -> str:
    """Return a fraction in percent, `none` for one that can't be had."""
    return none if value is None else fixed(100 * value)


def interval(low: float | None, high: float | None) -> str:
    """Return two fractions as the limits of an interval, in percent."""
    return NONE if low is None or high is None else f"[{percent(low)}, {percent(high)}]"


def points(*values: float | None) -> str:
    """Return a difference in percentage points, or the two limits of its interval."""
    if None in values:
        return NONE
    words = ", ".join(fixed(100 * value, sign="+") for value in values)
    return words if len(values) == 1 else f"[{words}]"


def plus_minus(value: float | None, sd: float | None) -> str:
    """Return a fraction and its standard deviation in percent."""
    return percent(value) if value is None or sd is None else f"{percent(value)} ± {percent(sd)}"


def p_value(p: float | None) -> str:
    """Return a p as people read it."""
    return NONE if p is None else "< 0.001" if p < 0.001 else fixed(p, 3)
