"""Scores: a row per image with its state and the raw records of the judges, from which any definition is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eval.base.image_key import ImageKey
from eval.judges import JUDGES, columns_of, is_column_of, judge_class

OK, BLANK, NAN, UNREADABLE, JUDGE_FAILED = "ok", "blank", "nan", "unreadable", "judge_failed"
NOT_OK = (BLANK, NAN, UNREADABLE, JUDGE_FAILED)
RETRIED = (UNREADABLE, JUDGE_FAILED)  # a rerun tries these again; the others would not change
NEVER = (
    "can never be judged"  # in the error of a `judge_failed` image that no judge can take, so that none is tried again
)

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
# As read back: the key of the environment (`eval.store.environment`) of each row; null in older runs.
STORED = SCHEMA.append(pa.field("environment", pa.string()))


@dataclass(frozen=True)
class Score:
    """The row of one image.

    Attributes:
        method: its name.
        row: of the prompt.
        image: its number, from 0.
        state: `ok`, or one of `NOT_OK`.
        digest: sha256 of its uint8 pixels in row-major order.
        records: name → the record of each judge that gave one.
        replayed: the verdict of the dataset, in place of judges.
        batch_size: of the denoiser; the last bits of the pixels depend on it.
        engine: the device and how the model ran on it; the last bits of the pixels depend on it.
        error: why it is not `ok`, in words.
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
        """Its image."""
        return ImageKey(self.method, self.row, self.image)


def keyed(table: pa.Table, *columns: str) -> Iterator[tuple]:
    """Yield the `ImageKey` of each row of a table, followed by its values in these columns."""
    keys = map(ImageKey, *(table[name].to_pylist() for name in ImageKey._fields))
    return zip(keys, *(table[name].to_pylist() for name in columns), strict=True)


def keys_done(table: pa.Table) -> set[ImageKey]:
    """Return the images in a table of scores that a rerun need not make again."""
    return {key for key, state in keyed(table, "state") if state not in RETRIED}


def pixel_digest(pixels: np.ndarray) -> str:
    """Return the `digest` of (H, W, 3) uint8 RGB pixels."""
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def to_table(scores: Iterable[Score], plugged: Sequence[str] = ()) -> pa.Table:
    """Return the scores as an Arrow table of `SCHEMA`, followed by the columns of the judges named in `plugged`."""
    schema = SCHEMA
    for column in (column for name in plugged for column in judge_class(name).columns().items()):
        schema = schema.append(pa.field(*column))
    return pa.Table.from_pylist([_row(score) for score in scores], schema=schema)


def is_of_part(schema: pa.Schema, plugged: Sequence[str]) -> bool:
    """Return whether a score part of a run with these judges of other packages can have this schema."""
    own, plugged_columns = pa.schema(list(schema)[: len(SCHEMA)]), schema.names[len(SCHEMA) :]
    return own == SCHEMA and all(any(is_column_of(name, judge) for judge in plugged) for name in plugged_columns)


def has_judged(judge: str, table: pa.Table) -> bool:
    """Return whether each `ok` image of a part has a judge's record: no checksum covers what a part says of judges."""
    columns = [table[name] for name in columns_of(judge, table.column_names)]
    ok = pc.equal(table["state"], OK)
    return not any(pc.any(pc.and_(ok, pc.is_null(column))).as_py() for column in columns if column.null_count)


def _row(s: Score) -> dict:
    row = {name: getattr(s, name) for name in OWN}
    for name, record in s.records.items():
        row |= judge_class(name).cells(record)
    return row
