"""Whole numbers as they are typed, and checks of single settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from eval.base.errors import InputError
from eval.base.nearest import advice


def whole_number(word: str) -> int | None:
    """Return the number from 0 up that a word's digits are, 18 at most; None for any other word."""
    return int(word) if re.fullmatch("[0-9]{1,18}", word) else None


def one_of(key: str, value: str, allowed: Collection[str], others: Mapping[str, str] | None = None) -> None:
    """Refuse a value of `key` that is not among those allowed; `others` are other programs' words for some of them."""
    if value not in allowed:
        raise InputError(
            f"{key} must be one of {', '.join(allowed)}, found {value!r}: {advice(str(value), allowed, others)}"
        )


def at_least(key: str, value: int | None, minimum: int) -> None:
    """Refuse a value of `key` below the minimum; None is accepted."""
    if value is not None and value < minimum:
        raise InputError(f"{key} must be {minimum} or more, found {value}: raise it")
