"""The generations of a run's manifest: a run that grows gets another one, and none is ever lost.

`manifests/<n>.json` is the manifest after the nth growth, 0 that of the beginning. It is written only if nobody else
has written this number, then takes the place of `manifest.json`. So of two processes that grow a run at once the second
notices the first, and a process that is killed leaves the old run or the grown one.
"""

from __future__ import annotations

from pathlib import Path

from eval.base.errors import InputError
from eval.base.files import strict_json, write_atomic, write_new
from eval.base.words import counted
from eval.store.manifest import Manifest, read_manifest

FOLDER = "manifests"


def latest_manifest(root: Path) -> Manifest | None:
    """Return the manifest of a run directory, None where there is none yet.

    Raises:
        InputError: it can't be read, or a generation's file is another generation's.
    """
    manifest = read_manifest(root / "manifest.json")
    # `manifest.json` is behind if its writer was killed, or has just been overtaken.
    while manifest is not None and _is_written(path := _path(root, number := len(manifest.history) + 1)):
        manifest = read_manifest(path)
        if manifest is not None and len(manifest.history) != number:  # it would lead to itself, or back, for ever
            raise InputError(
                f"{path} must be the manifest after {counted(number, 'growth')}, found the one after "
                f"{len(manifest.history)}: restore it, or set out= to a new folder"
            )
    return manifest


def replace_manifest(root: Path, grown: Manifest) -> bool:
    """Replace the manifest of the generation before; return False where another process was first.

    Raises:
        StorageError: the disk refused.
    """
    number, data = len(grown.history), strict_json(grown.document()).encode()
    if number == 1:
        write_new(_path(root, 0), (root / "manifest.json").read_bytes())
    if not write_new(_path(root, number), data):
        return False
    write_atomic(root / "manifest.json", data)
    settle(root)
    return True


def settle(root: Path) -> None:
    """Put the manifest of the last generation into its place, where a process was killed before it did so."""
    latest = latest_manifest(root)
    if latest is not None and not is_settled(root):
        write_atomic(root / "manifest.json", _path(root, len(latest.history)).read_bytes())


def is_settled(root: Path) -> bool:
    """Return whether `manifest.json` is the manifest of the last generation."""
    manifest = read_manifest(root / "manifest.json")
    return manifest is None or not _is_written(_path(root, len(manifest.history) + 1))


def _path(root: Path, number: int) -> Path:
    return root / FOLDER / f"{number}.json"


def _is_written(path: Path) -> bool:
    """Return whether a file has its content; without hard links it is empty for a moment (`write_new`)."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
