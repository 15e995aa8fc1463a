"""Prompts that a folder of pictures brings along in the place of a test bed: a table's, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eval.base.errors import InputError
from eval.folder.alone import Own, pictures_alone
from eval.folder.layouts import AUTO, CSV, LAYOUTS, is_picture, match, some
from eval.folder.listing import Listing, find_root, place, walk
from eval.folder.table import by_prompts, find_table


def own_prompts(path: str, layout: str, method: str | None, *, alone: bool, chosen: str | None) -> Own | None:
    """Return what the folder brings along, if it is to bring prompts or none at all; None for those of a test bed.

    Args:
        path: of the folder, or of a table in it.
        layout: a name of `eval.folder.layouts`, or auto.
        method: what all pictures are of; None for what their places say.
        alone: whether each picture is a prompt of its own.
        chosen: KEY=VALUE of other prompts than I2P's that were asked for; None where nothing was.

    Raises:
        InputError, i2p.InputError: as `pictures_alone`; a table that can't be meant, or prompts from two sources.
    """
    if alone:
        return pictures_alone(path, layout, method)
    if layout not in (AUTO, CSV):
        return None
    root, named = find_root(path)
    table = find_table(root, named, layout)
    if table is None or table.has_rows:
        return None
    if chosen is not None:
        if named is None and layout == AUTO:
            return None  # other names place the pictures, or none
        raise InputError(
            f"{table.path} must have a column row that says which of the prompts of {chosen} each picture is of, found "
            f"{', '.join(table.table.columns)}: add it, or leave that out, to take the prompts of this table"
        )
    listed, source = by_prompts(table)
    paths = {one.path for one in listed}
    sizes = walk(root, lambda path: is_picture(path.name) or path.relative_to(root).as_posix() in paths)
    listing = Listing(root, sizes, listed, named is not None)
    matches = place(listing, layout)
    if matches.layout != CSV:
        return None
    return Own(listing, source, matches, tuple(_other_names(sizes, table.path.name)), table.path.name)


def _other_names(paths: Iterable[str], table: str) -> Iterator[str]:
    """What names that a layout would place mean beside a table of prompts."""
    for layout in LAYOUTS:
        if found := match(layout, paths).found:
            yield (
                f"{table} assigns prompts to the pictures: the numbers in their names "
                f"({some(one.path for one in found)}) are not read as rows of I2P or of a list, as "
                f"model.layout={layout} would read them."
            )
