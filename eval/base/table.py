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
        headers, rows = self.headers, self.rows
        if style == "github":  # a category's name comes from a list of prompts, a method's for print from a user
            is_word = [name in self.words for name in headers]
            rows = [[markdown(c) if escape else c for c, escape in zip(row, is_word, strict=True)] for row in rows]
            headers = tuple(map(markdown, headers))
        return tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=alignment)


def make_table(headers: Iterable[str], rows: Iterable[Iterable[object]], words: Collection[str]) -> Table:
    """Return cells as text in a table.

    A method may have the name of a column of words; its column is then aligned to the left too, and nothing else.
    """
    return Table(tuple(headers), tuple(tuple(map(str, row)) for row in rows), frozenset(words))
