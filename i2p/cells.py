"""Cells of a table as numbers, as far as they are ones: text of a CSV, values of JSON and parquet."""

import math
import re
from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: JSON's null, an empty cell, or the NaN of a column of numbers in pandas."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def whole(value: Any) -> int | None:
    """The whole number from 0 up that a cell holds, also as 7.0; None where it holds none."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,19}(\.0*)?\s*", value):
        return int(float(value)) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
        return None
    return int(value)


def number(value: Any) -> float | None:
    """The number that a cell holds; None where it holds none."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def some(values: list) -> str:
    """The first few cells of a column, for a sentence."""
    return ", ".join(str(value)[:20] for value in values[:3]) + (", …" if len(values) > 3 else "")
