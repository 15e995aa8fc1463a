"""What a file of YAML holds, before its values are made: how many there are, and which are slips."""

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


def scalars(node: yaml.Node | None, seen: set[int] | None = None) -> Iterator[yaml.ScalarNode]:
    """Yield the texts and numbers in a node of YAML, keys too.

    Args:
        node: of the document, None in an empty one.
        seen: by identity, nodes that were looked through before.
    """
    seen = set() if seen is None else seen
    inside = getattr(node, "value", None)
    if isinstance(inside, str):
        yield node
    elif inside and id(node) not in seen:
        seen.add(id(node))
        for each in inside:
            for part in each if isinstance(each, tuple) else (each,):
                yield from scalars(part, seen)


def is_odd_number(node: yaml.ScalarNode) -> bool:
    """Return whether YAML takes a scalar for a number that is read otherwise elsewhere: 1_0, 010 and 1:30."""
    return node.tag.endswith((":int", ":float")) and not _DECIMAL.fullmatch(node.value)


def is_text(node: yaml.ScalarNode) -> bool:
    """Return whether a file of a run can hold a scalar: not bytes, nor half of a surrogate pair as JSON spells it."""
    return not node.tag.endswith(":binary") and node.value.encode(errors="ignore").decode() == node.value
