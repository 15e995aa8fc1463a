"""Fingerprints of files, of this program and of the machine, by which a later process knows that nothing has changed.

They are for shortcuts only: whoever finds another fingerprint takes the long way, which decides by contents.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from eval.base.files import json_digest
from eval.base.variables import CUDA_GPUS, HIP_GPUS, ROCR_GPUS

MOST = 2000  # files of a folder: one that holds more is no checkpoint
_SOURCES = Path(__file__).resolve().parents[2]
_PACKAGES = ("conf", "eval", "i2p", "sld")


def of_file(path: Path) -> list[int] | None:
    """Return size, times and number of a file, which a rewritten, replaced or touched one has not; None for none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def of_place(place: Path) -> dict[str, list[int] | None] | None:
    """Return the fingerprints of a file, or of all files below a folder, by path; None where there are too many."""
    found: dict[str, list[int] | None] = {}
    for path in _files(place) if place.is_dir() else [place]:
        if len(found) == MOST:
            return None
        found[str(path)] = of_file(path)
    return found


def of_program() -> str:
    """Return a digest of this program's files, of the versions of all installed packages, and of the machine."""
    devices = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    machine = [platform.node(), platform.platform(), devices, *map(os.environ.get, (CUDA_GPUS, HIP_GPUS, ROCR_GPUS))]
    return json_digest({"sources": _sources(), "packages": _installed(), "python": sys.version, "machine": machine})


def _sources() -> dict[str, list[int] | None]:
    """Return the fingerprints of this program's files, by path."""
    return {str(path): of_file(path) for name in _PACKAGES for path in _files(_SOURCES / name)}


def _installed() -> list[str]:
    """Return the names of the folders of packages' metadata, which hold their versions."""
    names = set()
    for folder in sys.path:
        try:
            names |= {name for name in os.listdir(folder) if name.endswith(".dist-info")}
        except OSError:  # an archive, or no folder
            continue
    return sorted(names)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (Path(parent, name) for name in sorted(names))
