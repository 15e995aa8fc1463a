"""Prompts that a folder of pictures brings along in the place of a test bed: a table's, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eval.base.errors import InputError
from eval.config.settings import AUTO, ModelSettings, PromptSettings
from eval.folder.alone import Own, pictures_alone
from eval.folder.layouts import CSV, LAYOUTS, NO_PROMPTS, is_picture, match, some
from eval.folder.listing import Listing, find_root, place, walk
from eval.folder.table import by_prompts, find_table
from i2p.sources import HUB_ID


def own_prompts(model: ModelSettings, prompts: PromptSettings) -> Own | None:
    """Return what the folder brings along, if it is to bring prompts or none at all; None for those of a test bed.

    Raises:
        InputError, i2p.InputError: as `pictures_alone`; a table that can't be meant, or prompts from two sources.
    """
    if prompts.source == NO_PROMPTS:
        return pictures_alone(model)
    if model.layout not in (AUTO, CSV):
        return None
    root, named = find_root(model.path)
    table = find_table(root, named, model.layout)
    if table is None or table.has_rows:
        return None
    if prompts.source != HUB_ID or prompts.path or prompts.revision:
        if named is None and model.layout == AUTO:
            return None  # other names place the pictures, or none
        chosen = f"prompts.path={prompts.path}" if prompts.path else f"prompts.source={prompts.source}"
        raise InputError(
            f"{table.path} must have a column row that says which of the prompts of {chosen} each picture is of, found "
            f"{', '.join(table.table.columns)}: add it, or leave that out, to take the prompts of this table"
        )
    listed, source = by_prompts(table)
    paths = {one.path for one in listed}
    sizes = walk(root, lambda path: is_picture(path.name) or path.relative_to(root).as_posix() in paths)
    listing = Listing(root, sizes, listed, named is not None)
    matches = place(listing, model.layout)
    if matches.layout != CSV:
        return None
    return Own(listing, source, matches, tuple(_other_names(sizes, table.path.name)), table.path.name)


def _other_names(paths: Iterable[str], table: str) -> Iterator[str]:
    """What names that a layout would place mean beside a table of prompts."""
    for layout in LAYOUTS:
        if found := match(layout, paths).found:
            yield (
                f"{table} says of which prompts the pictures are: the numbers in their names "
                f"({some(one.path for one in found)}) are not taken for rows of I2P or of a list, as "
                f"model.layout={layout} takes them."
            )
