"""The features of a reference's pictures in the run directory, so that a report needs neither these nor a network.

`features/reference-<key>/` holds parts with a row per picture file: its sha256, and its features or the reason why it
has none. So a picture that a changed folder still has keeps its features. `features/_reference-<extractor>.json` says
of which pictures the reference consisted when it was last compared with. The numbers of a file are copied beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from eval.base.files import strict_json, write_atomic
from eval.base.words import counted
from eval.quality import INCEPTION
from eval.quality.extractor import extractor_class
from eval.quality.reference import COLUMNS, FEATURES, Numbers
from eval.store.features import folder_of
from eval.store.part_files import PART_OF
from eval.store.rundir import RunDir

NAMED = 3  # unreadable pictures that a sentence names


@dataclass(frozen=True)
class Reference:
    """A reference as it was when features of it were last made.

    Attributes:
        count: of its pictures; None where stored statistics do not say.
        sha256: a digest of what is compared with.
        words: what it is, for a sentence: "the 5,000 pictures in coco/".
        features: (m, d) float32; None where only statistics are known, or numbers of another network.
        mean: (d,) float64, of the features; None but of statistics.
        covariance: (d, d) float64, likewise.
    """

    count: int | None
    sha256: str
    words: str
    features: np.ndarray | None = None
    mean: np.ndarray | None = None
    covariance: np.ndarray | None = None


def read_reference(run: RunDir, source: str, name: str, description: Mapping[str, Any]) -> Reference | None:
    """Return the reference that a run's features are compared with.

    Args:
        run: the directory.
        source: `quality.reference`.
        name: of the extractor.
        description: of the run's features.

    Returns:
        None where features of it, by this network, have not been made, or are damaged.
    """
    record = _record(run, name)
    if record.get("source") != source:
        return None
    if "file" in record:
        return _of_numbers(run, record, source, name)
    if record.get("features") != folder_of(name, description):
        return None
    rows = {sha256: features for sha256, features, _ in _rows(run, name, description)}
    files = list(record["pictures"].values())
    if not rows.keys() >= set(files):
        return None
    known = [rows[sha256] for sha256 in files if rows[sha256] is not None]
    left_out = sorted(path for path, sha256 in record["pictures"].items() if rows[sha256] is None)
    return Reference(
        len(known),
        hashlib.sha256("".join(sorted(files)).encode()).hexdigest(),
        f"the {counted(len(known), 'picture')} in {source}{_unreadable(left_out)}",
        np.stack(known).astype(np.float32),
    )


def reference_rows(run: RunDir, name: str, description: Mapping[str, Any]) -> dict[str, str]:
    """Return sha256 → why it has no features, empty where it has, of each picture file that was looked at."""
    return {sha256: error for sha256, _, error in _rows(run, name, description, set_aside=True)}


def write_reference_rows(
    run: RunDir, name: str, description: Mapping[str, Any], rows: Iterable[tuple[str, np.ndarray | None, str]]
) -> None:
    """Write the next part of a reference's features.

    Args:
        run: the directory, which has its manifest.
        name: of the extractor.
        description: what the features depend on.
        rows: sha256 of the file, its features, and why it has none.

    Raises:
        StorageError: the disk refused.
    """
    columns = zip(*rows, strict=True)
    table = pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, _schema(name).types, strict=True)], _schema(name)
    )
    run.parts_in(_folder(name, description)).write(0, table, {PART_OF: run.identity_digest()})


def record_pictures(
    run: RunDir, name: str, description: Mapping[str, Any], source: str, pictures: Mapping[str, str]
) -> None:
    """Write down of which pictures the reference consists: path → sha256 of the file."""
    record = {"source": source, "features": folder_of(name, description), "pictures": dict(pictures)}
    write_atomic(run.root / _record_path(name), strict_json(record).encode())


def record_numbers(run: RunDir, name: str, source: str, numbers: Numbers) -> None:
    """Copy the numbers of a file, and write down that they are the reference."""
    content = io.BytesIO()
    np.savez(content, **numbers.arrays)
    data = content.getvalue()
    sha256 = hashlib.sha256(b"".join(array.tobytes() for array in numbers.arrays.values())).hexdigest()
    file = f"_reference-{sha256[:12]}.npz"
    write_atomic(run.root / "features" / file, data)
    record = {"source": source, "file": file, "sha256": sha256}
    write_atomic(run.root / _record_path(name), strict_json(record).encode())


def _of_numbers(run: RunDir, record: Mapping[str, str], source: str, name: str) -> Reference | None:
    if name != INCEPTION:  # whose numbers these are
        return Reference(None, record["sha256"], f"Inception's numbers in {source}")
    try:
        with np.load(run.root / "features" / record["file"], allow_pickle=False) as content:
            arrays = dict(content)
    except (OSError, ValueError, KeyError):
        return None
    if FEATURES in arrays:
        features = arrays[FEATURES]
        words = f"the {counted(len(features), 'picture')} whose features are in {source}"
        return Reference(len(features), record["sha256"], words, features)
    words = f"the statistics in {source}"
    return Reference(None, record["sha256"], words, None, arrays["mu"], arrays["sigma"])


def _unreadable(paths: list[str]) -> str:
    if not paths:
        return ""
    names = ", ".join(paths[:NAMED]) + (" …" if len(paths) > NAMED else "")
    return f" (without {len(paths):,} that can't be read: {names})"


def _record(run: RunDir, name: str) -> dict[str, Any]:
    """Return what was written down of a reference; empty where nothing was, or it can't be read."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads((run.root / _record_path(name)).read_text(encoding="utf-8"))
        if isinstance(record, dict):
            return record
    return {}


def _record_path(name: str) -> Path:
    return Path("features", f"_reference-{name}.json")


def _folder(name: str, description: Mapping[str, Any]) -> Path:
    return Path("features", f"reference-{folder_of(name, description)}")


def _schema(name: str) -> pa.Schema:
    column = COLUMNS[name]
    return pa.schema([("file", pa.string()), (column, extractor_class(name).columns()[column]), ("error", pa.string())])


def _rows(
    run: RunDir, name: str, description: Mapping[str, Any], *, set_aside: bool = False
) -> Iterator[tuple[str, np.ndarray | None, str]]:
    schema = _schema(name)
    parts = run.parts_in(_folder(name, description))
    for _, table in parts.read(run.is_own, lambda found: found == schema, set_aside=set_aside):
        files, features, errors = (table[column].combine_chunks() for column in schema.names)
        lengths = np.diff(features.offsets.to_numpy())
        values = np.split(features.values.to_numpy(zero_copy_only=False), np.cumsum(lengths)[:-1])
        for file, value, error in zip(files.to_pylist(), values, errors.to_pylist(), strict=True):
            yield file, value if len(value) else None, error
