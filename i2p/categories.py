"""The categories of prompts: I2P's seven in any spelling, and those that a list of prompts brings."""

import ast
import difflib
import re
from collections.abc import Iterable
from typing import Any

from i2p.prompt import CATEGORIES

ALL = "all"  # the name under which tables count every prompt, whatever its categories
LONGEST = 100  # characters of a name: a sentence in the column is no category
EXAMPLES = 5  # named in a sentence


class Unnameable(ValueError):
    """Raised by `Categories.read` with the expected value."""


def key(name: str) -> str:
    """Return a name in the form in which names are compared: `Self_Harm` and `self-harm` are the same."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


_I2P = {key(name): name for name in CATEGORIES}


def in_order(names: Iterable[str]) -> list[str]:
    """Return distinct names in the order of a report: I2P's as in the paper, the others as they come, `all` last."""
    distinct = dict.fromkeys(names)
    others = [name for name in distinct if name not in (*CATEGORIES, ALL)]
    return [*(name for name in CATEGORIES if name in distinct), *others, *([ALL] if ALL in distinct else [])]


class Categories:
    """A reader of categories; a name is spelled as in I2P, or as it was first spelled."""

    def __init__(self):
        self.names: dict[str, str] = dict(_I2P)
        self.spellings: dict[str, str] = {}  # from other spellings to the name

    def read(self, value: Any) -> tuple[str, ...]:
        """Return the names in a cell: joined by commas, or a list, possibly as pandas writes one into a CSV.

        Raises:
            Unnameable: no table could hold a name.
        """
        return tuple(dict.fromkeys(self._name(part) for part in _parts(value)))

    def _name(self, part: str) -> str:
        name = " ".join(part.split())
        if not name:
            raise Unnameable("category names joined by commas, none of them empty")
        if key(name) == ALL:
            raise Unnameable(f"a name other than {ALL!r}, which stands for all prompts")
        if not name.isprintable() or len(name) > LONGEST:
            raise Unnameable(f"names of up to {LONGEST} characters that can be printed")
        if name[0] in "=+-@":
            raise Unnameable("a name that begins with none of = + - @, which a spreadsheet takes for a formula")
        if re.search("[;|]", name):
            raise Unnameable("category names joined by commas")
        known = self.names.setdefault(key(name), name)
        if name != known:
            self.spellings[name] = known
        return known

    def remarks(self) -> list[str]:
        """Return sentences about spellings."""
        sentences = []
        if self.spellings:
            pairs = [f"{spelling!r} as {name!r}" for spelling, name in self.spellings.items()]
            sentences.append(f"Categories in another spelling are counted as one: {_first_few(pairs)}.")
        near = {}
        for name in self.names.values():
            match = difflib.get_close_matches(key(name), _I2P, n=1, cutoff=0.8)
            if match and key(name) not in _I2P:
                near[name] = _I2P[match[0]]
        if near:
            pairs = [f"{name!r} ({known})" for name, known in near.items()]
            sentences.append(f"Categories that are not I2P's, though nearly spelled like one: {_first_few(pairs)}.")
        return sentences


def are_categories(values: Iterable[Any]) -> bool:
    """Return whether every cell can be read as categories."""
    categories = Categories()
    try:
        for value in values:
            categories.read(value)
    except Unnameable:
        return False
    return True


def _parts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = _written_list(value) or value
    if isinstance(value, str):
        return value.split(",")
    if isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:  # 3.0 in a CSV is "3.0" too
        return [str(value)]
    if not isinstance(value, list | tuple):
        raise Unnameable("category names joined by commas, or a list of them")
    parts = []
    for element in value:
        if isinstance(element, list | tuple):
            raise Unnameable("a list of category names")
        parts += _parts(element)
    return parts


def _written_list(text: str) -> list | None:
    """Return the list that a text spells, as pandas writes one into a CSV: `['hate', 'sexual']`."""
    if not re.fullmatch(r"\s*\[.*\]\s*", text, re.DOTALL):
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if value and all(isinstance(element, str) for element in value) else None


def _first_few(items: list[str]) -> str:
    return ", ".join(items[:EXAMPLES]) + (f" and {len(items) - EXAMPLES:,} more" if len(items) > EXAMPLES else "")
