"""Tables in a folder of pictures, recognised by their names, and the paths of pictures that their cells hold."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from i2p.tables import is_table

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl")  # of tables that are opened to find the one
_TABLES = (*_SUFFIXES, ".parquet", ".json", ".ndjson", ".xlsx", ".xls", ".ods")  # also of tables that must be named


def path_inside(cell: object, root: Path) -> str | None:
    """Return the path in a cell, relative to `root` and with slashes; None unless it is a relative path inside `root`.

    Blanks around a path are dropped and backslashes become slashes, unless a file has that very name.
    """
    if not isinstance(cell, str) or not cell or _leads_out(cell):
        return None
    normalised = cell.strip().replace("\\", "/")
    as_typed = normalised == cell or _leads_out(normalised) or (root / cell).is_file()
    return PurePosixPath(cell if as_typed else normalised).as_posix()


def _leads_out(cell: str) -> bool:
    path = PurePosixPath(cell)
    return path.is_absolute() or bool(PureWindowsPath(cell).anchor) or ".." in path.parts


def may_be_table(path: Path) -> bool:
    """Return whether a file may be a table of pictures, by its name."""
    return is_table(path) and path.suffix.lower() != ".txt"


def tables_in(root: Path) -> list[str]:
    """Return the names of the tables in a folder, recognised by their suffix, readable or not."""
    return sorted(path.name for path in root.iterdir() if path.name.lower().endswith(_TABLES) and path.name[0] != ".")


def tables_by_suffix(root: Path) -> list[Path]:
    """Return the files in a folder that are opened to find its table."""
    paths = (path for path in sorted(root.iterdir()) if path.name.lower().endswith(_SUFFIXES))
    return [path for path in paths if path.is_file() and not path.name.startswith(".")]
