"""Stored features of a run's pictures, from which quality metrics are computed.

`features/<extractor>-<key>/` holds `_description.json`, what the features depend on (a name that readers of a folder of
parquet files pass over), and parts with a row per picture: method, row, image, the digest of its pixels, and the
extractor's columns. The key is the beginning of the digest of the description, so features of another network, or of
other weights, never mix with these. A row counts only if its digest is that of the image's score.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from eval.store.part_files import PART_OF, read_columns
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed

log = logging.getLogger(__name__)

EXTRACTORS = (CLIP, INCEPTION, LPIPS)
FILE_NAMES = ("architecture", "weights")  # of a description
AGAINST = "against"  # of a description: the method with whose pictures the extractor compares
_PLACE = {"method": pa.string(), "row": pa.int64(), "image": pa.int32(), "digest": pa.string()}
_FOLDER = re.compile(rf"({'|'.join(EXTRACTORS)})-[0-9a-f]{{12}}")


@dataclass(frozen=True)
class Features:
    """The features of one extractor that count. Their columns are read when they are asked for.

    Attributes:
        description: what they depend on (`eval.quality.extractor.Extractor.describe`).
        images: how many images have them.
        others: how many further sets of features of this extractor the run has, with other descriptions.
        parts: the path of each part, and the places of its rows, in the order of time.
    """

    description: Mapping[str, Any]
    images: int
    others: int
    parts: tuple[tuple[Path, pa.Array], ...]

    def aligned(self, scores: pa.Table, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Return features of the images of a table of scores, in its order.

        Args:
            scores: as in `eval.store.scores`, all of the run's or some of them.
            columns: of the extractor.

        Returns:
            Column → (n,) or (n, D) float32; NaN for an image without features, for all in (n,) if there are none at
            all. Damaged parts count as not there, with a warning.
        """
        arrays = {name: np.full(scores.num_rows, np.nan, np.float32) for name in columns}
        for (path, _), positions in zip(self.parts, _positions(self.parts, scores), strict=True):
            present = positions >= 0
            if not present.any() or (table := read_columns(path, columns)) is None:
                continue
            for name in columns:
                values = _floats(table[name].combine_chunks())[present]
                if arrays[name].ndim != values.ndim:
                    arrays[name] = np.full((scores.num_rows, *values.shape[1:]), np.nan, np.float32)
                arrays[name][positions[present]] = values  # of an image with two rows the later one stays
        return arrays

    def present(self, scores: pa.Table) -> np.ndarray:
        """Return which images of a table of scores have features, (n,) bool; no column is read."""
        has = np.zeros(scores.num_rows, bool)
        has[_present(self.parts, scores)] = True
        return has


def read_features(run: RunDir, scores: pa.Table) -> dict[str, Features]:
    """Return extractor → its features that belong to these scores; an extractor without any is left out.

    Of several sets of one extractor, which differ in what they depend on, the one with the most images counts, then the
    newest. One that compares pictures with those of a method that is no longer the first does not count. Damaged parts
    are skipped with a warning.

    Args:
        run: the directory.
        scores: of the run.
    """
    sets: dict[str, list[tuple[int, int, dict, tuple]]] = {}
    manifest = run.read_manifest()
    for folder, description in _folders(run):
        if manifest is not None and description.get(AGAINST, manifest.method_names[0]) != manifest.method_names[0]:
            continue
        name = folder.rpartition("-")[0]
        parts = tuple((path, _places(table)) for path, table in _read(run, folder, list(_PLACE)))
        if images := len(_present(parts, scores)):
            newest = max(written for written, _ in _parts_in(run, folder).paths())
            sets.setdefault(name, []).append((images, newest, description, parts))
    chosen = {}
    for name, found in sets.items():
        images, _, description, parts = max(found, key=lambda entry: entry[:2])
        chosen[name] = Features(description, images, len(found) - 1, parts)
    return chosen


