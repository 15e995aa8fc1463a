"""Paths as tables write them, with a backslash or a blank too many, to paths inside a folder of pictures."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath


def path_inside(cell: object, root: Path) -> str | None:
    """Return a path relative to `root`, with slashes; None for what is no path, is absolute or leads out of it.

    Blanks around it are none of it, and backslashes are slashes, unless a file is called so.
    """
    if not isinstance(cell, str) or not cell or _leads_out(cell):
        return None
    other = cell.strip().replace("\\", "/")
    as_typed = other == cell or _leads_out(other) or (root / cell).is_file()
    return PurePosixPath(cell if as_typed else other).as_posix()


def _leads_out(path: str) -> bool:
    inner = PurePosixPath(path)
    return inner.is_absolute() or bool(PureWindowsPath(path).anchor) or ".." in inner.parts
