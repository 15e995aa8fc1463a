"""JSON files as tables: an object a line, a list of objects or texts, COCO's captions, or columns of pandas'."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2p.columns import MEANINGS, UNUSED, plain
from i2p.encoding import read_text
from i2p.prompt import InputError
from i2p.records import Record, Table, lines_of

_TEXTS = {plain(name) for name in MEANINGS["text"].names}


def read_lines(path: Path) -> Table:
    """Read JSONL, an object a line."""
    records, columns = [], {}
    for number, line in lines_of(read_text(path)):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}, row {len(records)} (line {number}): expected one JSON object per line, found {line!r:.80} "
                f"({error}); correct the line"
            ) from error
        if not isinstance(values, dict):
            raise InputError(
                f"{path}, row {len(records)} (line {number}): expected one JSON object per line, found {line!r:.80}; "
                'write every prompt as {"prompt": ...} on a line of its own'
            )
        records.append(Record(values, number))
        columns |= dict.fromkeys(values)
    return Table(records, list(columns))


def read_json(path: Path) -> Table:
    """Read one JSON value; a file with an object a line is read as JSONL, whatever it is called.

    A list of objects is one of rows, and one of texts is one of prompts. Of an object the only list in it of objects
    with a prompt is taken, as in COCO's captions, or its values are columns, as pandas writes them.
    """
    text = read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = lines_of(text)
        if len(lines) > 1 and lines[0][1].startswith("{") and lines[0][1].rstrip().endswith("}"):
            return read_lines(path)
        raise InputError(
            f"{path}: expected JSON, found something else ({error}); correct it, or download it again"
        ) from error
    rows = _rows(value)
    if rows is None:
        raise InputError(
            f'{path}: expected a list of objects such as [{{"prompt": ...}}], or one list of them in an object, found '
            f"{_described(value)}; write it so"
        )
    return Table([Record(row) for row in rows], list(dict.fromkeys(name for row in rows for name in row)))


def _rows(value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, list):
        if value and all(isinstance(each, str) for each in value):
            return [{"prompt": each} for each in value]
        return _coco(value) if all(isinstance(each, dict) for each in value) else None
    if not isinstance(value, dict):
        return None
    lists = [each for each in value.values() if _are_prompts(each)]
    if len(lists) == 1:
        return _coco(lists[0])
    if _are_prompts([value]) and all(isinstance(each, str | int | float | bool | None) for each in value.values()):
        return [value]  # JSONL of one line
    return None if lists else _columns(value)


def _are_prompts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and not _TEXTS.isdisjoint(map(plain, each)) for each in value)
    )


def _coco(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In COCO's captions a picture has five: their `id` numbers the rows, or `image_id` where each picture has one."""
    if not rows or not all({"image_id", "id", "caption"} <= each.keys() for each in rows):
        return rows
    pictures = {str(each["image_id"]) for each in rows}
    aside = "id" if len(pictures) == len(rows) else "image_id"
    return [{f"{UNUSED}_{name}" if name == aside else name: value for name, value in each.items()} for each in rows]


def _columns(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of columns that are lists, or objects from an index to a cell."""
    if _TEXTS.isdisjoint(map(plain, value)):
        return None
    columns = {name: dict(enumerate(each)) if isinstance(each, list) else each for name, each in value.items()}
    if not all(isinstance(each, dict) for each in columns.values()):
        return None
    index = next(iter(columns.values()))
    if any(each.keys() != index.keys() for each in columns.values()):
        return None
    return [{name: each[place] for name, each in columns.items()} for place in index]


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(repr(name) for name in list(value)[:8])}" if value else "an empty object"
    kinds = {list: "a list of other things", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
