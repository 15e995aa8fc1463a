"""Files in the doctor's words: their size, their digests, and what a run would have to download."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from eval.base import words
from eval.doctor.check import MISSING, WARNING, Check
from i2p.network import is_reachable
from sld.checkpoints import files

DOWNLOADS = "a run downloads it first"
AT_ONCE = 100e6  # bytes of weights that are read for their digests without digests=true
reachable = cache(is_reachable)  # several checks ask for the same server


def not_cached(name: str, what: str, size: str, by_file: str) -> Check:
    """Return a gap where nothing can be fetched, else a warning of the download.

    Args:
        name: of the check.
        what: is not in the cache.
        size: of the download, in words.
        by_file: the override that names a local file instead.
    """
    from huggingface_hub import constants

    finding = f"{what} is not in the hub's cache"
    if constants.HF_HUB_OFFLINE:
        return Check(name, MISSING, f"{finding}, and HF_HUB_OFFLINE is set", f"unset HF_HUB_OFFLINE   or {by_file}")
    if not reachable(constants.ENDPOINT):
        return Check(
            name, MISSING, f"{finding}, and {constants.ENDPOINT} can't be reached", f"connect once, or {by_file}"
        )
    return Check(name, WARNING, f"{finding}; {DOWNLOADS}, about {size}", pending=True)


def described(paths: list[Path], digests: bool) -> str:
    """Return number, size and digests of weight files: full digests if `digests`, else short ones of small files."""
    summary = f"{words.counted(len(paths), 'weight file')}, {total(paths)}"
    if digests:
        clauses = [f"{path.parent.name}/{path.name} sha256 {digest_of(path)}" for path in paths]
    elif are_read(paths, digests):
        clauses = [f"sha256 {', '.join(f'{digest_of(path)[:12]}…' for path in paths)}"]
    else:
        clauses = []
    return "; ".join([summary, *clauses])


def are_read(paths: Iterable[Path], digests: bool) -> bool:
    """Return whether weights are read for their digests: if asked for, or if that takes no time."""
    return digests or _bytes(paths) < AT_ONCE


def digest_of(path: Path) -> str:
    """Return the sha256 of a file, which is read once: two checks may need it, and it may have gigabytes."""
    about = path.stat()
    return _sha256(path, about.st_mtime_ns, about.st_size)


@cache
def _sha256(path: Path, modified: int, size: int) -> str:
    return files.sha256(path)


def total(paths: Iterable[Path]) -> str:
    """Return the size of all files together, in words."""
    return words.size(_bytes(paths))


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
