"""Stored features of a run's pictures, from which quality metrics are computed.

`features/<extractor>-<key>/` holds `description.json`, what the features depend on, and parts with a row per picture:
method, row, image, the digest of its pixels, and the extractor's columns. The key is the beginning of the digest of the
description, so features of another network, or of other weights, never mix with these. A row counts only if its digest
is that of the image's score.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eval.base.files import json_digest, strict_json, write_new
from eval.base.image_key import ImageKey
from eval.quality import CLIP, INCEPTION, LPIPS
from eval.quality.extractor import extractor_class
from eval.store.changes import FREE
from eval.store.part_files import PART_OF
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed

log = logging.getLogger(__name__)

EXTRACTORS = (CLIP, INCEPTION, LPIPS)
_PLACE = [("method", pa.string()), ("row", pa.int64()), ("image", pa.int32()), ("digest", pa.string())]
_FOLDER = re.compile(rf"({'|'.join(EXTRACTORS)})-[0-9a-f]{{12}}")


@dataclass(frozen=True)
class Features:
    """The features of one extractor that count, of as many images as have them.

    Attributes:
        description: what they depend on (`eval.quality.extractor.Extractor.describe`).
        table: a row per image: method, row, image, digest, and the extractor's columns.
        others: how many further sets of features of this extractor the run has, with other descriptions.
    """

    description: Mapping[str, Any]
    table: pa.Table
    others: int = 0

    @property
    def columns(self) -> list[str]:
        """The names of the extractor's columns."""
        return self.table.column_names[len(_PLACE) :]

    def aligned(self, scores: pa.Table) -> dict[str, np.ndarray]:
        """Return the features of the images of a table of scores, in its order.

        Args:
            scores: as in `eval.store.scores`, all of the run's or some of them.

        Returns:
            Column → (n,) or (n, D) float32; NaN for an image without features.
        """
        positions = {key: number for number, (key,) in enumerate(keyed(scores))}
        arrays: dict[str, np.ndarray] = {}
        for batch in self.table.to_batches():
            if not batch.num_rows:
                continue
            places = [positions.get(key, -1) for (key,) in keyed(batch)]
            present = np.array(places) >= 0
            for name in self.columns:
                values = _floats(batch[name])
                if name not in arrays:
                    arrays[name] = np.full((scores.num_rows, *values.shape[1:]), np.nan, np.float32)
                arrays[name][np.array(places)[present]] = values[present]
        return arrays


def read_features(run: RunDir, scores: pa.Table) -> dict[str, Features]:
    """Return extractor → its features that belong to these scores; an extractor without any is left out.

    Of several sets of one extractor, which differ in what they depend on, the one with the most images counts, then the
    newest. Damaged parts are skipped with a warning.

    Args:
        run: the directory.
        scores: of the run.
    """
    sets: dict[str, list[tuple[int, int, dict, pa.Table]]] = {}
    for folder, description in _folders(run):
        name = folder.name.rpartition("-")[0]
        if (table := _valid_rows(run, folder, scores)).num_rows:
            newest = max(written for written, _ in run.parts_in(_inside(folder)).paths())
            sets.setdefault(name, []).append((table.num_rows, newest, description, table))
    chosen = {}
    for name, found in sets.items():
        _, _, description, table = max(found, key=lambda entry: entry[:2])
        chosen[name] = Features(description, table, len(found) - 1)
    return chosen


def images_with_features(
    run: RunDir, name: str, description: Mapping[str, Any], scores: pa.Table, *, set_aside: bool = False
) -> set[ImageKey]:
    """Return the images that have features of this description.

    Args:
        run: the directory.
        name: of the extractor.
        description: what the features depend on.
        scores: of the run.
        set_aside: also rename damaged parts, so that their features are made again only once.
    """
    table = _valid_rows(run, run.root / folder_of(name, description), scores, set_aside=set_aside)
    return {key for (key,) in keyed(table)}


def write_features(
    run: RunDir, name: str, description: Mapping[str, Any], shard: int, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write the next part of a shard's features; on return it is on the disk. Nothing is written without rows.

    Args:
        run: the directory, which has its manifest.
        name: of the extractor.
        description: what the features depend on.
        shard: index of the shard.
        rows: of each picture its method, row, image, the digest of its pixels, and the extractor's columns.

    Raises:
        StorageError: the disk refused.
    """
    table = pa.Table.from_pylist(list(rows), schema=_schema(name))
    if not table.num_rows:
        return
    folder = folder_of(name, description)
    path = run.root / folder / "description.json"
    if not path.exists():  # otherwise another process was first
        write_new(path, strict_json(dict(description)).encode())
    run.parts_in(folder).write(shard, table, {PART_OF: run.identity_digest()})


def folder_of(name: str, description: Mapping[str, Any]) -> Path:
    """Return the folder of these features, relative to the run directory.

    What changes at most the rounding of last bits does not count: devices, versions of libraries.
    """
    compared = {key: value for key, value in description.items() if key not in FREE}
    return Path("features") / f"{name}-{json_digest(compared)[:12]}"


def _schema(name: str) -> pa.Schema:
    return pa.schema([*_PLACE, *extractor_class(name).columns().items()])


def _inside(folder: Path) -> Path:
    return Path("features") / folder.name


def _folders(run: RunDir) -> Iterator[tuple[Path, dict]]:
    """Yield each folder of features with its description, if this is readable and the folder's own."""
    for folder in sorted((run.root / "features").glob("*-*")):
        if not _FOLDER.fullmatch(folder.name):
            continue
        description = None
        with contextlib.suppress(OSError, ValueError):
            description = json.loads((folder / "description.json").read_text(encoding="utf-8"))
        name = folder.name.rpartition("-")[0]
        if isinstance(description, dict) and folder_of(name, description).name == folder.name:
            yield folder, description
        else:
            log.warning("%s has no readable description.json of its own: its features are not used.", folder)


def _valid_rows(run: RunDir, folder: Path, scores: pa.Table, *, set_aside: bool = False) -> pa.Table:
    """Return the features in a folder that belong to the scores, one row per image, the one that was written last."""
    schema = _schema(folder.name.rpartition("-")[0])
    digests = {key: digest for key, state, digest in keyed(scores, "state", "digest") if state == OK}
    parts = run.parts_in(_inside(folder)).read(run.is_own, lambda found: found == schema, set_aside=set_aside)
    tables = []
    for table in reversed(list(parts)):
        # Filtered by part, because a list column of all of them together could exceed the range of its offsets.
        chosen = [_taken(digests, key, digest) for key, digest in keyed(table, "digest")]
        tables.append(table.replace_schema_metadata(None).filter(pa.array(chosen, pa.bool_())))
    return pa.concat_tables(reversed(tables)) if tables else pa.Table.from_batches([], schema=schema)


def _taken(digests: dict[ImageKey, str], key: ImageKey, digest: str | None) -> bool:
    """Return whether features are of the judged picture, which are taken once."""
    if digest is None or digests.get(key) != digest:
        return False
    del digests[key]
    return True


def _floats(column: pa.Array) -> np.ndarray:
    """Return a column of numbers as (n,) float32, or one of lists of equal length as (n, D); null is NaN."""
    if not pa.types.is_list(column.type):
        return column.cast(pa.float32()).to_numpy(zero_copy_only=False)
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or lengths[0] is None:
        raise ValueError(f"expected lists of one length, found {lengths}")
    return pc.list_flatten(column).to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32)
