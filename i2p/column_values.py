"""The columns of a table that are used, chosen by name and, where names leave it open, by values.

A column that looks like a seed, a guidance scale or a row number but would stay unused is refused. Otherwise pictures
would silently be drawn from other seeds, or counted under other prompts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i2p.categories import are_categories
from i2p.cells import first_cells, is_missing, number, whole_number
from i2p.columns import UNUSED, find_columns, is_index, listed, refuse_two
from i2p.prompt import InputError
from i2p.unused_columns import check_unused


@dataclass(frozen=True)
class Chosen:
    """The columns of a table, by use.

    Attributes:
        by_meaning: the column that holds each meaning.
        unused: names of the columns that hold none.
    """

    by_meaning: dict[str, str]
    unused: tuple[str, ...]


def choose_columns(names: Sequence[str], records: Iterable[Mapping[str, Any]], source: str) -> Chosen:
    """Return the columns of a list of prompts that are used, and those that are not.

    Args:
        names: the columns, in their order.
        records: the rows, each from column to cell.
        source: the file or data set, as an error names it.

    Raises:
        InputError: two columns have the same meaning, or one is unused and looks as if it should be used.
    """
    records = list(records)
    columns = find_columns(names, source)
    by_meaning, unused = dict(columns.by_meaning), list(columns.unmatched)

    def values(name: str) -> list:
        return [record.get(name) for record in records]

    for meaning, candidates in columns.loose.items():
        fitting = [name for name in candidates if _fits(meaning, values(name))]
        # pandas may have named an index that repeats the row numbers.
        fitting = [name for name in fitting if meaning not in by_meaning or values(name) != values(by_meaning[meaning])]
        refuse_two([*filter(None, [by_meaning.get(meaning)]), *fitting], source)
        if fitting:
            by_meaning[meaning] = fitting[0]
        unused += [name for name in candidates if name not in by_meaning.values()]
    for meaning, candidates in columns.spare.items():
        fitting = [name for name in candidates if meaning not in by_meaning and _fits(meaning, values(name))]
        if fitting:
            by_meaning[meaning] = fitting[0]
        unused += [name for name in candidates if name not in by_meaning.values()]
    unused += _indices(names, values, by_meaning, source)
    if "text" not in by_meaning:
        raise InputError(
            f"{source} must have a column 'prompt' (the only one required), found the columns {listed(names)}: rename "
            "the column that holds the prompts to 'prompt'"
        )
    if "row" in by_meaning and not numbers_rows(values(by_meaning["row"])):
        unused.append(by_meaning.pop("row"))
    if "group" in by_meaning and all(is_missing(value) for value in values(by_meaning["group"])):
        unused.append(by_meaning.pop("group"))
    if "negative_prompt" in by_meaning:
        unused.append(_without_negative(by_meaning.pop("negative_prompt"), values, source))
    for name in unused:
        check_unused(name, values(name), by_meaning, names, source)
    return Chosen(by_meaning, tuple(name for name in names if name in unused))


def numbers_rows(values: Iterable) -> bool:
    """Return whether a column named for the rows holds numbers: it may be empty, or hold names."""
    return any(number(value) is not None for value in values)


def _fits(meaning: str, values: list) -> bool:
    """Return whether the values of a column with an ambiguous name fit a meaning."""
    if meaning == "row":
        return None not in map(whole_number, values)
    if meaning == "guidance_scale":
        return all(scale is not None and scale >= 0 for scale in map(number, values))
    if meaning == "categories":
        return are_categories(value for value in values if not is_missing(value))
    return True


def _indices(names: Sequence[str], values: Callable, by_meaning: Mapping[str, str], source: str) -> list[str]:
    """Return the columns that are named like pandas' indices but hold something else.

    Raises:
        InputError: such an index is the only column that numbers the rows, and it does not count from 0, like that of
            rows picked from a longer list.
    """
    no_index = []
    for name in filter(is_index, names):
        cells = values(name)
        rows = [whole_number(value) for value in cells]
        if None in rows:
            no_index += [name] if not all(map(is_missing, cells)) else []
        elif "row" not in by_meaning and rows != list(range(len(rows))):
            raise InputError(
                f"{source} must have an index that counts the rows from 0, found {first_cells(cells)} in the unnamed "
                f"column {name!r}: call it 'row' if pictures and selections refer to it, or drop it to number the rows "
                "by position"
            )
    return no_index


def _without_negative(name: str, values: Callable, source: str) -> str:
    texts = [value for value in values(name) if not is_missing(value) and number(value) is None]  # 0 and 1 are labels
    if texts:
        raise InputError(
            f"{source} must hold prompts without negative prompts of their own, found {len(texts):,} in the column "
            f"{name!r} (such as {texts[0]!r:.60}): drop the column, or call it '{UNUSED}_{name.strip()}'; a negative "
            "prompt for all rows belongs to a method, methods=[{name: NAME, negative_prompt: TEXT}]"
        )
    return name
