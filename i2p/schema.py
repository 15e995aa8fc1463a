"""Columns to prompts: which names a column may have, what its values must be, and where a wrong one stands."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from i2p.prompt import CATEGORIES, InputError, Prompt, Published, one_of


@dataclass(frozen=True)
class Record:
    """One row as read. `line` is its (first) line in a text file, 1-based; values are text or JSON values."""

    values: dict[str, Any]
    line: int | None = None


class _Unfit(ValueError):
    """Raised by a parser below with what it expected; `to_prompts` adds the place and the value."""


def _integer(value: Any, what: str = "a whole number") -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value):
        return int(value)
    # 7.0 is the 7 of a column that once passed through floats; above 2**53 such a passage loses digits, so that the
    # number is not the seed it was.
    number = value if isinstance(value, float) else None
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]+\.0*\s*", value):
        number = float(value)
    if number is not None and number.is_integer() and abs(number) < 2**53:
        return int(number)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _Unfit(what)


def _row(value: Any) -> int:
    row = _integer(value, what := "a whole number of 0 or more")
    if not 0 <= row < 2**63:
        raise _Unfit(what)
    return row


def _seed(value: Any) -> int:
    seed = _integer(value, what := "a whole number from 0 to 2**63 - 1, with all its digits")
    if not 0 <= seed < 2**63:
        raise _Unfit(what)
    return seed


def _side(value: Any) -> int:
    side = _integer(value, what := "a positive multiple of 8 (pixels to a latent)")
    if side <= 0 or side % 8:
        raise _Unfit(what)
    return side


def _number(value: Any, low: float, high: float, what: str) -> float:
    try:
        # float() also reads "1_0" and True.
        number = math.nan if isinstance(value, bool) or "_" in str(value) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise _Unfit(what) from None
    if not (math.isfinite(number) and low <= number <= high):
        raise _Unfit(what)
    return number


def _guidance_scale(value: Any) -> float:
    return _number(value, 0.0, math.inf, "a number of 0 or more")


def _toxicity(value: Any) -> float:
    return _number(value, 0.0, 1.0, "a fraction from 0 to 1")


def _percentage(value: Any) -> float:
    return _number(value, 0.0, 100.0, "a percentage from 0 to 100") / 100


def _hard(value: Any) -> bool:
    flags = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
    flag = flags.get(str(value).strip().lower())
    if flag is None:
        raise _Unfit("0 or 1")
    return flag


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Unfit("the text of a prompt")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half of a surrogate pair, which no file of a run could hold
        raise _Unfit("text that can be written as UTF-8") from None
    return value


def _categories(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        raise _Unfit("category names joined by commas")
    names = [name.strip() if isinstance(name, str) else name for name in names]
    for name in names:
        if name not in CATEGORIES:
            raise _Unfit(one_of(CATEGORIES, name))
    return tuple(dict.fromkeys(names))


def _published(value: Any) -> Published:
    fields = ("inappropriate", "nudity", "q16")
    if not isinstance(value, dict) or fields[0] not in value or not set(value) <= set(fields):
        raise _Unfit("fractions named inappropriate, nudity and q16")
    return Published(**{name: None if v is None else _toxicity(v) for name, v in value.items()})


@dataclass(frozen=True)
class _Column:
    names: tuple[str, ...]  # I2P's own name first, then the aliases
    parse: Callable[[Any], Any]
    optional: bool = False  # whether a single cell may be empty: an annotation may, what an image depends on may not


_COLUMNS = {
    "row": _Column(("row",), _row),
    "text": _Column(("prompt", "text"), _text),
    "categories": _Column(("categories", "category"), _categories, optional=True),
    "seed": _Column(("sd_seed", "seed"), _seed),
    "guidance_scale": _Column(("sd_guidance_scale", "guidance_scale"), _guidance_scale),
    "height": _Column(("sd_image_height", "height"), _side),
    "width": _Column(("sd_image_width", "width"), _side),
    "hard": _Column(("hard",), _hard, optional=True),
    "toxicity": _Column(("prompt_toxicity", "toxicity"), _toxicity, optional=True),
    "published": _Column(("published",), _published, optional=True),
    "inappropriate": _Column(("inappropriate_percentage",), _percentage, optional=True),
    "nudity": _Column(("nudity_percentage",), _percentage, optional=True),
    "q16": _Column(("q16_percentage",), _percentage, optional=True),
}
_DEFAULTS = {"categories": (), "guidance_scale": 7.5, "height": 512, "width": 512}
# Columns of I2P that nothing here uses: never taken for a misspelling of one that is used.
_UNUSED = ("sd_safety_percentage", "lexica_url", "sd_model")


def _find_columns(found: list[str], source: str) -> dict[str, str]:
    """Which column of the file holds which field. InputError on a missing, doubled or misspelled one."""
    listing = ", ".join(repr(name) for name in found) or "none"
    if len(set(found)) < len(found):
        raise InputError(f"{source}: expected every column once, found the columns {listing}; rename or drop a double")
    chosen = {}
    for field, column in _COLUMNS.items():
        present = [name for name in column.names if name in found]
        if len(present) > 1:
            raise InputError(f"{source}: expected one of the columns {' and '.join(present)}, found both; drop one")
        if present:
            chosen[field] = present[0]
    # A misspelled optional column would silently mean its default.
    missing = {name: field for field, column in _COLUMNS.items() if field not in chosen for name in column.names}
    for name in found:
        near = difflib.get_close_matches(name.strip().lower(), missing, n=1, cutoff=0.8)
        if name not in chosen.values() and name not in _UNUSED and near:
            raise InputError(
                f"{source}: expected a column {near[0]!r}, found {name!r} among the columns {listing}; "
                f"rename it to {near[0]!r}, or drop it if it is something else"
            )
    if "text" not in chosen:
        raise InputError(
            f"{source}: expected a column 'prompt' (the only one required), found the columns {listing}; "
            "rename the column that holds the prompts to 'prompt'"
        )
    return chosen


def _parse(record: Record, columns: dict[str, str], place: str) -> dict[str, Any]:
    fields = {}
    for field, name in columns.items():
        value, column = record.values.get(name), _COLUMNS[field]
        if column.optional and (value is None or value == ""):
            continue
        try:
            fields[field] = column.parse(value)
        except _Unfit as unfit:
            raise InputError(
                f"{place}, column {name!r}: expected {unfit}, found {value!r:.80}; correct it, or take the row out"
            ) from None
    return fields


def to_prompts(records: Iterable[Record], columns: list[str], source: str) -> list[Prompt]:
    """Validated prompts, in the order of the records.

    Only `prompt` is required. Without a column: the row is the position (0-based), the seed is the row (so every
    prompt has its own, whatever the selection or the shard), guidance 7.5, 512 x 512 pixels, no categories.
    InputError names source, row (as a position, and the line where there are lines) and column.
    """
    records = list(records)
    if not records:
        raise InputError(f"{source}: expected at least one prompt, found none; give a file that has prompts in it")
    where, prompts, first = _find_columns(columns, source), [], {}
    for position, record in enumerate(records):
        place = f"{source}, row {position}" + (f" (line {record.line})" if record.line else "")
        fields = _DEFAULTS | {"row": position} | _parse(record, where, place)
        published = {name: fields.pop(name) for name in ("inappropriate", "nudity", "q16") if name in fields}
        if "inappropriate" in published:
            fields["published"] = Published(**published)
        prompt = Prompt(**({"seed": fields["row"]} | fields))
        if prompt.row in first:
            raise InputError(
                f"{place}, column 'row': expected every row number once, found {prompt.row} again, as in row "
                f"{first[prompt.row]}; renumber the rows, or drop the column to number them by position"
            )
        first[prompt.row] = position
        prompts.append(prompt)
    return prompts
