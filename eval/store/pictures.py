"""Where a run's pictures are: its own, or those made elsewhere that it judged in their place.

`pictures.parquet` in the run directory has a row for each picture of the latter: method, row, image, path, bytes. Every
run over the folder writes it anew, so pictures may be added; what was judged must be there as it was. A path that is no
UTF-8 stands as a slash and the hexadecimal digits of its bytes.
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
from eval.store.rundir import RunDir
from eval.store.scores import keyed

_SCHEMA = pa.schema(
    [("method", pa.string()), ("row", pa.int64()), ("image", pa.int32()), ("path", pa.string()), ("bytes", pa.int64())]
)


def picture_path(run: RunDir, manifest: Manifest, method: str, row: int, image: int) -> Path | None:
    """Return where the picture of a run is that was judged as this image; None where it is not kept or has gone.

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
    """Return the folder of the pictures, (relative path, bytes) of each, and what was said of the folder.

    Nothing (None and empty ones) where the file is missing or damaged: the run's own command writes it anew.
    """
    path = _path(run)
    try:
        about = path.stat()
        return _read(path, about.st_mtime_ns, about.st_size)
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None, {}, []


def named_images(run: RunDir, manifest: Manifest) -> frozenset[ImageKey] | None:
    """Return the images of a run whose table says which there are; None where every prompt has as many."""
    if not manifest.made_elsewhere or not manifest.identity.model.brings_prompts:
        return None
    pictures = read_pictures(run)[1]
    try:
        about = json.loads(pq.read_schema(_path(run)).metadata[b"folder"])
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    return None if about["absent"] is None else frozenset({*pictures, *map(ImageKey._make, about["absent"])})


@lru_cache(maxsize=2)  # a gallery asks for thousands of pictures, one at a time
def _read(path: Path, modified: int, size: int) -> tuple[Path, dict[ImageKey, tuple[str, int]], list[str]]:
    table = pq.read_table(path, page_checksum_verification=True)
    about = json.loads(table.schema.metadata[b"folder"])
    pictures = {key: (_read_path(inner), count) for key, inner, count in keyed(table, "path", "bytes")}
    return Path(about["root"]), pictures, about["notes"]


def write_pictures(run: RunDir, folder: Folder) -> None:
    """Write the pictures of the folder, in place of those of a former run over it."""
    rows = [
        {"method": p.method, "row": p.row, "image": p.image, "path": _as_stored(p.path), "bytes": p.size}
        for p in folder.pictures
    ]
    present = {picture.key for picture in folder.pictures}
    absent = None if folder.planned is None else sorted(folder.planned - present)
    about = json.dumps({"root": str(folder.root), "notes": folder.notes, "absent": absent}).encode()
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata({b"folder": about}))
    pq.write_table(table, sink, write_page_checksum=True)
    write_atomic(_path(run), sink.getvalue().to_pybytes())


def check_unchanged(run: RunDir, folder: Folder, done: Collection[ImageKey]) -> None:
    """Refuse to go on where pictures that were judged have gone or changed their size since.

    Raises:
        InputError: some have; the sentence names the first.
    """
    _, before, _ = read_pictures(run)
    now = {picture.key: picture.size for picture in folder.pictures}
    changed = [path for key, (path, size) in sorted(before.items()) if key in done and now.get(key) != size]
    if changed:
        raise changed_since(run, folder, changed)


def changed_since(run: RunDir, folder: Folder, paths: Collection[str]) -> InputError:
    """The error for pictures that are not those that were judged."""
    return InputError(
        f"{folder.root} must hold the pictures that were judged, found {len(paths):,} gone or changed since "
        f"({examples(paths)}): put them back, or set out= to a new folder instead of {run.root}"
    )


def _as_stored(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"/{os.fsencode(path).hex()}"  # a path in the folder begins with no slash
    return path


def _read_path(stored: str) -> str:
    return os.fsdecode(bytes.fromhex(stored[1:])) if stored.startswith("/") else stored


def _path(run: RunDir) -> Path:
    return run.root / "pictures.parquet"
