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


def column_names(kind: str, names: Iterable[str], own: Collection[str]) -> list[str]:
    """Return headings of columns with names that users choose, none of which is another's or one of the table's own.

    Args:
        kind: what is named, which stands before a name that the table's own heading has: `method prompts`; again where
            another column has that name.
        names: of the columns, no two the same.
        own: the other headings.
    """
    names = list(names)
    headings = []
    for name in names:
        heading = f"{kind} {name}" if name in own else name
        while heading != name and heading in (*names, *own, *headings):
            heading = f"{kind} {heading}"
        headings.append(heading)
    return headings


def make_table(headers: Iterable[str], rows: Iterable[Iterable[object]], words: Collection[str]) -> Table:
    """Return cells as text in a table; no two headings may be the same (`column_names`)."""
    return Table(tuple(headers), tuple(tuple(map(str, row)) for row in rows), frozenset(words))
