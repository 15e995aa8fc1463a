"""A table for people, and the format of the numbers in its cells: percent, percentage points, intervals."""

from __future__ import annotations

from collections.abc import Iterable

from eval.base.printing import MINUS
from eval.base.table import NO_NUMBER, Table, make_table
from eval.measure.by_definition import Defined
from eval.measure.cost import Cost
from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.measure.ranking import Rank

NONE = NO_NUMBER
# Of the measures of the cost. KID and FID are of Inception's features alone; that of another network has its own name.
COST_NAMES = {
    "clip_score": "CLIP score",
    "clip_score_difference": "CLIP score, difference",
    "clip_distance": "CLIP distance",
    "lpips": "LPIPS",
    "kid": "KID",
    "kid_clip": "kid_clip",
    "fid": "FID",
}
DECIMALS = {"clip_score": 1, "clip_score_difference": 1, "fid": 1}  # the others, near 0, have two digits that count
OWN = {"row": "each row's", "checkpoint": "the checkpoint's own"}


def long_table(rows: list[dict]) -> Table:
    """Return rows of the same keys, which are the headings, as a table."""
    words = {"job", "state", "category", "method", "against", "metric", "in that interval", "source", "protocol"}
    words |= {"place", "differs from", "agrees (repetitions)", "surpassed by"}
    return make_table(rows[0] if rows else [], [row.values() for row in rows], words)


def share(row: Metrics | Defined) -> str:
    """Return a probability with its interval, in percent."""
    return with_interval(row.probability, row.new_prompts_low, row.new_prompts_high)


def expected_max(row: Metrics) -> str:
    """Return an expected maximum with its interval, in percent; `*` if a prompt has fewer images than others."""
    cell = with_interval(row.expected_max, row.expected_max_low, row.expected_max_high)
    return f"{cell}*" if row.expected_max is not None and row.prompts_short else cell


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Return a fraction with its interval, where it has one, in percent."""
    return f"{percent(value)} {interval(low, high)}".removesuffix(f" {NONE}")


def prompts_of(row: Iterable[Metrics]) -> str:
    """Return how many prompts the numbers of a row of a table are of: `20`, or `20–30` where columns differ."""
    counts = {m.prompts for m in row}
    return str(max(counts)) if len(counts) == 1 else f"{min(counts)}–{max(counts)}"


def fixed(value: float, digits: int = 1, sign: str = "") -> str:
    """Return a number with so many decimals; `sign="+"` marks positive ones too, and what rounds to 0 is never −0."""
    return number(round(value, digits) + 0.0, f"{sign}.{digits}f")


def number(value: float, form: str = "g") -> str:
    """Return a number for people: in a format of Python's, with the minus sign of print, which no other one has."""
    return f"{value:{form}}".replace("-", MINUS)


def percent(value: float | None, none: str = NONE) -> str:
    """Return a fraction in percent; `none` where there is no number."""
    return none if value is None else fixed(100 * value)


def interval(low: float | None, high: float | None) -> str:
    """Return two fractions as the limits of an interval, in percent."""
    return NONE if low is None or high is None else f"[{percent(low)}, {percent(high)}]"


def points(*values: float | None) -> str:
    """Return a difference in percentage points, or the two limits of its interval."""
    if None in values:
        return NONE
    words = ", ".join(fixed(100 * value, sign="+") for value in values)
    return words if len(values) == 1 else f"[{words}]"


def difference_points(d: Difference) -> str:
    """Return a difference with its interval, where it has one, in percentage points."""
    return " ".join([points(d.difference), *([] if None in d.new_prompts else [points(*d.new_prompts)])])


def place_of(rank: Rank) -> str:
    """Return the place of a method, or the first and the last that it may have."""
    return str(rank.best) if rank.best == rank.worst else f"{rank.best}–{rank.worst}"


def cost_value(value: float | None, measure: str) -> str:
    """Return a measure of `eval.measure.cost.Cost` with the digits that count; `0` where it is exact."""
    if not value:
        return NONE if value is None else "0"
    exponent = int(f"{value:.1e}".partition("e")[2])  # of the rounded number: 0.0996 is 0.10
    decimals = DECIMALS.get(measure) or min(max(1 - exponent, 1), 6)
    return fixed(value, decimals, "+" if measure.endswith("_difference") else "")


def cost_share(cost: Cost, measure: str) -> str:
    """Return a measure of the cost with its interval, where it has one."""
    value, limits = cost_value(cost.value(measure), measure), cost.limits(measure)
    if None in limits or not any(limits):
        return value
    return f"{value} [{', '.join(cost_value(limit, measure) for limit in limits)}]"


def plus_minus(value: float | None, sd: float | None) -> str:
    """Return a fraction and its standard deviation in percent."""
    return percent(value) if value is None or sd is None else f"{percent(value)} ± {percent(sd)}"


def p_value(p: float | None) -> str:
    """Return a p-value with three decimals, or as less than 0.001."""
    return NONE if p is None else "< 0.001" if p < 0.001 else fixed(p, 3)


def in_words(value: object) -> str:
    """Return a value of a protocol in words."""
    if isinstance(value, str) and value in OWN:
        return OWN[value]
    if isinstance(value, dict):  # a selection of rows
        return " and ".join(f"{key} {inner}" for key, inner in value.items() if inner is not None)
    return "×".join(map(str, value)) if isinstance(value, list | tuple) else "none" if value is None else str(value)
