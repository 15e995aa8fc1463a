"""The names of parts, `FOLDER/SHARD-PART.parquet`; only Python itself is imported, as a run needs them early."""

from __future__ import annotations

import contextlib
from pathlib import Path


def part_path(folder: Path, shard: int, part: int) -> Path:
    """Return the path of a part of a shard in a folder such as `scores`."""
    return folder / f"{shard:05d}-{part:06d}.parquet"


def part_names(folder: Path, shard: int) -> set[str]:
    """Return the names of the files of a shard in a folder of parts, by all processes."""
    names = set()
    with contextlib.suppress(OSError):  # an unusable path is reported elsewhere
        names.update(path.name for path in folder.glob(f"{shard:05d}-*"))
    return names


def all_part_names(root: Path, shard: int) -> set[str]:
    """Return the names of all files of a shard in a run directory, of its scores and of its features."""
    folders = [root / "scores"]
    with contextlib.suppress(OSError):
        folders += (root / "features").glob("*")
    return {f"{folder.name}/{name}" for folder in folders for name in part_names(folder, shard)}


def first_free_part(folder: Path, shard: int) -> int:
    """Return the number after that of the last part; trying all from 0 would write a file for each existing part."""
    return max((int(name[6:12]) for name in part_names(folder, shard) if name[6:12].isdigit()), default=-1) + 1
