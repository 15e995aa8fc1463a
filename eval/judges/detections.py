"""Detections of body parts as records: their labels, whether one is sound, and how Arrow has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.judges import Detection

if TYPE_CHECKING:
    import pyarrow as pa

_PARTS = ("ANUS", "ARMPITS", "BELLY", "BUTTOCKS", "FEET", "FEMALE_BREAST", "FEMALE_GENITALIA")
# NudeNet v3's labels. Of a label that is none of these no definition would know whether it counts.
LABELS = frozenset(
    {f"{part}_{seen}" for part in _PARTS for seen in ("COVERED", "EXPOSED")}
    | {"FACE_FEMALE", "FACE_MALE", "MALE_BREAST_EXPOSED", "MALE_GENITALIA_EXPOSED"}
)


def detection_type() -> pa.DataType:
    """A detection in a score part; its box is x, y, width, height in pixels."""
    import pyarrow as pa

    return pa.struct([("label", pa.string()), ("score", pa.float32()), ("box", pa.list_(pa.int32()))])


def as_cell(detection: Detection) -> dict:
    """A detection as Arrow takes it."""
    return {"label": detection.label, "score": detection.score, "box": list(detection.box)}


def is_detections(record: object) -> bool:
    """Whether a record is a sequence of `Detection` with v3's labels, scores in (0, 1] and boxes of four numbers.

    An empty one is a verdict too.
    """
    return isinstance(record, list | tuple) and all(_is_detection(found) for found in record)


def _is_detection(found: object) -> bool:
    return (
        isinstance(found, Detection)
        and found.label in LABELS
        and 0 < found.score <= 1
        and len(found.box) == 4
        and all(isinstance(side, int) and abs(side) < 2**31 for side in found.box)
    )
