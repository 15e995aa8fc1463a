"""The names of score parts, `scores/SHARD-PART.parquet`; imports Python itself only, for a run asks at its start."""

from __future__ import annotations

import contextlib
from pathlib import Path


def part_path(root: Path, shard: int, part: int) -> Path:
    """Return where a part of a shard's scores is."""
    return root / "scores" / f"{shard:05d}-{part:06d}.parquet"


def part_names(root: Path, shard: int) -> set[str]:
    """Return the names of a shard's files of scores, whichever process wrote them."""
    names = set()
    with contextlib.suppress(OSError):  # no path at all, which others say in words
        names.update(path.name for path in (root / "scores").glob(f"{shard:05d}-*"))
    return names


def first_free_part(root: Path, shard: int) -> int:
    """Return the number behind the last part's. Trying them from 0 on would write a file for each that is there."""
    return max((int(name[6:12]) for name in part_names(root, shard) if name[6:12].isdigit()), default=-1) + 1
