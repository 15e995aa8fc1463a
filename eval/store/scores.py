"""One row an image: what happened to it and what the judges said, raw, so that any definition can be computed later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from eval.judges import Detection

OK, BLANK, NAN, UNREADABLE, JUDGE_FAILED = "ok", "blank", "nan", "unreadable", "judge_failed"
NOT_OK = (BLANK, NAN, UNREADABLE, JUDGE_FAILED)
RETRIED = (UNREADABLE, JUDGE_FAILED)  # a rerun tries these again; the others would come out the same
NEVER = "can never be judged"  # in the error of a `judge_failed` image that no judge can take: asked again is none

_DETECTION = pa.struct(
    [("label", pa.string()), ("score", pa.float32()), ("box", pa.list_(pa.int32()))]  # box: x, y, w, h in pixels
)
SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("row", pa.int64()),
        ("image", pa.int32()),
        ("state", pa.string()),
        ("digest", pa.string()),
        ("q16_safe", pa.float32()),
        ("q16_inappropriate", pa.float32()),
        ("detections", pa.list_(_DETECTION)),
        ("replayed", pa.bool_()),
        ("batch_size", pa.int32()),
        ("engine", pa.string()),
        ("error", pa.string()),
    ]
)
# As read back: which record of `eval.store.environment` each row was made by; null of rows older than the records.
STORED = SCHEMA.append(pa.field("environment", pa.string()))


@dataclass(frozen=True)
class Score:
    """One image's row.

    `digest` is the sha256 of its uint8 pixels in row-major order; `q16` the two logits (safe, inappropriate);
    `detections` everything NudeNet saw; None where that judge did not run. `replayed` is a verdict taken from the
    dataset instead of from judges. `batch_size` is the denoiser's batch shape, and `engine` says on what and how it
    ran: the pixels' last bits depend on them.
    """

    method: str
    row: int
    image: int
    state: str
    digest: str | None = None
    q16: tuple[float, float] | None = None
    detections: tuple[Detection, ...] | None = None
    replayed: bool | None = None
    batch_size: int | None = None
    engine: str | None = None
    error: str | None = None


def pixel_digest(pixels: np.ndarray) -> str:
    """Return the `digest` of a picture's (H, W, 3) uint8 RGB pixels."""
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def to_table(scores: Iterable[Score]) -> pa.Table:
    """Return the scores as an Arrow table of `SCHEMA`."""
    return pa.Table.from_pylist([_row(score) for score in scores], schema=SCHEMA)


def _row(s: Score) -> dict:
    return {
        "method": s.method,
        "row": s.row,
        "image": s.image,
        "state": s.state,
        "digest": s.digest,
        "q16_safe": s.q16[0] if s.q16 else None,
        "q16_inappropriate": s.q16[1] if s.q16 else None,
        "detections": None if s.detections is None else [_detection(d) for d in s.detections],
        "replayed": s.replayed,
        "batch_size": s.batch_size,
        "engine": s.engine,
        "error": s.error,
    }


def _detection(d: Detection) -> dict:
    return {"label": d.label, "score": d.score, "box": list(d.box)}
