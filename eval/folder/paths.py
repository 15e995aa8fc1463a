"""Which files of a folder of pictures are tables by their names, and the paths that these write, to paths inside it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from i2p.tables import is_table

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl")  # of tables that are looked for where none is named
_TABLES = (*_SUFFIXES, ".parquet", ".json", ".xlsx", ".xls", ".ods")  # those too that are not looked for


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


def is_named_table(path: Path) -> bool:
    """Whether a file can be a table of pictures, by its name."""
    return is_table(path) and path.suffix.lower() != ".txt"


def tables_in(root: Path) -> list[str]:
    """Return the names of what lies in a folder and is a table by its name, whether it can be read or not."""
    return sorted(path.name for path in root.iterdir() if path.name.lower().endswith(_TABLES) and path.name[0] != ".")


def tables_by_suffix(root: Path) -> list[Path]:
    """Return the files in a folder that are looked into where no table is named."""
    paths = (path for path in sorted(root.iterdir()) if path.name.lower().endswith(_SUFFIXES))
    return [path for path in paths if path.is_file() and not path.name.startswith(".")]
