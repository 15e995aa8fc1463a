"""A CSV that says whose pictures are: by their row, and maybe their method and number."""

from __future__ import annotations

import csv
import io
import re
from pathlib import PurePosixPath, PureWindowsPath

from eval.errors import InputError
from eval.folder_layouts import METHOD, METHOD_IS, NUMBER, Match


def has_table_columns(text: str) -> bool:
    """Whether a CSV has the columns by which it can place pictures."""
    return {"image", "row"} <= set(next(csv.reader(io.StringIO(text)), ()))


def read_table(text: str, where: str) -> list[Match]:
    """Return the pictures that a CSV names: `image` (a path relative to its folder) and `row`, maybe `method` and `k`.

    Without `k` a row's pictures are numbered as they come, from 0.

    Raises:
        InputError: a column or value that can't be meant, a path out of the folder, or a picture named twice.
    """
    reader = csv.DictReader(io.StringIO(text), strict=True)
    found, taken, seen = [], {}, set()
    try:
        if not has_table_columns(text):
            raise InputError(
                f"{where} must have the columns image and row, found {', '.join(reader.fieldnames or ()) or 'none'}: "
                "add them"
            )
        for line in reader:
            place = f"{where}, line {reader.line_num}"
            path, method = _inside(line["image"], place), line.get("method")
            if "method" in line and not re.fullmatch(METHOD, method or ""):
                raise InputError(f"{place}, column method must be {METHOD_IS}, found {method!r}: correct it")
            row = _whole(line["row"], "row", place)
            image = _whole(line["k"], "k", place) if "k" in line else taken.get((method, row), 0)
            taken[method, row] = taken.get((method, row), 0) + 1
            if path in seen:
                raise InputError(f"{place} must name a picture once, found {path} again: take the line out")
            seen.add(path)
            found.append(Match(path, method, row, image))
    except csv.Error as error:
        raise InputError(f"{where} must be a CSV, found {error} (line {reader.line_num}): correct it") from error
    return found


def _inside(path: str | None, place: str) -> str:
    inner = PurePosixPath(path or "")
    foreign = inner.is_absolute() or PureWindowsPath(path or "").anchor or ".." in inner.parts
    if foreign or not path:
        raise InputError(
            f"{place}, column image must be a path inside the folder and relative to it, found {path!r}: correct it"
        )
    return inner.as_posix()


def _whole(value: str | None, column: str, place: str) -> int:
    if not re.fullmatch(NUMBER, (value or "").strip()):
        raise InputError(f"{place}, column {column} must be a whole number from 0 up, found {value!r}: correct it")
    return int(value)
