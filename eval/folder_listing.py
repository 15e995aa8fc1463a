"""What lies in a folder of pictures made elsewhere: their names, and a CSV that places them. No picture is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eval.errors import InputError
from eval.folder_layouts import (
    CSV,
    Match,
    Matches,
    is_picture,
    match,
    match_table,
    nothing_found,
    recognise,
    some,
)
from eval.folder_table import has_table_columns, read_table
from eval.settings import AUTO


@dataclass(frozen=True)
class Listing:
    """`sizes` is relative path → bytes, of every picture; `table` what a CSV says, which the user may have `named`."""

    root: Path
    sizes: dict[str, int]
    table: list[Match] | None
    named: bool


def list_folder(path: str, layout: str) -> Listing:
    """List a folder, the images/ of a run directory, or the folder of a CSV.

    Raises:
        InputError: there is none, it can't be read, it links out of itself, or its CSV can't be meant.
    """
    root, named = find_root(path)
    return Listing(root, walk(root, lambda path: is_picture(path.name)), _table(root, named, layout), named is not None)


def place(listing: Listing, layout: str) -> Matches:
    """Return whose the pictures are by this layout, or by the one that is recognised; some may be only `misnamed`.

    Raises:
        InputError: no picture can be placed, or more than one layout fits.
    """
    paths = list(listing.sizes)
    if layout == AUTO and not listing.named:
        return recognise(paths, listing.table, str(listing.root))
    table = listing.table
    matches = match_table(table, paths) if table is not None else match(layout, paths)
    if not (matches.found or matches.misnamed):
        raise nothing_found(paths, str(listing.root))
    return matches


def find_root(path: str) -> tuple[Path, Path | None]:
    """Return the folder with the pictures, and the CSV if it is one that was named.

    Raises:
        InputError: there is nothing, or another file.
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise InputError(f"model.path must be a folder of pictures, found nothing at {given}: correct it")
    given = given.resolve()
    if given.is_file():
        if given.suffix.lower() != ".csv":
            raise InputError(f"model.path must be a folder of pictures or a CSV, found the file {given}: correct it")
        return given.parent, given
    is_run = (given / "manifest.json").is_file() and (given / "images").is_dir()
    return given / "images" if is_run else given, None


def walk(
    root: Path, takes: Callable[[Path], bool], skip: Callable[[Path], bool] = lambda folder: False
) -> dict[str, int]:
    """Return relative path → bytes of every picture in the folder, in order of the paths.

    Links to folders are not followed: what such a link inside the folder leads to is found under its own name.

    Args:
        root: the folder.
        takes: whether a file is a picture.
        skip: whether a folder is passed over.

    Raises:
        InputError: a folder that can't be read, or a link out of the root.
    """
    found, out = {}, []
    for folder, folders, files in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not skip(Path(folder) / name))
        inner = set(folders)  # GenEval's layout has one for each prompt
        for name in [*folders, *files]:
            path = Path(folder) / name
            if name not in inner and not takes(path):
                continue
            # Not resolve(): of a link to itself it raises.
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                out.append(path.relative_to(root).as_posix())
            elif name not in inner:
                found[path.relative_to(root).as_posix()] = path.stat().st_size if path.exists() else 0
    if out:
        raise InputError(
            f"{root} must hold its pictures itself, found {len(out):,} links out of it ({some(sorted(out))}): put the "
            "pictures in their place"
        )
    return dict(sorted(found.items()))


def _raise(error: OSError) -> None:
    raise InputError(f"{error.filename} must be a folder that can be read, found {error.strerror}: give access to it")


def _table(root: Path, named: Path | None, layout: str) -> list[Match] | None:
    if layout not in (AUTO, CSV):
        if named is not None:
            raise InputError(f"model.path names a CSV, {named}, and model.layout is {layout}: leave the layout out")
        return None
    candidates = [named] if named else sorted(p for p in root.glob("*.csv") if p.is_file() and p.name[0] != ".")
    texts = {path: _text(path, root) for path in candidates if named or _places_pictures(path)}
    if len(texts) > 1:
        names = ", ".join(path.name for path in texts)
        raise InputError(
            f"{root} must hold one CSV with the columns image and row, found {names}: give model.path=FILE"
        )
    if not texts and layout == CSV:
        raise InputError(f"{root} must hold a CSV with the columns image and row, found none: give model.path=FILE")
    return next((read_table(text, str(path)) for path, text in texts.items()), None)


def _places_pictures(path: Path) -> bool:
    """Whether a CSV is meant for this, by its first line: others may lie there too, in any encoding."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return has_table_columns(file.readline(10_000))
    except OSError:
        return False


def _text(path: Path, root: Path) -> str:
    if not path.resolve().is_relative_to(root):
        raise InputError(f"{path} must be a file of its folder, found a link out of it: put the file in its place")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a CSV in UTF-8, found {' '.join(str(error).split())}: save it so") from error
