"""A table that says whose the pictures of a folder are: by rows of a test bed, or by prompts that it brings along.

Its columns are called as in any list of prompts (`i2p.columns`), and `image`, `method`, `k` as in `PICTURES` there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import i2p
import sld
from eval.base.errors import InputError
from eval.base.quoting import override
from eval.folder.layouts import AUTO, CSV, METHOD_IS, NUMBER, Match, is_picture
from eval.folder.paths import path_inside, tables_by_suffix
from i2p.column_values import numbers_rows
from i2p.columns import MEANINGS, PICTURES, find_columns, plain
from i2p.records import Record, Table
from i2p.schema import to_prompts
from i2p.tables import read_table

_COLUMNS = "the columns image and prompt (or row)"


@dataclass(frozen=True)
class PictureTable:
    """A table and which of its columns holds which meaning."""

    path: Path
    table: Table
    columns: dict[str, str]

    @property
    def has_rows(self) -> bool:
        """Whether it goes by rows of the prompts that are chosen."""
        return "row" in self.columns

    def texts(self) -> dict[str, str]:
        """What it says of each picture's prompt, by path."""
        values = {path: record.values.get(self.columns.get("text")) for record, _, path, _ in pictures_of(self)}
        return {path: text for path, text in values.items() if isinstance(text, str)}

    def unused(self, used: Sequence[str]) -> list[str]:
        """Return a sentence that names the columns which have none of the used meanings, if there are any."""
        taken = {self.columns.get(what) for what in used}
        names = [name for name in self.table.columns if name not in taken]
        return [f"Columns of {self.path.name} that are not used: {', '.join(map(str.strip, names))}."] if names else []


def find_table(root: Path, named: Path | None, layout: str) -> PictureTable | None:
    """Return the table of a folder: the one that is named, or the only one in it that names pictures.

    Raises:
        InputError, i2p.InputError: there is more than one, none where one is asked for, or one that can't be read.
    """
    if layout not in (AUTO, CSV):
        if named is not None:
            raise InputError(f"model.path names a table, {named}, and model.layout is {layout}: leave the layout out")
        return None
    opened = (_open(path, root, named is not None) for path in ([named] if named else tables_by_suffix(root)))
    found = [table for table in opened if table]
    if len(found) > 1:
        names = ", ".join(one.path.name for one in found)
        raise InputError(f"{root} must hold one table with {_COLUMNS}, found {names}: give model.path=FILE")
    if not found and layout == CSV:
        raise InputError(f"{root} must hold a table with {_COLUMNS}, found none: give model.path=FILE")
    return found[0] if found else None


def _open(path: Path, root: Path, named: bool) -> PictureTable | None:
    """The table, None for one that names no pictures unless it is `named`: others may lie there, in any encoding."""
    if not path.resolve().is_relative_to(root):
        if not named and not _may_place(path):
            return None
        raise InputError(f"{path} must be a file of its folder, found a link out of it: put the file in its place")
    try:
        table = read_table(path)
    except i2p.InputError:
        if named or _may_place(path):
            raise
        return None
    column = None if _names_images(table.columns) else _image_column(table)
    if not _places([*table.columns, *(["image"] if column else [])]):
        if not named:
            return None
        names = ", ".join(table.columns) or "none"
        alone = shlex.join(["model=images", override("model.path", str(root)), "prompts=none"])
        raise InputError(
            f"{path} must have {_COLUMNS}, found {names}: add them, rename those that hold them, or take each picture "
            f"as a prompt of its own, {alone}"
        )
    columns = _meanings(table.columns, str(path)) | ({"image": column} if column else {})
    rows = [record.values.get(columns.get("row")) for record in table.records]
    if "text" in columns and not numbers_rows(rows):  # `image_id` may hold names
        columns.pop("row", None)
    return PictureTable(path, table, columns)


def _names_images(columns: Sequence[str]) -> bool:
    return not {plain(name) for name in columns}.isdisjoint(map(plain, PICTURES["image"].names))


def _image_column(table: Table) -> str | None:
    """The only column that holds nothing but names of picture files, whatever it is called."""
    meanings = (MEANINGS | PICTURES).items()
    known = {plain(name) for what, meaning in meanings if what != "row" for name in meaning.names}  # an id may be one
    others = [name for name in table.columns if plain(name) not in known]
    holding = [name for name in others if all(_is_picture_file(record.values.get(name)) for record in table.records)]
    return holding[0] if len(holding) == 1 and table.records else None


def _is_picture_file(value: object) -> bool:
    return isinstance(value, str) and "://" not in value and is_picture(PurePosixPath(value.strip()).name)


def _meanings(columns: Sequence[str], source: str) -> dict[str, str]:
    """Which column holds which meaning; beside `image` and `row` by these very names no other is taken for them."""
    if not {"image", "row"} <= set(columns):
        return find_columns(columns, source, pictures=True).by_meaning
    texts = [name for name in columns if plain(name) in {plain(known) for known in MEANINGS["text"].names}]
    own = {what: what for what in ("image", "row", "method", "k") if what in columns}
    return own | ({"text": texts[0]} if len(texts) == 1 else {})


