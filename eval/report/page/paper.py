"""How much of a table a sheet of paper has room for: nothing scrolls there, and what is too wide would be cut off."""

from __future__ import annotations

import re
from dataclasses import replace

from eval.base.escape import terminal
from eval.base.table import Table

SHEET = 182  # mm: A4 less the margins of `page.css`, narrower than the same of US Letter
LETTER, PADDING = 1.62, 2.5  # mm: a digit of a table in print, and both margins of a cell
BOLD = 1.9  # mm: a letter of a heading, or of the column that names a row
LONGEST = 14  # letters of a word of a heading that is not broken
SENTENCE = 24  # letters on a line of a column of sentences


def parts_on_paper(table: Table, row_headers: int) -> list[Table]:
    """Return a table in parts that fit a sheet side by side, each with the columns that name a row.

    Args:
        table: of any width.
        row_headers: how many columns name a row.

    Returns:
        The table alone where it fits. A column that is too wide by itself is a part of its own.
    """
    widths = [_width(table, column) for column in range(len(table.headers))]
    room = SHEET - sum(widths[:row_headers])
    parts: list[list[int]] = [[]]
    for column in range(row_headers, len(widths)):
        if parts[-1] and sum(widths[inner] for inner in parts[-1]) + widths[column] > room:
            parts.append([])
        parts[-1].append(column)
    return [table] if len(parts) == 1 else [_only(table, [*range(row_headers), *part]) for part in parts]


def _only(table: Table, columns: list[int]) -> Table:
    rows = tuple(tuple(row[column] for column in columns) for row in table.rows)
    return replace(table, headers=tuple(table.headers[column] for column in columns), rows=rows)


def _width(table: Table, column: int) -> float:
    """The least width of a column in mm: of its longest interval or word, since lines are broken between them."""
    name = table.headers[column]
    cells = {terminal(row[column]) for row in table.rows}  # as the page shows them
    longest = max((len(piece) for cell in cells for piece in _pieces(cell)), default=0)
    if name in table.words:
        longest = max(longest, min(max(map(len, cells), default=0), SENTENCE))
    heading = max((len(word) for word in name.split()), default=0)
    letter = BOLD if column == 0 else LETTER
    return max(letter * longest, BOLD * min(heading, LONGEST)) + PADDING


def _pieces(cell: str) -> list[str]:
    return re.findall(r"\[[^\]]*\]\S*|\S+", cell)
