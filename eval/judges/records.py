"""Whether what a judge said can be a verdict at all: nonsense must not pass every threshold as safe."""

from __future__ import annotations

from eval.base.errors import JudgeError
from eval.judges import judge_class


def check_record(judge: str, record: object) -> None:
    """Raise JudgeError unless `record` is what the judge of this name says of one picture."""
    known = judge_class(judge)
    try:
        proper = known.is_record(record)
    except (TypeError, ValueError):
        proper = False
    if not proper:
        raise JudgeError(f"expected {known.expects}, found {record!r:.120}")
