"""Files as the doctor speaks of them: their size, their digests, and what a run would have to download."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from eval.base import words
from eval.doctor.check import MISSING, WARNING, Check
from i2p.network import is_reachable
from sld.checkpoints import files

DOWNLOADS = "a run downloads it first"
AT_ONCE = 100e6  # bytes of weights that are read for their digests unasked
reachable = cache(is_reachable)  # several parts lack one server


def not_cached(name: str, what: str, size: str, by_file: str) -> Check:
    """A gap where nothing can be fetched, and else a download to come."""
    from huggingface_hub import constants

    said = f"{what} is not in the hub's cache"
    if constants.HF_HUB_OFFLINE:
        return Check(name, MISSING, f"{said}, and HF_HUB_OFFLINE is set", f"unset HF_HUB_OFFLINE   or {by_file}")
    if not reachable(constants.ENDPOINT):
        return Check(name, MISSING, f"{said}, and {constants.ENDPOINT} can't be reached", f"connect once, or {by_file}")
    return Check(name, WARNING, f"{said}; {DOWNLOADS}, about {size}", pending=True)


def described(paths: list[Path], digests: bool) -> str:
    """Files, size and digests of weights: in full if asked for, else their beginning where that takes no time."""
    said = f"{len(paths)} weight {'files' if len(paths) > 1 else 'file'}, {total(paths)}"
    if digests:
        each = [f"{path.parent.name}/{path.name} sha256 {digest_of(path)}" for path in paths]
    elif are_read(paths, digests):
        each = [f"sha256 {', '.join(f'{digest_of(path)[:12]}…' for path in paths)}"]
    else:
        each = []
    return "; ".join([said, *each])


def are_read(paths: Iterable[Path], digests: bool) -> bool:
    """Whether weights are read for their digests: where it is asked, or takes no time."""
    return digests or _bytes(paths) < AT_ONCE


def digest_of(path: Path) -> str:
    """The sha256 of a file, which is read once: two lines may need it, and it may have gigabytes."""
    about = path.stat()
    return _sha256(path, about.st_mtime_ns, about.st_size)


@cache
def _sha256(path: Path, modified: int, size: int) -> str:
    return files.sha256(path)


def total(paths: Iterable[Path]) -> str:
    """The size of all files together, in words."""
    return words.size(_bytes(paths))


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
