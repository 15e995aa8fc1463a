"""A table as it was read: rows of named cells, and the lines that they stand in."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """One row as read. `line` is its (first) line in a text file, 1-based; values are text or JSON values."""

    values: dict[str, Any]
    line: int | None = None


@dataclass(frozen=True)
class Table:
    """The rows of a file and the names of its columns, in their order; a column without a name is `Unnamed: POSITION`.

    That is what pandas calls it, so that the index which it writes without a name has one name only.
    """

    records: list[Record]
    columns: list[str]


def lines_of(text: str) -> list[tuple[int, str]]:
    """Number and text of the lines that are not blank. Only LF and CR LF end a line: a prompt may hold U+2028."""
    return [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
