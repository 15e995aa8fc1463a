"""The pictures that a table places: by rows of a test bed, or with prompts of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import i2p
from eval.base.errors import InputError
from eval.folder.layouts import NUMBER, Match
from eval.folder.table import PictureTable, pictures_of
from i2p.columns import MEANINGS, PICTURES, plain
from i2p.records import Record, Table
from i2p.schema import to_prompts


def by_rows(table: PictureTable) -> list[Match]:
    """Return the pictures that a table places by rows; without `k` they are numbered from 0 per method and row.

    Raises:
        InputError: an invalid value, a path out of the folder, or a picture named twice.
    """
    column = table.columns["row"]
    matches, counts = [], {}
    for record, where, path, method in pictures_of(table):
        row = _whole_number(record.values.get(column), column, where)
        image = _image_number(table, record, where, counts.get((method, row), 0))
        counts[method, row] = counts.get((method, row), 0) + 1
        matches.append(Match(path, method, row, image, line=record.line))
    return matches


def by_prompts(table: PictureTable) -> tuple[list[Match], i2p.PromptList]:
    """Return the pictures of a table that has its own prompts, and these prompts in the order of their first lines.

    Lines with equal prompts and categories are one prompt. Its pictures of a method are its images, in the order of the
    lines, or in that of the first method's seeds where all methods have the same seeds.

    Raises:
        InputError, i2p.InputError: an invalid value, a path out of the folder, a picture named twice, or lines of one
            prompt with different groups.
    """
    lines = _lines(table)
    rows: dict[tuple, int] = {}
    prompts, by_row = [], {}
    for prompt, (record, where, path, method) in zip(lines.prompts, pictures_of(table), strict=True):
        row = rows.setdefault((prompt.text, prompt.categories), len(rows))
        if row == len(prompts):
            seed = prompt.seed if "seed" in table.columns else row
            prompts.append(replace(prompt, row=row, seed=seed))
        elif prompt.group != prompts[row].group:
            raise InputError(
                f"{where} must give all lines of one prompt the same group, found {prompts[row].group!r} and "
                f"{prompt.group!r} for {prompt.text!r:.60}: correct one"
            )
        by_row.setdefault(row, {}).setdefault(method, []).append((path, prompt.seed, record, where))
    matches = [match for row, methods in by_row.items() for match in _numbered(table, row, methods)]
    unused = tuple(name for name in table.table.columns if name in lines.unused or name in _number_columns(table))
    return matches, i2p.PromptList(prompts, unused, lines.remarks, group_column=lines.group_column)


def _lines(table: PictureTable) -> i2p.PromptList:
    """Return a prompt per line, read and checked as in any list of prompts."""
    ignored = {table.columns.get(meaning) for meaning in PICTURES} | set(_number_columns(table))
    columns = [name for name in table.table.columns if name not in ignored]
    records = [Record({name: r.values.get(name) for name in columns}, r.line) for r in table.table.records]
    return to_prompts(Table(records, columns), str(table.path))


def _number_columns(table: PictureTable) -> list[str]:
    """Return the columns that would number the rows of a list of prompts, but number pictures here."""
    loose = {plain(name) for name in (*MEANINGS["row"].loose, *MEANINGS["row"].spare)}
    return [name for name in table.table.columns if plain(name) in loose and name != table.columns["image"]]


def _numbered(table: PictureTable, row: int, methods: dict[str | None, list]) -> Iterator[Match]:
    seeds = {method: [seed for _, seed, *_ in pictures] for method, pictures in methods.items()}
    first = {seed: number for number, seed in enumerate(next(iter(seeds.values())))}
    same = "seed" in table.columns and all(sorted(values) == sorted(first) for values in seeds.values())
    for method, pictures in methods.items():
        for position, (path, seed, record, where) in enumerate(pictures):
            image = _image_number(table, record, where, first[seed] if same else position)
            yield Match(path, method, row, image, line=record.line)


def _image_number(table: PictureTable, record: Record, where: str, default: int) -> int:
    column = table.columns.get("k")
    return default if column is None else _whole_number(record.values.get(column), column, where)


def _whole_number(value: object, column: str, where: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(NUMBER, str(value).strip()):
        raise InputError(f"{where}, column {column} must be a whole number from 0 up, found {value!r}: correct it")
    return int(value)
