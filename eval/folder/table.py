"""A table of the pictures of a folder, which places them by rows of a test bed, or by prompts of its own.

Its columns have the names of any list of prompts, and `image`, `method` and `k` those of `i2p.columns.PICTURES`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import i2p
import sld
from eval.base.errors import InputError
from eval.base.quoting import override
from eval.folder.layouts import AUTO, CSV, METHOD_IS, is_picture
from eval.folder.paths import path_inside, tables_by_suffix
from i2p.column_values import numbers_rows
from i2p.columns import MEANINGS, PICTURES, find_columns, plain
from i2p.records import Record, Table
from i2p.tables import read_table

_COLUMNS = "the columns image and prompt (or row)"


@dataclass(frozen=True)
class PictureTable:
    """A table of pictures.

    Attributes:
        path: of its file.
        table: its records.
        columns: meaning → the name of the column that has it.
    """

    path: Path
    table: Table
    columns: dict[str, str]

    @property
    def has_rows(self) -> bool:
        """Whether it places pictures by rows of the chosen prompts."""
        return "row" in self.columns

    def texts(self) -> dict[str, str]:
        """Return path → prompt, of the pictures whose cell is a text."""
        values = {path: record.values.get(self.columns.get("text")) for record, _, path, _ in pictures_of(self)}
        return {path: text for path, text in values.items() if isinstance(text, str)}

    def unused(self, used: Sequence[str]) -> list[str]:
        """Return a sentence that names the columns without one of the used meanings, or an empty list."""
        used_columns = {self.columns.get(meaning) for meaning in used}
        names = [name for name in self.table.columns if name not in used_columns]
        return [f"Columns of {self.path.name} that are not used: {', '.join(map(str.strip, names))}."] if names else []


def find_table(root: Path, path: Path | None, layout: str) -> PictureTable | None:
    """Return the table of the pictures of a folder, None where it has none.

    Args:
        root: the folder.
        path: of the table, where model.path names one; None for the only table in the folder that names pictures.
        layout: a name of `eval.folder.layouts`, or auto.

    Raises:
        InputError, i2p.InputError: more than one table, none though the layout is csv, or one that can't be read.
    """
    if layout not in (AUTO, CSV):
        if path is not None:
            raise InputError(
                f"model.layout must be {CSV} or {AUTO} where model.path is a table, found {layout} ({path}): leave the "
                "layout out"
            )
        return None
    opened = (_open(file, root, path is not None) for file in ([path] if path else tables_by_suffix(root)))
    tables = [table for table in opened if table]
    if len(tables) > 1:
        names = ", ".join(table.path.name for table in tables)
        raise InputError(f"{root} must hold one table with {_COLUMNS}, found {names}: give model.path=FILE")
    if not tables and layout == CSV:
        raise InputError(f"{root} must hold a table with {_COLUMNS}, found none: give model.path=FILE")
    return tables[0] if tables else None


def _open(path: Path, root: Path, required: bool) -> PictureTable | None:
    """Return a table; unless it is `required`, None for one that names no pictures, in any format and encoding."""
    if not path.resolve().is_relative_to(root):
        if not required and not _may_place(path):
            return None
        raise InputError(f"{path} must be a file of its folder, found a link out of it: put the file in its place")
    try:
        table = read_table(path)
    except i2p.InputError:
        if required or _may_place(path):
            raise
        return None
    column = None if _names_images(table.columns) else _image_column(table)
    if not _places([*table.columns, *(["image"] if column else [])]):
        if not required:
            return None
        names = ", ".join(table.columns) or "none"
        without_prompts = shlex.join(["model=images", override("model.path", str(root)), "prompts=none"])
        raise InputError(
            f"{path} must have {_COLUMNS}, found {names}: add them, rename the columns that hold them, or take each "
            f"picture as a prompt of its own, {without_prompts}"
        )
    columns = _meanings(table.columns, str(path)) | ({"image": column} if column else {})
    rows = [record.values.get(columns.get("row")) for record in table.records]
    if "text" in columns and not numbers_rows(rows):  # `image_id` may hold names
        columns.pop("row", None)
    return PictureTable(path, table, columns)


def _names_images(columns: Sequence[str]) -> bool:
    return not {plain(name) for name in columns}.isdisjoint(map(plain, PICTURES["image"].names))


def _image_column(table: Table) -> str | None:
    """Return the only column whose every cell is the name of a picture file, whatever the column's name."""
    meanings = (MEANINGS | PICTURES).items()
    # A column of ids, which may mean rows, may hold names of files.
    taken = {plain(name) for meaning, column in meanings if meaning != "row" for name in column.names}
    candidates = [name for name in table.columns if plain(name) not in taken]
    of_files = [name for name in candidates if all(_is_picture_file(r.values.get(name)) for r in table.records)]
    return of_files[0] if len(of_files) == 1 and table.records else None


def _is_picture_file(value: object) -> bool:
    return isinstance(value, str) and "://" not in value and is_picture(PurePosixPath(value.strip()).name)


def _meanings(columns: Sequence[str], source: str) -> dict[str, str]:
    """Return meaning → column; columns with the exact names `image` and `row` leave no doubt about these two."""
    if not {"image", "row"} <= set(columns):
        return find_columns(columns, source, pictures=True).by_meaning
    texts = [name for name in columns if plain(name) in {plain(text) for text in MEANINGS["text"].names}]
    exact = {name: name for name in ("image", "row", "method", "k") if name in columns}
    return exact | ({"text": texts[0]} if len(texts) == 1 else {})


def _may_place(path: Path) -> bool:
    """Return whether an unreadable file is meant to place pictures, by its first line."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            # In UTF-16 without a byte order mark every second byte is zero.
            return _places(re.split("[,;\t]", file.readline(10_000).replace("\0", "").strip()))
    except OSError:
        return False


def _places(columns: Sequence[str]) -> bool:
    names = {plain(name.strip('"')) for name in columns}
    images, places = (
        {plain(name) for meaning in meanings for name in meaning.names}
        for meanings in ([PICTURES["image"]], [MEANINGS["row"], MEANINGS["text"]])
    )
    return bool(names & images and names & places)


def pictures_of(table: PictureTable) -> Iterator[tuple[Record, str, str, str | None]]:
    """Yield each record, where it is (for messages), the path of its picture and its method.

    Raises:
        InputError: an invalid path or method, or a picture named twice.
    """
    seen = set()
    for number, record in enumerate(table.table.records):
        where = f"{table.path}, line {record.line}" if record.line else f"{table.path}, row {number}"
        column = table.columns["image"]
        path = path_inside(record.values.get(column), table.path.parent)
        if path is None:
            raise InputError(
                f"{where}, column {column} must be a path inside the folder and relative to it, found "
                f"{record.values.get(column)!r:.200}: correct it"
            )
        method = None
        if "method" in table.columns:
            method = record.values.get(table.columns["method"])
            if not isinstance(method, str) or not sld.is_method_name(method):
                raise InputError(f"{where}, column method must be {METHOD_IS}, found {method!r}: correct it")
        if path in seen:
            raise InputError(
                f"{where} must name another picture than the lines before it, found {path} again: remove the line"
            )
        seen.add(path)
        yield record, where, path, method
