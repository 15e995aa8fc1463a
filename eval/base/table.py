"""A table for people, all text."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tabulate import tabulate

from eval.base.escape import markdown

NO_NUMBER = "–"


@dataclass(frozen=True)
class Table:
    """A table for people, all text. For a terminal, `eval.base.layout` makes it fit.

    Attributes:
        headers: of the columns.
        rows: cells, as many per row as there are headers.
        words: names of the columns that are aligned to the left.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()

    def text(self, style: str) -> str:
        """Return the table as text, in a style of tabulate's: `github` for Markdown, `simple` for a terminal."""
        alignment = ["left" if name in self.words else "right" for name in self.headers]
        rows = self.rows
        if style == "github" and "category" in self.words:  # a name from a list of prompts may hold any markup
            is_category = [name == "category" for name in self.headers]
            rows = [[markdown(c) if escape else c for c, escape in zip(row, is_category, strict=True)] for row in rows]
        return tabulate(rows, self.headers, tablefmt=style, disable_numparse=True, colalign=alignment)


def make_table(headers: Iterable[str], rows: Iterable[Iterable[object]], words: Collection[str]) -> Table:
    """Return cells as text in a table.

    A method may have the name of a column of words; its column is then aligned to the left too, and nothing else.
    """
    return Table(tuple(headers), tuple(tuple(map(str, row)) for row in rows), frozenset(words))