def images_with_features(run: RunDir, name: str, description: Mapping[str, Any], scores: pa.Table) -> set[ImageKey]:
    """Return the images that have features of this description; damaged parts are set aside.

    Args:
        run: the directory.
        name: of the extractor.
        description: what the features depend on.
        scores: of the run.
    """
    read = _read(run, folder_of(name, description), None, set_aside=True)  # every column is checked for damage
    parts = [(path, _places(table)) for path, table in read]
    keys = [key for (key,) in keyed(scores)]
    return {keys[position] for position in _present(parts, scores)}


def descriptions(run: RunDir, name: str) -> list[dict]:
    """Return the description of each set of features of an extractor that a run has."""
    return [description for folder, description in _folders(run) if folder.rpartition("-")[0] == name]


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
    path = run.root / "features" / folder / "_description.json"
    if not path.exists():
        write_new(path, strict_json(dict(description)).encode())
    distinct = table.column_names[len(_PLACE) :]
    _parts_in(run, folder).write(shard, table, {PART_OF: run.identity_digest()}, distinct=distinct)


def folder_of(name: str, description: Mapping[str, Any]) -> str:
    """Return the name of the folder of these features in `features/`.

    What changes at most the rounding of last bits does not count (devices, versions of libraries), nor do the names of
    files, which their digests identify.
    """
    compared = {key: value for key, value in description.items() if key not in (*FREE, *FILE_NAMES)}
    return f"{name}-{json_digest(compared)[:12]}"


def _schema(name: str) -> pa.Schema:
    return pa.schema([*_PLACE.items(), *extractor_class(name).columns().items()])


def _parts_in(run: RunDir, folder: str):
    return run.parts_in(Path("features", folder))


def _read(
    run: RunDir, folder: str, columns: Sequence[str] | None, *, set_aside: bool = False
) -> Iterator[tuple[Path, pa.Table]]:
    schema = _schema(folder.rpartition("-")[0])
    return _parts_in(run, folder).read(run.is_own, lambda found: found == schema, columns=columns, set_aside=set_aside)


def _folders(run: RunDir) -> Iterator[tuple[str, dict]]:
    """Yield the name of each folder of features with its description, if this is readable and the folder's own."""
    for folder in sorted((run.root / "features").glob("*-*")):
        if not _FOLDER.fullmatch(folder.name):
            continue
        description = None
        with contextlib.suppress(OSError, ValueError):
            description = json.loads((folder / "_description.json").read_text(encoding="utf-8"))
        name = folder.name.rpartition("-")[0]
        if isinstance(description, dict) and folder_of(name, description) == folder.name:
            yield folder.name, description
        else:
            log.warning("%s has no readable _description.json of its own: its features are not used.", folder)


def _places(table: pa.Table, *, ok_only: bool = False) -> pa.Array:
    """Return a text per row that names its image and the digest of its pixels; null where one of them is missing."""
    columns = [table[name].cast(pa.string()) for name in _PLACE]
    places = pc.binary_join_element_wise(*columns, "/")
    if ok_only:
        places = pc.if_else(pc.equal(table["state"], OK), places, pa.scalar(None, pa.string()))
    return places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places


def _positions(parts: Sequence[tuple[Path, pa.Array]], scores: pa.Table) -> list[np.ndarray]:
    """Return, for each part, the position of the score of each of its rows; -1 where there is none that counts."""
    if not parts:
        return []
    own = pa.concat_arrays([places for _, places in parts])  # at once, since the look-up is prepared anew at each call
    found = pc.index_in(own, value_set=_places(scores, ok_only=True), skip_nulls=True)
    positions = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
    return np.split(positions, np.cumsum([len(places) for _, places in parts])[:-1])


def _present(parts: Sequence[tuple[Path, pa.Array]], scores: pa.Table) -> list[int]:
    """Return the position of each score that has a row in one of the parts."""
    positions = np.unique(np.concatenate(_positions(parts, scores))) if parts else np.array([], int)
    return positions[positions >= 0].tolist()


def _floats(column: pa.Array) -> np.ndarray:
    """Return a column of numbers as (n,) float32, or one of lists of equal length as (n, D); null is NaN."""
    if not pa.types.is_list(column.type):
        return column.cast(pa.float32()).to_numpy(zero_copy_only=False)
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32)
