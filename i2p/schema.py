"""From table to prompts: the values that each column may hold, their defaults, and the place of a wrong value."""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from i2p.benchmark import LOST_ROW, LOST_TEXT, Benchmark, recognise
from i2p.categories import Categories, Unnameable
from i2p.cells import group_name, is_missing, number
from i2p.column_values import choose_columns
from i2p.columns import UNUSED
from i2p.prompt import InputError, Prompt, Published
from i2p.records import Record, Table, first_texts
from i2p.words import lacking


class _Unfit(ValueError):
    """Raised by the parsers below with the expected value; `to_prompts` adds the place and the value."""


def _integer(value: Any, expected: str = "a whole number") -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value):
        return int(value)
    # 7.0 is a 7 that once passed through a column of floats. Above 2**53 that passage loses digits, and the number is
    # no longer the seed that it was.
    number = value if isinstance(value, float) else None
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]+\.0*\s*", value):
        number = float(value)
    if number is not None and number.is_integer() and abs(number) < 2**53:
        return int(number)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _Unfit(expected)


def _row(value: Any) -> int:
    row = _integer(value, expected := "a whole number of 0 or more")
    if not 0 <= row < 2**63:
        raise _Unfit(expected)
    return row


def _seed(value: Any) -> int:
    seed = _integer(value, expected := "a whole number from 0 to 2**63 - 1, with all its digits")
    if not 0 <= seed < 2**63:
        raise _Unfit(expected)
    return seed


def _side(value: Any) -> int:
    side = _integer(value, expected := "a positive multiple of 8 (pixels per latent)")
    if side <= 0 or side % 8:
        raise _Unfit(expected)
    return side


def _number(value: Any, low: float, high: float, expected: str) -> float:
    found = number(value)
    if found is None or not low <= found <= high:
        raise _Unfit(expected)
    return found


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
    except UnicodeEncodeError:  # JSON can spell half of a surrogate pair, which no file of a run can hold
        raise _Unfit("text that can be written as UTF-8") from None
    return value


def _published(value: Any) -> Published:
    fields = ("inappropriate", "nudity", "q16")
    if not isinstance(value, dict) or fields[0] not in value or not set(value) <= set(fields):
        raise _Unfit("fractions named inappropriate, nudity and q16")
    return Published(**{name: None if v is None else _toxicity(v) for name, v in value.items()})


def _group(value: Any) -> int | str | None:
    try:
        return group_name(value)
    except ValueError:
        raise _Unfit("a number or a text that names a group") from None


# The parser of each meaning, except categories.
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "row": _row,
    "text": _text,
    "seed": _seed,
    "guidance_scale": _guidance_scale,
    "height": _side,
    "width": _side,
    "hard": _hard,
    "toxicity": _toxicity,
    "published": _published,
    "inappropriate": _percentage,
    "nudity": _percentage,
    "q16": _percentage,
    "group": _group,
}
_REQUIRED = ("row", "text")  # no empty cells, if there is such a column
# What an image depends on: a row without it takes the default, which is reported.
_DEFAULTS = {"guidance_scale": 7.5, "height": 512, "width": 512}


@dataclass(frozen=True)
class PromptList:
    """Prompts, and what was not used of their source.

    Attributes:
        prompts: in the order of the source.
        unused: names of columns that are not used.
        remarks: sentences about how the source was read.
        benchmark: set if the prompts are those of I2P, recognised by their content.
        group_column: the column in which the source groups its prompts; None without one.
        grouped_by: what `i2p.groups.grouped` took for groups; None before.
    """

    prompts: list[Prompt]
    unused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    benchmark: Benchmark | None = None
    group_column: str | None = None
    grouped_by: str | None = None

    def sentences(self) -> list[str]:
        """Return sentences about unused columns and other things to know about the source."""
        unused = [f"Columns that are not used: {', '.join(map(str.strip, self.unused))}."] if self.unused else []
        return [*unused, *self.remarks]


