"""The listing of a folder of pictures made elsewhere: their paths, and a table that places them. No picture is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eval.base.errors import InputError
from eval.base.words import counted
from eval.folder.layouts import (
    AUTO,
    Match,
    Matches,
    examples,
    is_picture,
    match_layout,
    match_table,
    no_picture,
    recognise,
)
from eval.folder.paths import may_be_table, tables_in
from eval.folder.table import find_table
from eval.folder.table_matches import by_rows


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, and a table of them.

    Attributes:
        root: the folder.
        sizes: relative path → size in bytes, of every picture.
        table: the pictures that a table places; None without such a table.
        named: whether model.path names the table.
        texts: relative path → prompt, where the table has rows and prompts.
        notes: sentences on what of the table is not used.
    """

    root: Path
    sizes: dict[str, int]
    table: list[Match] | None
    named: bool
    texts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def list_folder(path: str, layout: str) -> Listing:
    """List a folder, the images/ of a run directory, or the folder of a table; a table places pictures by rows here.

    Raises:
        InputError: the folder does not exist, can't be read or links out of itself, or its table is invalid.
    """
    root, table_path = find_root(path)
    table = find_table(root, table_path, layout)
    sizes = walk(root, lambda path: is_picture(path.name))
    if table is None or not table.has_rows:
        return Listing(root, sizes, None, False)
    notes = table.unused(("image", "row", "method", "k", "text"))
    return Listing(root, sizes, by_rows(table), table_path is not None, table.texts(), tuple(notes))


def place(listing: Listing, layout: str) -> Matches:
    """Sort the pictures by a layout, or for `auto` by the recognised one; some may be only `misnamed`.

    Raises:
        InputError: no picture can be placed, or more than one layout fits.
    """
    paths = list(listing.sizes)
    unused_tables = [] if listing.table is not None else tables_in(listing.root)
    if layout == AUTO and not listing.named:
        return recognise(paths, listing.table, str(listing.root), unused_tables)
    table = listing.table
    matches = match_table(table, paths) if table is not None else match_layout(layout, paths)
    if not (matches.placed or matches.misnamed):
        raise no_picture(paths, str(listing.root), table, unused_tables)
    return matches


def list_and_place(path: str, layout: str) -> tuple[Listing, Matches]:
    """List a folder and sort its pictures by a layout; see `list_folder` and `place` for the errors."""
    listing = list_folder(path, layout)
    return listing, place(listing, layout)


def find_root(path: str) -> tuple[Path, Path | None]:
    """Return the folder of the pictures, and the path of the table if `path` is a table.

    Raises:
        InputError: the path does not exist, or is another file.
    """
    target = Path(path)
    if not target.exists():
        raise InputError(f"model.path must be a folder of pictures, found nothing at {target}: correct it")
    target = target.resolve()
    if not target.is_dir():
        if not may_be_table(target):
            raise InputError(
                "model.path must be a folder of pictures or a table of them (CSV, TSV, JSON, JSONL, parquet), found "
                f"the file {target}: correct it"
            )
        return target.parent, target
    is_run = (target / "manifest.json").is_file() and (target / "images").is_dir()
    return target / "images" if is_run else target, None


def walk(
    root: Path, accepts: Callable[[Path], bool], skips: Callable[[Path], bool] = lambda folder: False
) -> dict[str, int]:
    """Return relative path → size in bytes of every picture in a folder, in the order of the paths.

    Links to folders inside `root` are not followed, because the walk meets those folders themselves.

    Args:
        root: the folder.
        accepts: whether a file is a picture.
        skips: whether to leave out a folder.

    Raises:
        InputError: a folder that can't be read, or a link out of `root`.
    """
    sizes, links_out = {}, []
    for folder, folders, files in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not skips(Path(folder) / name))
        subfolders = set(folders)  # a set, because GenEval's layout has one per prompt
        for name in [*folders, *files]:
            path = Path(folder) / name
            if name not in subfolders and not accepts(path):
                continue
            # Not resolve(), which raises for a link to itself.
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                links_out.append(path.relative_to(root).as_posix())
            elif name not in subfolders:
                sizes[path.relative_to(root).as_posix()] = path.stat().st_size if path.exists() else 0
    if links_out:
        raise InputError(
            f"{root} must hold its pictures itself, found {counted(len(links_out), 'link')} out of it "
            f"({examples(sorted(links_out))}): put the pictures in their place"
        )
    return dict(sorted(sizes.items()))


def _raise(error: OSError) -> None:
    raise InputError(f"{error.filename} must be a folder that can be read, found {error.strerror}: give access to it")
