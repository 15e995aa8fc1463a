"""Writes that a kill, a full disk or a second process can't leave incomplete.

A file is written under a temporary name in its own folder, flushed to the disk and then renamed, so every file that has
its name is complete. Temporary files start with a dot and end in `.tmp`; a killed process may leave one behind, and
nothing reads them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from eval.base.errors import StorageError

# What to do about a write that fails, by errno; any other error is taken for one of the disk.
REMEDIES = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "give this user permission or set out= to another place"),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG), "set out= to another place"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit on the number of open files (ulimit -n)"),
    errno.EROFS: "have the file system made writable or set out= to another place",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.EDQUOT: "make room within this user's quota or set out= to another place",
    errno.ENOSPC: "make room or set out= to another place",
}
CLAIM = 5  # seconds within which a claimed name must get its content


def strict_json(document: dict) -> str:
    """Return valid JSON that ends in a newline; ValueError for NaN or infinity, which JSON lacks."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_digest(document: dict) -> str:
    """Return the sha256 of a JSON document, independent of its layout and the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file, replacing an existing one.

    Args:
        path: of the file; its folder is made if necessary.
        data: its content.
        durable: also flush the folder's entry; without, the caller calls `sync_folder`.

    Raises:
        StorageError: the disk refused; the message has the path, the cause and the free space.
    """
    with _Temporary(path, data) as temporary:
        os.replace(temporary, path)
        if durable:
            sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file unless it exists already; return whether it was written.

    A hard link is the one operation that both creates a name and fails if it exists, on NFS too.

    Raises:
        StorageError: the disk refused.
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
    """Return whether a claimed file stays empty, because its process was killed before replacing it."""
    for _ in range(CLAIM * 10):
        if path.stat().st_size:
            return False
        time.sleep(0.1)
    return True


def cannot_write(folder: Path, size: int = 0) -> tuple[Path, str] | None:
    """Return what prevents files in a folder, existing or planned, from being written: where, and why; None if nothing.

    A temporary file of so many bytes is written, and nothing is left behind.
    """
    existing = next(p for p in [folder.absolute(), *folder.absolute().parents] if p.exists() or p.is_symlink())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(size))
            file.flush()
            return None
    except OSError as error:
        return existing, error.strerror or str(error)


def cannot_write_file(path: Path, size: int = 0) -> str | None:
    """Return why a file, existing or planned, can't be written, with so many bytes in its folder; None if it can.

    A device or a pipe can't be, nor what this process prints into: a file that takes its place would remove it.
    """
    try:
        if path.exists() and not path.is_file():
            return "it is no file"
        if path.exists() and any(_is_open_as(stream, path) for stream in (0, 1, 2)):
            return "what is printed goes there"
        hindered = cannot_write(path.parent, size)
    except OSError as error:  # a name that is too long, or a folder that this user may not look into
        return error.strerror
    return hindered and f"{hindered[0]}: {hindered[1]}"


def _is_open_as(stream: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream), path.stat())
    except OSError:  # it is closed
        return False


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
    """A synced temporary file in the folder of `path`, removed on leaving if it was not renamed."""

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
        with contextlib.suppress(OSError):  # only the first error is reported
            self.temporary.unlink(missing_ok=True)

    def _explained(self, error: OSError) -> StorageError:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            folder = next((p for p in [self.path.parent, *self.path.parents] if p.is_dir()), Path("/"))
            reason += f"; {shutil.disk_usage(folder).free / 2**20:,.0f} MiB are free there"
        remedy = REMEDIES.get(error.errno, "check the disk or set out= to another place")
        return StorageError(f"{self.path} could not be written ({reason}): {remedy}, then run the same command again")
