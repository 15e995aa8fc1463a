"""Checks of single values of settings."""

from __future__ import annotations

from collections.abc import Collection

from eval.base.errors import InputError


def one_of(key: str, value: str, known: Collection[str]) -> None:
    """Raise InputError unless the value of `key` is among those known."""
    if value not in known:
        raise InputError(f"{key} must be one of {', '.join(known)}, found {value!r}")


def at_least(key: str, value: int | None, least: int) -> None:
    """Raise InputError where the value of `key` is smaller."""
    if value is not None and value < least:
        raise InputError(f"{key} must be {least} or more, found {value}")
