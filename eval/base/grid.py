"""The columns of a table: how wide they are, how narrow they can be, and what else they could be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile, zip_longest

from wcwidth import iter_graphemes, wcswidth

from eval.base.escape import one_line
from eval.base.table import NO_NUMBER, Table

GAP = 2  # between two columns
_INTERVAL = re.compile(r" ?\[[-+−]?[\d.]+, [-+−]?[\d.]+\]")
_AFTER_SPACES = re.compile(r"(?<=\s)(?![^[]*\])")  # an interval stays in one line
_WITHIN_WORDS = re.compile(r"(?<=[^\W_][-_/=.:+])(?=[^\W\d_])")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: above it.
        cells: below that.
        words: whether it holds words, which are aligned to the left and may be wrapped; numbers stay whole.
    """

    header: str
    cells: tuple[str, ...]
    words: bool

    @property
    def width(self) -> int:
        """The display width, in columns of a terminal."""
        return max(map(wcswidth, (self.header, *self.cells)))

    def least(self, longest: int) -> int:
        """Return the width that the column can be narrowed to if words of more than `longest` are broken."""
        texts = (self.header, *self.cells) if self.words else (self.header,)
        numbers = () if self.words else self.cells
        parts = [min(_width(part), longest) for text in texts for part in _parts(text, longest)]
        return max([1, *parts, *map(wcswidth, numbers)])

    def lines(self, width: int, longest: int) -> tuple[list[str], list[list[str]]]:
        """Return the lines of the header and of each cell, all as wide as `width`; a number that is wider is whole."""
        header = _wrapped(self.header, width, longest)
        cells = [_wrapped(cell, width, longest) if self.words else [cell] for cell in self.cells]
        header, *cells = ([self._aligned(line, width) for line in lines] for lines in (header, *cells))
        return header, cells

    def _aligned(self, text: str, width: int) -> str:
        space = " " * (width - wcswidth(text))
        return text + space if self.words else space + text


@dataclass(frozen=True)
class Grid:
    """A table as its columns.

    Attributes:
        columns: of the table.
        keys: how many of the first columns say what a row is about.
    """

    columns: tuple[Column, ...]
    keys: int

    @classmethod
    def of(cls, table: Table) -> Grid:
        """Return the columns of a table; each text in one line that is safe for a terminal."""
        cells = zip(*table.rows, strict=True) if table.rows else [()] * len(table.headers)
        columns = tuple(
            Column(one_line(header), tuple(map(one_line, column)), header in table.words)
            for header, column in zip(table.headers, cells, strict=True)
        )
        return cls(columns, max(1, len(list(takewhile(lambda column: column.words, columns)))))

    def without_intervals(self) -> Grid:
        """Return the table without the intervals behind numbers, and without the columns that have nothing else."""
        keys, rest = self.columns[: self.keys], self.columns[self.keys :]
        bare = [replace(column, cells=tuple(_INTERVAL.sub("", cell) for cell in column.cells)) for column in rest]
        kept = [new for new, old in zip(bare, rest, strict=True) if new == old or {*new.cells} - {"", NO_NUMBER}]
        return replace(self, columns=(*keys, *kept))

    def transposed(self) -> list[Grid]:
        """Return the table with its rows as columns; nothing if one column doesn't tell what a row is about."""
        if self.keys > 1 or len(self.columns) == 1:
            return []
        first, *rest = self.columns
        names = Column("", tuple(column.header for column in rest), words=True)
        rows = zip(*(column.cells for column in rest), strict=True)
        return [Grid((names, *(Column(*row, words=False) for row in zip(first.cells, rows, strict=True))), 1)]

    def fits(self, width: int, longest: int) -> bool:
        """Return whether no line is wider than `width` if only words of more than `longest` are broken."""
        return sum(column.least(longest) for column in self.columns) + GAP * (len(self.columns) - 1) <= width

    def parts(self, width: int, longest: int) -> list[Grid]:
        """Return the table if it fits, else tables that have its first columns in common and share out the others."""
        keys, rest = self.columns[: self.keys], self.columns[self.keys :]
        for count in range(1, len(rest) + 1):
            size = -(-len(rest) // count)
            parts = [replace(self, columns=(*keys, *rest[at : at + size])) for at in range(0, len(rest), size)]
            if all(part.fits(width, longest) for part in parts):
                return parts
        return parts if rest else [self]

    def text(self, width: int | None, longest: int) -> str:
        """Return the table as text.

        Args:
            width: of the longest line, in columns of a terminal; None for any.
            longest: width of a word that is not broken.
        """
        if not self.columns:
            return ""
        widths = self._widths(width, longest)
        headers, cells = zip(*(c.lines(w, longest) for c, w in zip(self.columns, widths, strict=True)), strict=True)
        rows = [headers, [["-" * own] for own in widths], *zip(*cells, strict=True)]
        return "\n".join(line for row in rows for line in _row(row, widths))

    def _widths(self, width: int | None, longest: int) -> list[int]:
        """The columns' widths: the narrowest grow first, up to what their texts need."""
        wanted = [column.width for column in self.columns]
        if width is None:
            return wanted
        widths = [column.least(longest) for column in self.columns]
        for _ in range(width - sum(widths) - GAP * (len(widths) - 1)):
            growing = [n for n, own in enumerate(widths) if own < wanted[n]]
            if not growing:
                break
            widths[min(growing, key=widths.__getitem__)] += 1
        return widths


def _row(row: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    empty = [" " * width for width in widths]
    for line in zip_longest(*row):
        yield (" " * GAP).join(cell or space for cell, space in zip(line, empty, strict=True)).rstrip()


def _parts(text: str, longest: int) -> Iterator[str]:
    """What no line of a wrapped text breaks, unless it is wider than `longest`."""
    for word in _AFTER_SPACES.split(text):
        yield from [word] if _width(word) <= longest else _WITHIN_WORDS.split(word)


def _wrapped(text: str, width: int, longest: int) -> list[str]:
    lines = [""]
    for part in _parts(text, longest):
        for piece in [part] if _width(part) <= width else iter_graphemes(part):
            if _width(lines[-1] + piece) > width and lines[-1]:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _width(text: str) -> int:
    return wcswidth(text.rstrip())
