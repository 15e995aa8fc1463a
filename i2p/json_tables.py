"""JSON files as tables: an object per line, a list of objects or texts, or COCO's captions."""

import json
from pathlib import Path
from typing import Any

from i2p.columns import MEANINGS, plain
from i2p.encoding import read_text
from i2p.prompt import InputError
from i2p.records import Record, Table, lines_of
from i2p.words import counted

_TEXTS = {plain(name) for name in MEANINGS["text"].names}


def read_lines(path: Path) -> Table:
    """Return the table in a JSONL file, which has an object per line.

    Raises:
        InputError: a line is no JSON object.
    """
    records, columns = [], {}
    for number, line in lines_of(read_text(path)):
        try:
            values = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}, row {len(records)} (line {number}) must be one JSON object, found {line!r:.80} "
                f"({error}): correct the line"
            ) from error
        if not isinstance(values, dict):
            raise InputError(
                f"{path}, row {len(records)} (line {number}) must be one JSON object, found {line!r:.80}: "
                'write every prompt as {"prompt": ...} on a line of its own'
            )
        records.append(Record(values, number))
        columns |= dict.fromkeys(values)
    return Table(records, list(columns))


def read_json(path: Path) -> Table:
    """Return the table in a JSON file; a file with an object per line is read as JSONL, whatever its name.

    The rows are a list of objects, a list of texts, or the only list of objects with a prompt within an object (as in
    COCO's captions, of which each picture has several: one of them is read).

    Raises:
        InputError: the file is not JSON, or holds none of these.
    """
    text = read_text(path)
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        lines = lines_of(text)
        if len(lines) > 1 and lines[0][1].startswith("{") and lines[0][1].rstrip().endswith("}"):
            return read_lines(path)
        raise InputError(
            f"{path} must be JSON, found something else ({error}): correct or download it again"
        ) from error
    rows = _rows(value)
    remarks = ()
    if rows and _are_of_coco(rows):
        rows, remarks = _one_a_picture(rows)
    if rows is None:
        raise InputError(
            f'{path} must hold a list of objects such as [{{"prompt": ...}}], or an object with one such list, found '
            f"{_described(value)}: rewrite the file (pandas: to_json(FILE, orient='records'))"
        )
    return Table([Record(row) for row in rows], list(dict.fromkeys(name for row in rows for name in row)), remarks)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; ValueError where it has a name twice, of which json would keep the last value."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice")
    return values


def _rows(value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, list):
        if value and all(isinstance(element, str) for element in value):
            return [{"prompt": element} for element in value]
        return value if all(isinstance(element, dict) for element in value) else None
    if not isinstance(value, dict):
        return None
    lists = [element for element in value.values() if _are_prompts(element)]
    if len(lists) == 1:
        return lists[0]
    if _are_prompts([value]) and all(
        isinstance(element, str | int | float | bool | None) for element in value.values()
    ):
        return [value]  # JSONL of one line
    return None


def _are_prompts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(element, dict) and not _TEXTS.isdisjoint(map(plain, element)) for element in value)
    )


def _are_of_coco(rows: list[dict[str, Any]]) -> bool:
    return all({"image_id", "id", "caption"} <= row.keys() for row in rows)


def _one_a_picture(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return COCO's captions, of each picture the one with the lowest `id`, and what is left out; rows are pictures.

    Several captions of a picture ask for the same picture; COCO-30k and its like take one of each too.
    """
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["id"]) if all(isinstance(row["id"], int) for row in rows) else rows:
        first.setdefault(str(row["image_id"]), row)
    kept = [row for row in rows if first[str(row["image_id"])] is row]
    unnumbered = [{name: value for name, value in row.items() if name != "id"} for row in kept]
    if len(kept) == len(rows):
        return unnumbered, ()
    counts = f"{counted(len(rows), 'caption')} are of {counted(len(kept), 'picture')}"
    sentence = f"COCO's {counts}: the first of each, by `id`, is the prompt."
    return unnumbered, (sentence,)


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(repr(name) for name in list(value)[:8])}" if value else "an empty object"
    kinds = {list: "a list of other things", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
