"""What lies in a folder of pictures made elsewhere: their names, and a table that places them. No picture is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eval.base.errors import InputError
from eval.folder.layouts import AUTO, Match, Matches, is_picture, match, match_table, nothing_found, recognise, some
from eval.folder.paths import is_named_table, tables_in
from eval.folder.table import by_rows, find_table


@dataclass(frozen=True)
class Listing:
    """`sizes` is relative path → bytes, of every picture; `table` what a table says, which the user may have `named`.

    `texts` are the prompts that the table gives beside rows, by path; `notes` say what of it is not used.
    """

    root: Path
    sizes: dict[str, int]
    table: list[Match] | None
    named: bool
    texts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def list_folder(path: str, layout: str) -> Listing:
    """List a folder, the images/ of a run directory, or the folder of a table, which here places pictures by rows.

    Raises:
        InputError: there is none, it can't be read, it links out of itself, or its table can't be meant.
    """
    root, named = find_root(path)
    table = find_table(root, named, layout)
    sizes = walk(root, lambda path: is_picture(path.name))
    if table is None or not table.has_rows:
        return Listing(root, sizes, None, False)
    notes = table.unused(("image", "row", "method", "k", "text"))
    return Listing(root, sizes, by_rows(table), named is not None, table.texts(), tuple(notes))


def place(listing: Listing, layout: str) -> Matches:
    """Return whose the pictures are by this layout, or by the one that is recognised; some may be only `misnamed`.

    Raises:
        InputError: no picture can be placed, or more than one layout fits.
    """
    paths = list(listing.sizes)
    passed_over = [] if listing.table is not None else tables_in(listing.root)
    if layout == AUTO and not listing.named:
        return recognise(paths, listing.table, str(listing.root), passed_over)
    table = listing.table
    matches = match_table(table, paths) if table is not None else match(layout, paths)
    if not (matches.found or matches.misnamed):
        raise nothing_found(paths, str(listing.root), table, passed_over)
    return matches


def list_and_place(path: str, layout: str) -> tuple[Listing, Matches]:
    """Return what lies in a folder and whose the pictures are; see `list_folder` and `place` for the errors."""
    listing = list_folder(path, layout)
    return listing, place(listing, layout)


def find_root(path: str) -> tuple[Path, Path | None]:
    """Return the folder with the pictures, and the table if it is one that was named.

    Raises:
        InputError: there is nothing, or another file.
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise InputError(f"model.path must be a folder of pictures, found nothing at {given}: correct it")
    given = given.resolve()
    if given.is_file():
        if not is_named_table(given):
            raise InputError(
                "model.path must be a folder of pictures or a table of them (CSV, TSV, JSON, JSONL, parquet), found "
                f"the file {given}: correct it"
            )
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
