"""A table as read from a file: rows of named cells, and their line numbers."""

from dataclasses import dataclass, replace
from typing import Any

from i2p.words import counted


@dataclass(frozen=True)
class Record:
    """One row as read: `values` are texts or JSON values; `line` is its first line in a text file, 1-based."""

    values: dict[str, Any]
    line: int | None = None


@dataclass(frozen=True)
class Table:
    """The rows of a file and the names of its columns, in their order.

    A column without a name is called `Unnamed: POSITION`, as in pandas, so that pandas' unnamed index has one name.
    `remarks` are sentences about what of the file was not read.
    """

    records: list[Record]
    columns: list[str]
    remarks: tuple[str, ...] = ()


def lines_of(text: str) -> list[tuple[int, str]]:
    """Return number and text of the lines that are not blank; only LF and CR LF end a line: prompts may hold U+2028."""
    return [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def first_texts(records: list[Record], name: str) -> tuple[list[Record], list[str]]:
    """Return rows with the first of several texts, where every row has a list of them, and what is left out.

    So are captions of pictures laid out on the hub, a row per picture.
    """
    lists = [record.values.get(name) for record in records]
    if not all(isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts) for texts in lists):
        return records, []
    first = [replace(record, values={**record.values, name: record.values[name][0]}) for record in records]
    texts = sum(map(len, lists))
    count = f"{texts:,} texts in {counted(len(records), 'row')}"
    sentence = f"The column {name.strip()} has {count}: the first of each is the prompt."
    return first, [sentence] if texts > len(records) else []