def _may_place(path: Path) -> bool:
    """Whether a file that can't be read is meant for this, by its first line."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            # Of UTF-16 without its mark every second byte is a zero.
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


def by_rows(table: PictureTable) -> list[Match]:
    """Return the pictures that a table places by rows; without `k` a row's pictures are numbered as they come, from 0.

    Raises:
        InputError: a value that can't be meant, a path out of the folder, or a picture named twice.
    """
    column = table.columns["row"]
    found, taken = [], {}
    for record, place, path, method in pictures_of(table):
        row = _whole(record.values.get(column), column, place)
        image = _number(table, record, place, taken.get((method, row), 0))
        taken[method, row] = taken.get((method, row), 0) + 1
        found.append(Match(path, method, row, image))
    return found


def by_prompts(table: PictureTable) -> tuple[list[Match], i2p.PromptList]:
    """Return the pictures of a table that brings its prompts along, and these, numbered as they come first.

    Equal prompts of equal categories are one; the pictures of one and a method are its images, in their order, or in
    that of the first method's seeds where every method has the same.

    Raises:
        InputError, i2p.InputError: a value that can't be meant, a path out of the folder, or a picture named twice.
    """
    lines = _lines(table)
    rows: dict[tuple, int] = {}
    prompts, each = [], {}
    for prompt, (record, place, path, method) in zip(lines.prompts, pictures_of(table), strict=True):
        row = rows.setdefault((prompt.text, prompt.categories), len(rows))
        if row == len(prompts):
            seed = prompt.seed if "seed" in table.columns else row
            prompts.append(replace(prompt, row=row, seed=seed))
        each.setdefault(row, {}).setdefault(method, []).append((path, prompt.seed, record, place))
    found = [match for row, methods in each.items() for match in _numbered(table, row, methods)]
    unused = tuple(name for name in table.table.columns if name in lines.unused or name in _aside(table))
    return found, i2p.PromptList(prompts, unused, lines.remarks)


def _lines(table: PictureTable) -> i2p.PromptList:
    """Every line as a prompt, read as any list of prompts is: what its cells must be is said there."""
    aside = {table.columns.get(what) for what in PICTURES} | set(_aside(table))
    columns = [name for name in table.table.columns if name not in aside]
    records = [Record({name: r.values.get(name) for name in columns}, r.line) for r in table.table.records]
    return to_prompts(Table(records, columns), str(table.path))


def _aside(table: PictureTable) -> list[str]:
    """Columns that would number the rows of a list of prompts, in which a row is a picture."""
    loose = {plain(name) for name in (*MEANINGS["row"].loose, *MEANINGS["row"].spare)}
    return [name for name in table.table.columns if plain(name) in loose and name != table.columns["image"]]


def _numbered(table: PictureTable, row: int, methods: dict[str | None, list]) -> Iterator[Match]:
    seeds = {method: [seed for _, seed, *_ in pictures] for method, pictures in methods.items()}
    first = {seed: number for number, seed in enumerate(next(iter(seeds.values())))}
    same = "seed" in table.columns and all(sorted(one) == sorted(first) for one in seeds.values())
    for method, pictures in methods.items():
        for position, (path, seed, record, place) in enumerate(pictures):
            yield Match(path, method, row, _number(table, record, place, first[seed] if same else position))


def pictures_of(table: PictureTable) -> Iterator[tuple[Record, str, str, str | None]]:
    """Each record with its place in words, the path of its picture and its method."""
    seen = set()
    for number, record in enumerate(table.table.records):
        place = f"{table.path}, line {record.line}" if record.line else f"{table.path}, row {number}"
        column = table.columns["image"]
        path = path_inside(record.values.get(column), table.path.parent)
        if path is None:
            raise InputError(
                f"{place}, column {column} must be a path inside the folder and relative to it, found "
                f"{record.values.get(column)!r:.200}: correct it"
            )
        method = None
        if "method" in table.columns:
            method = record.values.get(table.columns["method"])
            if not isinstance(method, str) or not sld.is_method_name(method):
                raise InputError(f"{place}, column method must be {METHOD_IS}, found {method!r}: correct it")
        if path in seen:
            raise InputError(f"{place} must name a picture once, found {path} again: take the line out")
        seen.add(path)
        yield record, place, path, method


def _number(table: PictureTable, record: Record, place: str, otherwise: int) -> int:
    column = table.columns.get("k")
    return otherwise if column is None else _whole(record.values.get(column), column, place)


def _whole(value: object, column: str, place: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(NUMBER, str(value).strip()):
        raise InputError(f"{place}, column {column} must be a whole number from 0 up, found {value!r}: correct it")
    return int(value)
