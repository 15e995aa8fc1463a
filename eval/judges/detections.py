"""Detections of body parts: their labels, checks and Arrow type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.judges import Detection

if TYPE_CHECKING:
    import pyarrow as pa

_PARTS = ("ANUS", "ARMPITS", "BELLY", "BUTTOCKS", "FEET", "FEMALE_BREAST", "FEMALE_GENITALIA")
# NudeNet v3's labels. No definition would know whether another label counts.
LABELS = frozenset(
    {f"{part}_{state}" for part in _PARTS for state in ("COVERED", "EXPOSED")}
    | {"FACE_FEMALE", "FACE_MALE", "MALE_BREAST_EXPOSED", "MALE_GENITALIA_EXPOSED"}
)


def detection_type() -> pa.DataType:
    """Return the Arrow type of a detection in a score part; its box is x, y, width, height in pixels."""
    import pyarrow as pa

    return pa.struct([("label", pa.string()), ("score", pa.float32()), ("box", pa.list_(pa.int32()))])


def as_cell(detection: Detection) -> dict:
    """Return a detection as a value of `detection_type`."""
    return {"label": detection.label, "score": detection.score, "box": list(detection.box)}


def is_detections(record: object) -> bool:
    """Return whether a record is a valid sequence of `Detection`; an empty one is valid too.

    The labels must be NudeNet v3's, the scores in (0, 1] and the boxes four numbers.
    """
    return isinstance(record, list | tuple) and all(map(_is_detection, record))


def _is_detection(element: object) -> bool:
    return (
        isinstance(element, Detection)
        and element.label in LABELS
        and 0 < element.score <= 1
        and len(element.box) == 4
        and all(isinstance(number, int) and abs(number) < 2**31 for number in element.box)
    )
