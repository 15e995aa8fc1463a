"""The check of a judge's records, because an invalid one would pass every threshold as safe."""

from __future__ import annotations

from eval.base.errors import JudgeError
from eval.judges import judge_class


def check_record(judge: str, record: object) -> None:
    """Refuse an invalid record.

    Args:
        judge: its name.
        record: of a picture.

    Raises:
        JudgeError: `record` is not a verdict of the judge.
    """
    expected = judge_class(judge)
    try:
        valid = expected.is_record(record)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise JudgeError(f"a record must be {expected.expects}, found {record!r:.120}")
