"""Rows of tables: dataclasses, in which another may be nested whose values are columns too."""

import functools
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any


def flat(row: object) -> dict:
    """Return a dataclass's values by name, as they are; `dataclasses.asdict` copies each, at ten times the cost.

    Those of a dataclass that is nested in it stand among them, in its place.
    """
    return dict(_items(row))


def _items(row: Any) -> Iterator[tuple[str, object]]:
    for name in _names(type(row)):
        value = getattr(row, name)
        if is_dataclass(value):
            yield from _items(value)
        else:
            yield name, value


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def columns_of(kind: type) -> list[str]:
    """Return the names that `flat` gives the values of a dataclass, whose nested ones have a default."""
    return [
        name
        for field in fields(kind)
        for name in (flat(field.default) if is_dataclass(field.default) else [field.name])
    ]
