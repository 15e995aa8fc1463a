"""Categories of pictures without prompts (`prompts=none`), from a table in their folder without prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import i2p
from eval.base.errors import InputError
from eval.base.words import counted
from eval.folder.layouts import Match, examples
from eval.folder.paths import tables_by_suffix
from eval.folder.table import PictureTable, pictures_of
from i2p.columns import find_columns
from i2p.records import Record, Table
from i2p.schema import to_prompts
from i2p.tables import read_table

_PROMPT_MEANINGS = {"row", "text"}  # a table with one of these is of pictures with prompts


@dataclass(frozen=True)
class CategoryTable:
    """A table of categories.

    Attributes:
        table: with the columns image and category.
        cells: path of a picture → its cell of categories, and the number of its line.
    """

    table: PictureTable
    cells: Mapping[str, tuple[object, int | None]]


def find_categories(root: Path, paths: Sequence[str]) -> CategoryTable | None:
    """Return the table of categories of a folder, None where it has none.

    Args:
        root: the folder.
        paths: of its pictures, relative to `root`.

    Raises:
        InputError, i2p.InputError: more than one table, one that names other files, or one that names a picture twice.
    """
    inside = [path for path in tables_by_suffix(root) if path.resolve().is_relative_to(root)]
    tables = [table for path in inside if (table := _open(path))]
    if len(tables) > 1:
        names = ", ".join(table.path.name for table in tables)
        raise InputError(f"{root} must hold one table with the columns image and category, found {names}: keep one")
    if not tables:
        return None
    [table] = tables
    column = table.columns["categories"]
    cells = {path: (record.values.get(column), record.line) for record, _, path, _ in pictures_of(table)}
    if missing := sorted(set(cells) - set(paths)):
        named = examples(path if cells[path][1] is None else f"{path}, line {cells[path][1]}" for path in missing)
        raise InputError(
            f"{table.path} must name pictures of its folder by their paths in it, found {len(missing):,} that do not "
            f"exist ({named}): correct the paths, or remove the lines"
        )
    return CategoryTable(table, cells)


def _open(path: Path) -> PictureTable | None:
    """Return a table of categories, None for any other file."""
    try:
        table = read_table(path)
        columns = find_columns(table.columns, str(path), pictures=True).by_meaning
    except i2p.InputError:  # the folder may hold other tables, in any encoding
        return None
    fits = {"image", "categories"} <= columns.keys() and columns.keys().isdisjoint(_PROMPT_MEANINGS)
    return PictureTable(path, table, columns) if fits else None


def with_categories(categories: CategoryTable, matches: Sequence[Match], texts: Sequence[str]) -> list[i2p.Prompt]:
    """Return a prompt per text, with the categories of its pictures.

    Args:
        categories: the table.
        matches: the pictures, one per method and row.
        texts: of the prompts, by row.

    Raises:
        InputError, i2p.InputError: pictures of one name with different categories, or a cell without a category.
    """
    cells: dict[int, tuple[object, int | None]] = {}
    for match in matches:
        cell = categories.cells.get(match.path, (None, None))
        first, _ = cells.setdefault(match.row, cell)
        if first != cell[0]:
            raise InputError(
                f"{categories.table.path} must give pictures of one name the same categories in every method, found "
                f"{first!r} and {cell[0]!r} for {texts[match.row]!r}: correct one"
            )
    column = categories.table.columns["categories"]
    records = [Record({"prompt": text, column: cells[row][0]}, cells[row][1]) for row, text in enumerate(texts)]
    return to_prompts(Table(records, ["prompt", column]), str(categories.table.path)).prompts


def remarks(categories: CategoryTable, paths: Sequence[str]) -> Iterator[str]:
    """Yield sentences on the use of the table."""
    name, missing = categories.table.path.name, len(set(paths) - set(categories.cells))
    without = f"; without one: {counted(missing, 'picture')} that it does not name" if missing else ""
    yield f"The categories of pictures are those of {name}{without}."
    yield from categories.table.unused(("image", "categories"))
