"""Table files, possibly packed or in UTF-16: CSV, TSV, JSON, JSONL, parquet, text.

Cells are exact: a text "NA", "null" or "None" is not taken for a missing value. `i2p.columns` interprets the columns.
"""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

from i2p.columns import is_known
from i2p.encoding import read_text
from i2p.json_tables import read_json, read_lines
from i2p.prompt import InputError
from i2p.records import Record, Table, lines_of
from i2p.words import counted

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_table(path: str | Path) -> Table:
    """Return the table in a file, read by its suffix: one of `SUFFIXES`, for text formats possibly followed by .gz.

    Text is UTF-8, or UTF-16 with a byte order mark. A .csv may be separated by commas, semicolons or tabs, as its
    header shows. Nothing is repaired or dropped.

    Raises:
        InputError: the file cannot be read; names the line.
    """
    try:
        path = Path(path).expanduser()
    except RuntimeError as error:
        user, *_ = Path(path).parts
        raise InputError(
            f"{path} must begin with the home folder of a user of this machine, found no user {user}: write ./{path} "
            "for a folder of that name"
        ) from error
    try:
        return _read(path)
    except PermissionError as error:
        raise InputError(
            f"{path} must be a file that this user can read, found that it can't be ({error.strerror}): give the user "
            "permission"
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} must be a file that can be read, found that it can't be ({error.strerror or error}): restore it, "
            "or give another path"
        ) from error


def _read(path: Path) -> Table:
    if path.is_dir():
        raise InputError(
            f"{path} must be a file of prompts, found a folder: give path=FILE, one inside it", "path=FILE"
        )
    if not path.exists():
        raise InputError(f"{path} must be a file of prompts, found nothing there: correct path=FILE", "path=FILE")
    read = _READERS.get(_suffix(path))
    if read is None:
        suffix = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        remedy = "rename it to .jsonl" if path.suffix.lower() == ".ndjson" else "convert (or unpack) it"
        raise InputError(
            f"{path} must end in {', '.join(SUFFIXES)} (or in .gz after a text format), found {suffix}: {remedy}"
        )
    return read(path)


def is_table(path: str | Path) -> bool:
    """Return whether a file is named like a table that can be read."""
    return _suffix(Path(path)) in _READERS


def _suffix(path: Path) -> str:
    """Return the suffix that determines the format, that of the unpacked file for .gz; empty if there is none."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes[-1:] != [".gz"]:
        return suffixes[-1] if suffixes else ""
    return suffixes[0] if len(suffixes) == 2 and suffixes[0] != ".parquet" else ""


def _read_csv(path: Path) -> Table:
    text = read_text(path)
    if named := re.match(r"sep=([,;\t])\r?\n", text):  # written by spreadsheets in front of the header
        return _cells(path, text, named[1], skipped=1)
    return _cells(path, text, _separator(path, text))


def _read_tsv(path: Path) -> Table:
    return _cells(path, read_text(path), "\t")


def _header(text: str, separator: str) -> list[str]:
    try:
        return next((cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if cells), [])
    except csv.Error:
        return []


def _separator(path: Path, text: str) -> str:
    """Return the separator of the header: the one that gives the most known names."""
    headers = {separator: _header(text, separator) for separator in SEPARATORS}
    known = {separator: sum(map(is_known, header)) for separator, header in headers.items()}
    best = [separator for separator in SEPARATORS if known[separator] == max(known.values())]
    best = [separator for separator in best if len(headers[separator]) > 1] or [","]
    if "," in best and not any(known.values()):
        return ","  # the default of a .csv
    mixed = best[0] != "," and any(set(SEPARATORS) & set(name) for name in headers[best[0]])
    if len(best) > 1 or mixed:
        first = text.strip().splitlines()[0]
        raise InputError(
            f"{path} must have a header separated by commas, semicolons or tabs, found several of them in "
            f"{first!r:.120}: put names that contain one in double quotes, or save the file with commas"
        )
    return best[0]


def _cells(path: Path, text: str, separator: str, skipped: int = 0) -> Table:
    # Not pandas, which pads short rows, takes a first column for an index if rows are long, and reads NA as missing.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    records, columns, line = [], None, 1
    try:
        for cells in reader:
            if not cells or reader.line_num <= skipped:
                pass
            elif columns is None:
                columns = _names(cells)
            elif len(cells) != len(columns):
                raise InputError(
                    f"{path}, row {len(records)} (line {line}) must have {counted(len(columns), 'cell')} like the "
                    f"header, found {len(cells)}: put texts that contain a {_separator_name(separator)}, quote or line "
                    "end in double quotes"
                )
            else:
                records.append(Record(dict(zip(columns, cells, strict=True)), line))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, row {len(records)} (line {line}) must have {_separator_name(separator)}-separated cells, found "
            f"{error}: double the quotes inside a quoted text, and close it"
        ) from error
    return Table(records, columns or [])


def _names(header: list[str]) -> list[str]:
    """Return column names, unnamed ones as in pandas: an index that was saved twice starts with ",Unnamed: 0"."""
    names = []
    for number, name in enumerate(header):
        if not name.strip():
            name = f"Unnamed: {number}"
            while name in header:
                name += ".1"
        names.append(name)
    return names


def _separator_name(separator: str) -> str:
    return SEPARATORS[separator].removesuffix("s")


def _read_text(path: Path) -> Table:
    lines = lines_of(read_text(path))
    for separator, suffix in ((",", ".csv"), (";", ".csv"), ("\t", ".tsv")):
        header = _header(lines[0][1] if lines else "", separator)
        if len(header) > 1 and all(map(is_known, header)):
            raise InputError(
                f"{path} must have one prompt per line, found the header of a table in the first, {lines[0][1]!r:.80}: "
                f"call the file {re.sub(r'[.]txt', suffix, path.name, flags=re.IGNORECASE)}"
            )
    return Table([Record({"prompt": line}, number) for number, line in lines], ["prompt"])


def _read_parquet(path: Path) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except PermissionError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path} must be a parquet file, found {' '.join(str(error).split())}: write or download it again"
        ) from error
    names, columns = _names(table.column_names), []
    for name, column in zip(names, table.columns, strict=True):
        try:
            columns.append(column.to_pylist())
        # Not UTF-8, or a date or time zone that Python lacks: for the last, pytz raises a KeyError if it is there.
        except (ValueError, OverflowError, KeyError, pyarrow.ArrowException) as error:
            raise InputError(
                f"{path}, column {name!r} must have values that Python has too, found {str(error).rstrip('.')}: "
                "correct them, or drop the column"
            ) from error
    return Table([Record(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)], names)


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": read_lines,
    ".json": read_json,
    ".parquet": _read_parquet,
    ".txt": _read_text,
}
SUFFIXES = tuple(_READERS)
