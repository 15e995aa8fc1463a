"""One row an image: what happened to it and what the judges said, raw, so that any definition can be computed later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from eval.base.image_key import ImageKey
from eval.judges import JUDGES, is_column_of, judge_class

OK, BLANK, NAN, UNREADABLE, JUDGE_FAILED = "ok", "blank", "nan", "unreadable", "judge_failed"
NOT_OK = (BLANK, NAN, UNREADABLE, JUDGE_FAILED)
RETRIED = (UNREADABLE, JUDGE_FAILED)  # a rerun tries these again; the others would come out the same
NEVER = "can never be judged"  # in the error of a `judge_failed` image that no judge can take: asked again is none

SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("row", pa.int64()),
        ("image", pa.int32()),
        ("state", pa.string()),
        ("digest", pa.string()),
        *(column for name in JUDGES for column in judge_class(name).columns().items()),
        ("replayed", pa.bool_()),
        ("batch_size", pa.int32()),
        ("engine", pa.string()),
        ("error", pa.string()),
    ]
)
OWN = ("method", "row", "image", "state", "digest", "replayed", "batch_size", "engine", "error")  # of every score
# As read back: which record of `eval.store.environment` each row was made by; null of rows older than the records.
STORED = SCHEMA.append(pa.field("environment", pa.string()))


@dataclass(frozen=True)
class Score:
    """One image's row.

    `digest` is the sha256 of its uint8 pixels in row-major order; `records` what each judge said of it, by
    the judge's name, of those that did. `replayed` is a verdict taken from the
    dataset instead of from judges. `batch_size` is the denoiser's batch shape, and `engine` says on what and how it
    ran: the pixels' last bits depend on them.
    """

    method: str
    row: int
    image: int
    state: str
    digest: str | None = None
    records: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool | None = None
    batch_size: int | None = None
    engine: str | None = None
    error: str | None = None

    @property
    def key(self) -> ImageKey:
        """Which image it is of."""
        return ImageKey(self.method, self.row, self.image)


def keyed(table: pa.Table, *columns: str) -> Iterator[tuple]:
    """Yield of each row of a table its `ImageKey` and the values of these columns."""
    keys = map(ImageKey, *(table[name].to_pylist() for name in ImageKey._fields))
    return zip(keys, *(table[name].to_pylist() for name in columns), strict=True)


def keys_done(table: pa.Table) -> set[ImageKey]:
    """Return the images of a table of scores that a rerun need not make again."""
    return {key for key, state in keyed(table, "state") if state not in RETRIED}


def pixel_digest(pixels: np.ndarray) -> str:
    """Return the `digest` of a picture's (H, W, 3) uint8 RGB pixels."""
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def to_table(scores: Iterable[Score], plugged: Sequence[str] = ()) -> pa.Table:
    """Return the scores as an Arrow table of `SCHEMA`, with the columns of judges that other packages bring behind."""
    schema = SCHEMA
    for column in (column for name in plugged for column in judge_class(name).columns().items()):
        schema = schema.append(pa.field(*column))
    return pa.Table.from_pylist([_row(score) for score in scores], schema=schema)


def is_of_part(schema: pa.Schema, plugged: Sequence[str]) -> bool:
    """Whether a score part of a run with these plugged judges can have this schema."""
    own, others = pa.schema(list(schema)[: len(SCHEMA)]), schema.names[len(SCHEMA) :]
    return own == SCHEMA and all(any(is_column_of(name, judge) for judge in plugged) for name in others)


def _row(s: Score) -> dict:
    row = {name: getattr(s, name) for name in OWN}
    for name, record in s.records.items():
        row |= judge_class(name).cells(record)
    return row
