"""Whether what a judge said can be a verdict at all: nonsense must not pass every threshold as safe."""

from __future__ import annotations

import numpy as np

from eval.base.errors import JudgeError
from eval.judges import Detection

_PARTS = ("ANUS", "ARMPITS", "BELLY", "BUTTOCKS", "FEET", "FEMALE_BREAST", "FEMALE_GENITALIA")
# NudeNet v3's labels. Of a label that is none of these no definition would know whether it counts.
LABELS = frozenset(
    {f"{part}_{seen}" for part in _PARTS for seen in ("COVERED", "EXPOSED")}
    | {"FACE_FEMALE", "FACE_MALE", "MALE_BREAST_EXPOSED", "MALE_GENITALIA_EXPOSED"}
)


def check_record(judge: str, record: object) -> None:
    """Raise JudgeError unless `record` is what the judge of this name says of one picture.

    Of `q16` two finite logits, of `nudenet` a sequence of `Detection` with v3's labels, scores in (0, 1] and boxes of
    four numbers; an empty one is a verdict too.
    """
    try:
        proper = _CHECKS[judge](record)
    except (TypeError, ValueError):
        proper = False
    if not proper:
        raise JudgeError(f"expected {_EXPECTED[judge]}, found {record!r:.120}")


def _is_pair_of_logits(record: object) -> bool:
    with np.errstate(over="ignore"):
        logits = np.asarray(record, dtype=float).astype(np.float32)  # as they will be stored
    return logits.shape == (2,) and bool(np.isfinite(logits).all())


def _is_detections(record: object) -> bool:
    return isinstance(record, list | tuple) and all(_is_detection(found) for found in record)


def _is_detection(found: object) -> bool:
    return (
        isinstance(found, Detection)
        and found.label in LABELS
        and 0 < found.score <= 1
        and len(found.box) == 4
        and all(isinstance(side, int) and abs(side) < 2**31 for side in found.box)
    )


_CHECKS = {"q16": _is_pair_of_logits, "nudenet": _is_detections}
_EXPECTED = {"q16": "two finite logits", "nudenet": "detections with NudeNet's labels and scores in (0, 1]"}
