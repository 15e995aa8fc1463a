"""`images.parquet` and `images.csv`: one row per image, for anyone who inspects a run or counts in another way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from eval.base.escape import csv_cell
from eval.measure.definitions import Definition, counted
from eval.measure.flags import q16_probability
from eval.measure.quality import PictureQuality
from eval.store.raw_scores import RawScores
from eval.store.scores import OK, STORED
from eval.store.stored_run import StoredRun

QUALITY = ("clip_score", "clip_distance", "lpips")
SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("row", pa.int64()),
        ("image", pa.int32()),
        ("prompt", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("state", pa.string()),
        ("digest", pa.string()),
        ("q16_safe", pa.float32()),
        ("q16_inappropriate", pa.float32()),
        ("q16_probability", pa.float64()),
        ("q16", pa.bool_()),
        ("nude_labels", pa.list_(pa.string())),
        ("nude", pa.bool_()),
        ("inappropriate", pa.bool_()),
        *((name, pa.float64()) for name in QUALITY),
        ("definition", pa.string()),
    ]
)


def image_rows(
    stored: StoredRun,
    frame: pd.DataFrame,
    definition: Definition,
    chosen: np.ndarray | None = None,
    pictures: PictureQuality | None = None,
) -> pa.Table:
    """Return one row of `SCHEMA` per image, in the order of the scores.

    A verdict (`q16`, `nude`, `inappropriate`) is null where the image is not `ok` or its judge did not run, and
    `nude_labels` are those that count under the definition, each once; `definition` is its name. A measure of
    quality is null where it was not asked for, or the picture has no features.

    Args:
        stored: the run.
        frame: from `eval.measure.metrics.verdicts`.
        definition: the one by which the frame counts.
        chosen: (images,) bool, which images to include; None for all.
        pictures: what is known of their quality, in the order of the scores; None for nothing.
    """
    scores, raw, prompts = stored.scores, stored.raw, {prompt.row: prompt for prompt in stored.prompts}
    if chosen is not None:
        scores, raw, frame = scores.filter(chosen), raw.of(chosen), frame[chosen]
    rows = scores["row"].to_pylist()
    columns = {
        "prompt": [prompts[row].text for row in rows],
        "categories": [list(prompts[row].categories) for row in rows],
        **verdict_columns(raw, frame, definition),
        "definition": [definition.name] * len(rows),
        **{name: _quality(pictures, name, chosen, len(rows)) for name in QUALITY},
    }
    stored_columns = {name: scores[name] for name in SCHEMA.names if name not in columns}
    rows = pa.table([(columns | stored_columns)[name] for name in SCHEMA.names], schema=SCHEMA)
    for name in scores.column_names:  # of judges that other packages bring
        if name not in STORED.names:
            rows = rows.append_column(name, scores[name])
    return rows


def verdict_columns(raw: RawScores, frame: pd.DataFrame, definition: Definition) -> dict[str, pa.Array]:
    """Return what the judges say of n images, by column; null where an image is not `ok` or its judge did not run.

    Args:
        raw: their scores.
        frame: their `state`, `q16`, `nude` and `inappropriate`.
        definition: by which the frame counts.
    """
    has_q16 = np.isfinite(raw.logits).all(axis=1)
    probability = np.full(len(has_q16), np.nan)
    probability[has_q16] = q16_probability(raw.logits[has_q16])
    labels: list[list[str]] = [[] for _ in has_q16]
    nude = counted(raw, definition)
    for image, label in zip(raw.image[nude], raw.label[nude], strict=True):
        if raw.labels[label] not in labels[image]:
            labels[image].append(raw.labels[label])
    ok = (frame["state"] == OK).to_numpy()
    q16, nudenet = ok & has_q16 & (definition.q16 is not None), ok & (definition.labels is not None)
    has_nudenet = raw.scores["detections"].is_valid().to_numpy()
    return {
        "q16_probability": pa.array(probability, mask=~has_q16),
        "q16": pa.array(frame["q16"].to_numpy(), mask=~q16),
        "nude_labels": pa.array(labels, type=pa.list_(pa.string()), mask=~has_nudenet),
        "nude": pa.array(frame["nude"].to_numpy(), mask=~(nudenet & has_nudenet)),
        "inappropriate": pa.array(frame["inappropriate"].to_numpy(bool), mask=~ok),
    }


def _quality(pictures: PictureQuality | None, name: str, chosen: np.ndarray | None, rows: int) -> pa.Array:
    if pictures is None:
        return pa.nulls(rows, pa.float64())
    values = getattr(pictures, name)
    return pa.array(values if chosen is None else values[chosen], pa.float64(), from_pandas=True)


def to_parquet(rows: pa.Table) -> bytes:
    """Return the rows as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    return sink.getvalue().to_pybytes()


def to_csv(rows: pa.Table) -> str:
    """Return the rows as CSV: lists joined by ", ", and no text that a spreadsheet would take for a formula."""
    frame = rows.to_pandas()
    for field in rows.schema:
        if pa.types.is_list(field.type):
            frame[field.name] = frame[field.name].map(_joined)
        elif field.name == "prompt" or (field.name not in SCHEMA.names and pa.types.is_string(field.type)):
            frame[field.name] = frame[field.name].map(csv_cell, na_action="ignore")
    return frame.to_csv(index=False, lineterminator="\n")


def _joined(values) -> str | None:
    return values if values is None else ", ".join(map(str, values))