def to_prompts(table: Table, source: str) -> PromptList:
    """Return validated prompts, in the order of the rows.

    Only a text is required; `i2p.columns` lists the names that columns may have. Defaults, without a column or where
    its cell is empty (null): the seed is the row number (so every prompt has its own, whatever the selection or the
    shard), guidance 7.5, 512 x 512 pixels, no categories. Without a column of row numbers a row is its position
    (0-based).

    Args:
        table: rows and columns as read.
        source: the file or data set, as an error names it.

    Raises:
        InputError: a value is wrong; names source, row (as position, and line if there are lines) and column.
    """
    records = table.records
    if not records:
        raise InputError(f"{source} must hold at least one prompt, found none: give a file that has prompts in it")
    chosen = choose_columns(table.columns, [record.values for record in records], source)
    records, cut = first_texts(records, chosen.by_meaning["text"])
    reader = _Reader(source, chosen.by_meaning)
    prompts = [reader.prompt(position, record) for position, record in enumerate(records)]
    benchmark = recognise(prompts)
    if reader.lost and not benchmark:
        raise reader.lost
    remarks = [*table.remarks, *cut, *reader.remarks(len(records))]
    if benchmark and not benchmark.complete:
        remarks.append(f"I2P by its rows, texts and seeds, without its {', '.join(benchmark.lacking)}.")
    return PromptList(prompts, chosen.unused, tuple(remarks), benchmark, chosen.by_meaning.get("group"))


class _Reader:
    """Reads rows, and remembers what must differ between rows or concerns all of them."""

    def __init__(self, source: str, columns: dict[str, str]):
        self.source, self.columns = source, columns
        self.categories = Categories()
        self.first: dict[int, int] = {}  # row → position
        self.defaulted: Counter[str] = Counter()
        self.lost: InputError | None = None  # raised for the text that copies of I2P have lost, if this is not I2P

    def prompt(self, position: int, record: Record) -> Prompt:
        place = f"{self.source}, row {position}" + (f" (line {record.line})" if record.line else "")
        fields, lost = {"row": position, "categories": ()} | _DEFAULTS, None
        for meaning, name in self.columns.items():
            value = record.values.get(name)
            if meaning not in _REQUIRED and is_missing(value):
                self.defaulted[meaning] += 1
                continue
            try:
                fields[meaning] = self.categories.read(value) if meaning == "categories" else _PARSERS[meaning](value)
            except (_Unfit, Unnameable) as unfit:
                unused = "" if meaning == "text" else f", or call the column '{UNUSED}_{name.strip()}' to leave it out"
                error = InputError(
                    f"{place}, column {name!r} must be {unfit}, found {value!r:.80}: correct it, or take the row out"
                    + unused
                )
                if meaning != "text" or not is_missing(value):
                    raise error from None
                fields[meaning], lost = LOST_TEXT, error
        if lost and fields["row"] != LOST_ROW:
            raise lost
        self.lost = self.lost or lost
        published = {name: fields.pop(name) for name in ("inappropriate", "nudity", "q16") if name in fields}
        if "inappropriate" in published:
            fields["published"] = Published(**published)
        prompt = Prompt(**({"seed": fields["row"]} | fields))
        if prompt.row in self.first:
            raise InputError(
                f"{place}, column {self.columns['row']!r} must hold every row number once, found {prompt.row} again, "
                f"as in row {self.first[prompt.row]}: renumber the rows, or drop the column to number them by position"
            )
        self.first[prompt.row] = position
        return prompt

    def remarks(self, count: int) -> list[str]:
        """Return sentences about how the rows were read."""
        sentences = []
        for meaning, default in (("seed", "the row's number"), *_DEFAULTS.items()):
            if number := self.defaulted[meaning]:
                name = self.columns[meaning]
                sentences.append(f"{lacking(number, count)} {name}: {default} is used.")
        if self.lost:
            sentences.append(
                f"Row {LOST_ROW} has no text, as in copies of I2P: its text in I2P, {LOST_TEXT!r}, is used."
            )
        return sentences + self.categories.remarks()
