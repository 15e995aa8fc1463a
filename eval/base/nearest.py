"""Which name was meant: the closest of those that there are, and what it is called elsewhere."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ALIKE = 0.66  # of difflib's ratio, from which a name counts as a slip of another: q17 and q16 have 0.67


def nearest(word: str, names: Iterable[str], others: Mapping[str, str] | None = None) -> str | None:
    """Return the name that was meant by a word, None if none is close.

    Capitals, blanks, hyphens and underscores make no difference.

    Args:
        word: as typed.
        names: those there are.
        others: other program's word → name.
    """
    plain = {_plain(name): name for name in names}
    word = _plain(word)
    if (name := (others or {}).get(word)) in plain.values():
        return name
    close = difflib.get_close_matches(word, plain, 1, ALIKE)
    return plain[close[0]] if close else None


def advice(word: str, names: Iterable[str], others: Mapping[str, str] | None = None) -> str:
    """Return what a refusal of a word says to do, where its sentence has listed the names."""
    meant = nearest(word, names, others)
    return f"did you mean {meant}?" if meant else "choose one of these"


def similar_path(path: Path) -> Path | None:
    """Return what was meant by a path where nothing is: each name that is not there gives way to the closest.

    Args:
        path: as typed.
    """
    meant = Path(path.anchor)
    for name in path.relative_to(path.anchor).parts:
        if not (meant / name).exists():
            try:
                name = nearest(name, os.listdir(meant)) or ""
            except OSError:  # no folder, or one that can't be read
                name = ""
            if not name:
                return None
        meant /= name
    return meant


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "_", word.strip().lower())
