"""Cells of a table as numbers: texts from a CSV, or as they are typed, values from JSON and parquet."""

import math
import re
from typing import Any


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty: JSON's null, an empty text, or the NaN in pandas' columns of numbers."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def whole_number(value: Any) -> int | None:
    """Return the whole number from 0 up in a cell, also if written as 7.0; None if there is none."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,19}(\.0*)?\s*", value):
        return int(float(value)) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
        return None
    return int(value)


def number(value: Any) -> float | None:
    """Return the finite number in a cell; None if there is none."""
    try:
        # float() also reads "1_0" and True.
        result = math.nan if isinstance(value, bool) or "_" in str(value) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def group_name(value: Any) -> int | str | None:
    """Return the name of a group in a cell, equal for 2, "2" and 2.0; None where the row is in no group.

    A row is in none if the cell is empty or -1, as clustering libraries label what belongs to no cluster.

    Raises:
        ValueError: the cell holds neither a number nor a text that can be written as UTF-8.
    """
    if is_missing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    text = str(value).strip()
    text.encode()  # JSON can spell half of a surrogate pair, which no file of a run can hold
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    whole = re.fullmatch(r"([+-]?(?:0|[1-9][0-9]{0,399}))(?:\.0*)?", text)  # 007 is a text
    name = int(whole[1]) if whole else text
    return None if name == -1 else name


def first_cells(values: list) -> str:
    """Return the first few cells of a column as a sentence lists them."""
    return ", ".join(str(value)[:20] for value in values[:3]) + (", …" if len(values) > 3 else "")
