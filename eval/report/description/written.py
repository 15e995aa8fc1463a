"""What a report, a comparison or a sweep has written and where, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def written_to(folder: Path | str, names: Sequence[str]) -> str:
    """Return which files were written to a folder; those of a folder in it are named by that folder."""
    shown = dict.fromkeys(name if "/" not in name else f"{name.partition('/')[0]}/" for name in names)
    return f"Written to {folder}: {', '.join(shown)}"


def page_to_open(folder: Path, page: str = "report.html") -> str:
    """Return which page shows all of a report or comparison, the last line of a command that makes one."""
    return f"Open {folder / page}"
