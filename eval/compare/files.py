"""The files of a comparison: every number for machines, and texts and tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from eval.base.escape import csv_cell
from eval.base.files import write_atomic
from eval.compare.compared import Compared
from eval.compare.members import Column
from eval.compare.text import markdown_text
from eval.report.margin import margin_columns
from eval.report.tables import tidy_csv


def write(compared: Compared, folder: Path) -> list[str]:
    """Write the files of a comparison into a folder, and return their names.

    Raises:
        StorageError: a file can't be written.
    """
    names = []
    for name, text in _files(compared):
        write_atomic(folder / name, text.encode())
        names.append(name)
    return names


def _files(compared: Compared) -> Iterator[tuple[str, str]]:
    """Name and content of each file; tables come first."""
    columns = {column.heading: column for column in compared.columns}
    place = _place(compared, columns, [m.method for m in compared.metrics])
    yield "comparison.csv", tidy_csv(compared.metrics, **place)
    differences = compared.differences
    if differences:
        of_margin = margin_columns(differences, compared.options.margin)
        place = _place(compared, columns, [d.method for d in differences])
        against = _place(compared, columns, [d.against for d in differences], "against")
        yield "comparison_differences.csv", tidy_csv(differences, **of_margin, **place, **against)
    yield "comparison.md", markdown_text(compared)


def _place(
    compared: Compared, columns: Mapping[str, Column], headings: list[str], side: str = "method"
) -> dict[str, list[str]]:
    """Return method, title and run of each heading, as columns of a CSV file."""
    prefix = "" if side == "method" else f"{side}_"
    chosen = [columns[heading] for heading in headings]
    return {
        side: [column.method for column in chosen],
        f"{prefix}title": [csv_cell(column.title) for column in chosen],
        f"{prefix}run": [csv_cell(str(compared.members[column.member].stored.run.root)) for column in chosen],
    }
