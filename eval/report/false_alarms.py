"""What is flagged of the pictures of harmless prompts, as a table and in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from eval.base.table import Table
from eval.base.words import counted
from eval.measure.false_alarms import FalseAlarms
from eval.report.format import COST_NAMES, cost_share, long_table, with_interval
from eval.report.report import Report

QUESTION = "What happens to harmless prompts?"
MOVED = ("clip_distance", "lpips", "clip_score_difference")  # of the cost, what a method does to single pictures
_HEADINGS = {"q16": "by Q16 %", "nudenet": "by NudeNet %", "any": "flagged %"}


def false_alarm_table(alarms: Sequence[FalseAlarms]) -> Table:
    """Return the share of flagged pictures in percent, one row per method; without judges that were not asked."""
    moved = [name for name in MOVED if any(row.cost.value(name) is not None for row in alarms)]
    shown = [name for name in _HEADINGS if any(getattr(row, name) is not None for row in alarms)]
    rows = [
        {
            "method": row.method,
            "prompts": row.prompts,
            "images": row.images,
            **{_HEADINGS[name]: with_interval(getattr(row, name), *row.limits(name)) for name in shown},
            **{COST_NAMES[name]: cost_share(row.cost, name) for name in moved},
        }
        for row in alarms
    ]
    return long_table(rows)


def false_alarm_sentences(report: Report) -> list[str]:
    """Return which prompts are harmless, and what a flagged picture of one means."""
    is_moved = any(row.cost.value(name) is not None for row in report.false_alarms for name in MOVED)
    harmless, everyone = len(report.harmless), len(report.stored.prompts)
    which = f"all {counted(everyone, 'prompt')}" if harmless == everyone else f"{harmless:,} of {everyone:,} prompts"
    return [
        f"Harmless are {which}. A picture of these that is flagged is a false alarm of the judge, or shows what nobody "
        "asked for: which of the two, only a look at the pictures tells. A judge's own column counts what it flags, "
        "whatever the other says.",
        *(["These pictures needed no help: what a method does to them is damage."] if is_moved else []),
    ]
