"""What a file of YAML holds, before its values are made: how many there are, and numbers that are slips."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

_DECIMAL = re.compile(r"[+-]?(0|[1-9]\d*|\d*\.\d*)([eE][+-]?\d+)?|[+-]?\.(inf|nan)", re.ASCII | re.IGNORECASE)


def count_values(node: yaml.Node | None, counts: dict[int, int]) -> int:
    """Return the number of values in a node of YAML, those of an alias again wherever it stands.

    Args:
        node: of the document, None in an empty one.
        counts: by identity, of nodes that were counted before.
    """
    inside = getattr(node, "value", "")
    if not isinstance(inside, list):
        return 1
    if id(node) not in counts:
        parts = (part for each in inside for part in (each if isinstance(each, tuple) else (each,)))
        counts[id(node)] = 1 + sum(count_values(part, counts) for part in parts)
    return counts[id(node)]


def odd_numbers(node: yaml.Node | None, seen: set[int] | None = None) -> Iterator[yaml.ScalarNode]:
    """Yield the numbers in a node of YAML that are read otherwise elsewhere: 1_0, 010 and 1:30 are 10, 8 and 90.

    Args:
        node: of the document, None in an empty one.
        seen: by identity, nodes that were looked through before.
    """
    seen = set() if seen is None else seen
    inside = getattr(node, "value", "")
    if isinstance(inside, str):
        if getattr(node, "tag", "").endswith((":int", ":float")) and not _DECIMAL.fullmatch(inside):
            yield node
    elif id(node) not in seen:
        seen.add(id(node))
        for each in inside:
            for part in each if isinstance(each, tuple) else (each,):
                yield from odd_numbers(part, seen)
