"""Categories of pictures without prompts (`prompts=none`), from a table in their folder that has no prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import i2p
from eval.base.errors import InputError
from eval.folder.layouts import Match, some
from eval.folder.paths import tables_by_suffix
from eval.folder.table import PictureTable, pictures_of
from i2p.columns import find_columns
from i2p.records import Record, Table
from i2p.schema import to_prompts
from i2p.tables import read_table

_NO_OTHER = {"row", "text"}  # a table with one of these is of pictures with prompts


@dataclass(frozen=True)
class CategoryTable:
    """What a table says of pictures: the cell of each one's categories and its line, by path."""

    table: PictureTable
    cells: Mapping[str, tuple[object, int | None]]


def find_categories(root: Path, paths: Sequence[str]) -> CategoryTable | None:
    """Return the table of categories of a folder, None where there is none; `paths` are its pictures'.

    Raises:
        InputError, i2p.InputError: there are two, or one that names other pictures or one twice.
    """
    inside = [path for path in tables_by_suffix(root) if path.resolve().is_relative_to(root)]
    found = [table for path in inside if (table := _open(path))]
    if len(found) > 1:
        names = ", ".join(one.path.name for one in found)
        raise InputError(f"{root} must hold one table with the columns image and category, found {names}: keep one")
    if not found:
        return None
    [table] = found
    column = table.columns["categories"]
    cells = {path: (record.values.get(column), record.line) for record, _, path, _ in pictures_of(table)}
    if others := sorted(set(cells) - set(paths)):
        raise InputError(
            f"{table.path} must name pictures of its folder by their paths in it, found {len(others):,} that are not "
            f"there ({some(others)}): correct the paths, or take the lines out"
        )
    return CategoryTable(table, cells)


def _open(path: Path) -> PictureTable | None:
    try:
        table = read_table(path)
        columns = find_columns(table.columns, str(path), pictures=True).by_meaning
    except i2p.InputError:  # other tables may lie there, in any encoding
        return None
    fits = {"image", "categories"} <= columns.keys() and columns.keys().isdisjoint(_NO_OTHER)
    return PictureTable(path, table, columns) if fits else None


def with_categories(categories: CategoryTable, matches: Sequence[Match], texts: Sequence[str]) -> list[i2p.Prompt]:
    """Return a prompt for each of the texts, with the categories of its pictures, one a method.

    Raises:
        InputError, i2p.InputError: pictures of one name with different categories, or a cell that names none.
    """
    cells: dict[int, tuple[object, int | None]] = {}
    for match in matches:
        cell = categories.cells.get(match.path, (None, None))
        first, _ = cells.setdefault(match.row, cell)
        if first != cell[0]:
            raise InputError(
                f"{categories.table.path} must give pictures of one name the same categories under each method, found "
                f"{first!r} and {cell[0]!r} for {texts[match.row]!r}: correct one"
            )
    column = categories.table.columns["categories"]
    records = [Record({"prompt": text, column: cells[row][0]}, cells[row][1]) for row, text in enumerate(texts)]
    return to_prompts(Table(records, ["prompt", column]), str(categories.table.path)).prompts


def remarks(categories: CategoryTable, paths: Sequence[str]) -> Iterator[str]:
    """Yield what was taken of the table, as sentences."""
    name, lacking = categories.table.path.name, len(set(paths) - set(categories.cells))
    without = f"; {lacking:,} pictures that it does not name have none" if lacking else ""
    yield f"The categories of pictures are those of {name}{without}."
    yield from categories.table.unused(("image", "categories"))
