"""Which columns of a table are used, by their names and, where these leave it open, by their values; which are not.

What looks like a seed, a guidance scale or a row and would be left unused is refused: pictures would be drawn from
others, or counted under other prompts, without a word.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i2p.categories import are_categories
from i2p.cells import is_missing, number, some, whole
from i2p.columns import UNUSED, find_columns, is_index, listed, refuse_two
from i2p.prompt import InputError
from i2p.unused_columns import check_unused


@dataclass(frozen=True)
class Chosen:
    """Which column is used for which meaning, and the names of those that are used for none."""

    found: dict[str, str]
    unused: tuple[str, ...]


def choose_columns(names: Sequence[str], records: Iterable[Mapping[str, Any]], source: str) -> Chosen:
    """Return which columns of a list of prompts are used.

    InputError for two of one meaning, and for one that is not used and looks as if it should be.
    """
    records = list(records)
    columns = find_columns(names, source)
    found, unused = dict(columns.found), list(columns.rest)

    def values(name: str) -> list:
        return [record.get(name) for record in records]

    for what, same in columns.loose.items():
        fitting = [name for name in same if _fits(what, values(name))]
        # An index that pandas gave a name beside the rows that it is a copy of.
        fitting = [name for name in fitting if what not in found or values(name) != values(found[what])]
        refuse_two([*filter(None, [found.get(what)]), *fitting], source)
        if fitting:
            found[what] = fitting[0]
        unused += [name for name in same if name not in found.values()]
    for what, same in columns.spare.items():
        fitting = [name for name in same if what not in found and _fits(what, values(name))]
        if fitting:
            found[what] = fitting[0]
        unused += [name for name in same if name not in found.values()]
    unused += _indices(names, values, found, source)
    if "text" not in found:
        raise InputError(
            f"{source}: expected a column 'prompt' (the only one required), found the columns {listed(names)}; rename "
            "the column that holds the prompts to 'prompt'"
        )
    if "row" in found and not numbers_rows(values(found["row"])):
        unused.append(found.pop("row"))
    if "negative_prompt" in found:
        unused.append(_without_negative(found.pop("negative_prompt"), values, source))
    for name in unused:
        check_unused(name, values(name), found, names, source)
    return Chosen(found, tuple(name for name in names if name in unused))


def numbers_rows(values: Iterable) -> bool:
    """Whether a column that is named for the rows numbers any: it may be empty, or hold names."""
    return any(number(value) is not None for value in values)


def _fits(what: str, values: list) -> bool:
    """Whether a column with a loose name can be meant, by its values."""
    if what == "row":
        return None not in map(whole, values)
    if what == "guidance_scale":
        return all(scale is not None and scale >= 0 for scale in map(number, values))
    if what == "categories":
        return are_categories(value for value in values if not is_missing(value))
    return True


def _indices(names: Sequence[str], values: Callable, found: Mapping[str, str], source: str) -> list[str]:
    """Of the columns that pandas' indices are by their names, those that are none: they hold something else.

    InputError for one that is the only column to number the rows and numbers them otherwise than by position, as the
    index of rows that were picked from a longer list does.
    """
    others = []
    for name in filter(is_index, names):
        cells = values(name)
        rows = [whole(value) for value in cells]
        if None in rows:
            others += [name] if not all(map(is_missing, cells)) else []
        elif "row" not in found and rows != list(range(len(rows))):
            raise InputError(
                f"{source}: expected an index that counts the rows from 0, found {some(cells)} in the column {name!r} "
                "without a name that says what they are; call it 'row' if pictures and selections go by it, or drop it "
                "to number the rows by position"
            )
    return others


def _without_negative(name: str, values: Callable, source: str) -> str:
    given = [value for value in values(name) if not is_missing(value) and number(value) is None]  # 0 and 1 are labels
    if given:
        raise InputError(
            f"{source}: expected prompts without negative prompts of their own, found {len(given):,} in the column "
            f"{name!r} (such as {given[0]!r:.60}); drop the column, or call it '{UNUSED}_{name.strip()}': one negative "
            "prompt for all rows is a method's, methods=[{name: NAME, negative_prompt: TEXT}]"
        )
    return name
