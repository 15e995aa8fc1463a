"""Writes that a kill, a full disk or a second process can't leave half done.

A file is written under a temporary name in its own folder, flushed to the disk and then given its name, so a name
always stands for a whole file. Temporary files start with a dot and end in `.tmp`; a killed process may leave one
behind, and nothing reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
from pathlib import Path

from eval.base.errors import StorageError

CLAIM = 5  # seconds in which a claimed name gets its content


def strict_json(document: dict) -> str:
    """Return JSON that every reader takes, ending in a newline; ValueError for NaN or infinity, which JSON lacks."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_digest(document: dict) -> str:
    """Return the sha256 of a JSON document, whatever its layout and the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path`, replacing what is there. `durable=False` leaves the folder's entry for `sync_folder`.

    Raises:
        StorageError: one sentence with the path, the cause and the free space.
    """
    with _Temporary(path, data) as temporary:
        os.replace(temporary, path)
        if durable:
            sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> bool:
    """Write `data` to `path` unless something is there already; return whether it was written.

    A hard link is the one step that both creates a name and fails if it exists, on NFS too.
    """
    with _Temporary(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: an empty file claims the name, and is replaced
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except FileExistsError:
                if not _is_abandoned(path):
                    return False
            os.replace(temporary, path)
        sync_folder(path.parent)
    return True


def _is_abandoned(path: Path) -> bool:
    """Whether a claim stays empty: the process that made it was killed before it could replace it."""
    for _ in range(CLAIM * 10):
        if path.stat().st_size:
            return False
        time.sleep(0.1)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut. Systems that can't open a folder need no such step."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with contextlib.suppress(OSError):  # some network file systems refuse; the files themselves are synced
        os.fsync(descriptor)
    os.close(descriptor)


class _Temporary:
    """A synced temporary file beside `path`, removed on the way out if it still has its own name."""

    def __init__(self, path: Path, data: bytes):
        self.path, self.data = path, data
        self.temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.temporary, "wb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._remove()
            raise self._explained(error) from error
        return self.temporary

    def __exit__(self, kind, error, traceback) -> None:
        self._remove()
        if isinstance(error, OSError):
            raise self._explained(error) from error

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # the first error is the one to report
            self.temporary.unlink(missing_ok=True)

    def _explained(self, error: OSError) -> StorageError:
        folder = next((p for p in [self.path.parent, *self.path.parents] if p.is_dir()), Path("/"))
        free = shutil.disk_usage(folder).free / 2**20
        return StorageError(
            f"{self.path} could not be written ({error.strerror or error}; {free:,.0f} MiB are free there): "
            "make room or set out= to another place, then run the same command again"
        )
