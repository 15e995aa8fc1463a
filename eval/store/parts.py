"""The names of score parts, `scores/SHARD-PART.parquet`; only Python itself is imported, as a run needs them early."""

from __future__ import annotations

import contextlib
from pathlib import Path


def part_path(root: Path, shard: int, part: int) -> Path:
    """Return the path of a part of a shard's scores."""
    return root / "scores" / f"{shard:05d}-{part:06d}.parquet"


def part_names(root: Path, shard: int) -> set[str]:
    """Return the names of the score files of a shard, by all processes."""
    names = set()
    with contextlib.suppress(OSError):  # an unusable path is reported elsewhere
        names.update(path.name for path in (root / "scores").glob(f"{shard:05d}-*"))
    return names


def first_free_part(root: Path, shard: int) -> int:
    """Return the number after that of the last part; trying all from 0 would write a file for each existing part."""
    return max((int(name[6:12]) for name in part_names(root, shard) if name[6:12].isdigit()), default=-1) + 1
