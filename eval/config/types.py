"""The keys of settings and the types of their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints


def key_types(settings: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of a dataclass of settings with its type; the keys of its parts have a dot.

    Args:
        settings: the dataclass.
        prefix: the key of the whole, with a dot.
    """
    hints = get_type_hints(settings)
    for name in (field.name for field in fields(settings)):
        if part := part_of(hints[name]):
            yield from key_types(part, f"{prefix}{name}.")
        else:
            yield prefix + name, hints[name]


def part_of(hint: Any) -> type | None:
    """Return the dataclass of a type such as `ReportJob | None`; None for another type."""
    return next((kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)), None)
