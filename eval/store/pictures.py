"""The paths of a run's pictures: its own, or those made elsewhere that it judged.

For pictures made elsewhere, `pictures.parquet` in the run directory has a row per picture: method, row, image, path,
bytes. Each run over the folder rewrites it, so pictures may be added; those already judged must be unchanged. A path
that is not UTF-8 is stored as a slash and the hexadecimal digits of its bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eval.base.errors import InputError
from eval.base.files import write_atomic
from eval.base.image_key import ImageKey
from eval.folder.layouts import examples
from eval.folder.open import Folder
from eval.store.manifest import Manifest
from eval.store.part_files import DAMAGED, opened
from eval.store.rundir import RunDir
from eval.store.scores import keyed

_SCHEMA = pa.schema(
    [("method", pa.string()), ("row", pa.int64()), ("image", pa.int32()), ("path", pa.string()), ("bytes", pa.int64())]
)


def picture_path(run: RunDir, manifest: Manifest, method: str, row: int, image: int) -> Path | None:
    """Return the path of the picture that was judged as this image; None if it is not kept or no longer exists.

    Args:
        run: the directory.
        manifest: of the run.
        method: name of the method.
        row: of the prompt.
        image: number of the image.
    """
    if not manifest.made_elsewhere:
        path = run.image_path(method, row, image)
        return path if path.is_file() else None
    root, pictures, _ = read_pictures(run)
    inner = pictures.get((method, row, image), (None, 0))[0]
    path = None if root is None or inner is None else root / inner
    inside = path is not None and path.is_file() and path.resolve().is_relative_to(root.resolve())
    return path if inside else None


def read_pictures(run: RunDir) -> tuple[Path | None, dict[ImageKey, tuple[str, int]], list[str]]:
    """Return the folder of pictures made elsewhere, (relative path, bytes) of each, and notes on the folder.

    If the file is missing or damaged, None and empty ones: the run's own command restores it.
    """
    path = _path(run)
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except (*DAMAGED, ValueError, KeyError):
        return None, {}, []


def named_images(run: RunDir, manifest: Manifest) -> frozenset[ImageKey] | None:
    """Return the images that the table of a folder names; None for a run in which every prompt has as many."""
    if not manifest.made_elsewhere or not manifest.identity.model.brings_prompts:
        return None
    pictures = read_pictures(run)[1]
    try:
        with opened(_path(run)) as content:
            document = json.loads(content.schema_arrow.metadata[b"folder"])
    except (*DAMAGED, ValueError, KeyError):
        return None
    return None if document["absent"] is None else frozenset({*pictures, *map(ImageKey._make, document["absent"])})


@lru_cache(maxsize=2)  # a gallery looks up thousands of pictures, one at a time
def _read(path: Path, modified: int, size: int) -> tuple[Path, dict[ImageKey, tuple[str, int]], list[str]]:
    with opened(path) as content:
        table = content.read()
    document = json.loads(table.schema.metadata[b"folder"])
    pictures = {key: (_read_path(inner), count) for key, inner, count in keyed(table, "path", "bytes")}
    return Path(document["root"]), pictures, document["notes"]


def write_pictures(run: RunDir, folder: Folder) -> None:
    """Write the list of the pictures of a folder, replacing that of an earlier process."""
    write_atomic(_path(run), _as_parquet(folder))


def holds_list(run: RunDir, folder: Folder) -> bool:
    """Return whether the list of the pictures of a folder is what `write_pictures` would write."""
    try:
        return _path(run).read_bytes() == _as_parquet(folder)
    except OSError:
        return False


def _as_parquet(folder: Folder) -> bytes:
    rows = [
        {"method": p.method, "row": p.row, "image": p.image, "path": _as_stored(p.path), "bytes": p.size}
        for p in folder.pictures
    ]
    present = {picture.key for picture in folder.pictures}
    absent = None if folder.planned is None else sorted(folder.planned - present)
    document = json.dumps({"root": str(folder.root), "notes": folder.notes, "absent": absent}).encode()
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata({b"folder": document}))
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def check_unchanged(run: RunDir, folder: Folder, done: Collection[ImageKey]) -> None:
    """Refuse a folder in which pictures that were judged are missing or have another size.

    Args:
        run: the directory.
        folder: as it is now.
        done: the images that were judged.

    Raises:
        InputError: some are; the message names the first.
    """
    _, stored, _ = read_pictures(run)
    sizes = {picture.key: picture.size for picture in folder.pictures}
    changed = [path for key, (path, size) in sorted(stored.items()) if key in done and sizes.get(key) != size]
    if changed:
        raise changed_since(run, folder, changed)


def changed_since(run: RunDir, folder: Folder, paths: Collection[str]) -> InputError:
    """Return the error for pictures that are no longer those that were judged."""
    return InputError(
        f"{folder.root} must hold the pictures that were judged, found {len(paths):,} gone or changed since "
        f"({examples(paths)}): put them back, or set out= to a new folder instead of {run.root}"
    )


def _as_stored(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"/{os.fsencode(path).hex()}"  # paths within the folder never begin with a slash
    return path


def _read_path(stored: str) -> str:
    return os.fsdecode(bytes.fromhex(stored[1:])) if stored.startswith("/") else stored


def _path(run: RunDir) -> Path:
    return run.root / "pictures.parquet"
