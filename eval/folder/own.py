"""The prompts of a folder of pictures, from a table in it or none, instead of those of a test bed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eval.base.errors import InputError
from eval.folder.layouts import AUTO, CSV, LAYOUTS, examples, is_picture, match_layout
from eval.folder.listing import Listing, find_root, place, walk
from eval.folder.table import find_table
from eval.folder.table_matches import by_prompts
from eval.folder.without_prompts import OwnPrompts, pictures_without_prompts


def own_prompts(
    path: str, layout: str, method: str | None, *, without_prompts: bool, chosen: str | None
) -> OwnPrompts | None:
    """Return the pictures of a folder with its own prompts; None where the prompts are those of a test bed.

    Args:
        path: of the folder, or of a table in it.
        layout: a name of `eval.folder.layouts`, or auto.
        method: of all pictures; None for those that their paths name.
        without_prompts: whether each picture is a prompt of its own.
        chosen: KEY=VALUE that chooses other prompts than I2P's; None without such a choice.

    Raises:
        InputError, i2p.InputError: as `pictures_without_prompts`; an invalid table, or prompts from two sources.
    """
    if without_prompts:
        return pictures_without_prompts(path, layout, method)
    if layout not in (AUTO, CSV):
        return None
    root, table_path = find_root(path)
    table = find_table(root, table_path, layout)
    if table is None or table.has_rows:
        return None
    if chosen is not None:
        if table_path is None and layout == AUTO:
            return None  # the paths of the pictures may place them
        raise InputError(
            f"{table.path} must have a column row that says which of the prompts of {chosen} each picture is of, found "
            f"{', '.join(table.table.columns)}: add it, or leave {chosen} out to take the prompts of this table"
        )
    listed, source = by_prompts(table)
    paths = {match.path for match in listed}
    sizes = walk(root, lambda path: is_picture(path.name) or path.relative_to(root).as_posix() in paths)
    listing = Listing(root, sizes, listed, table_path is not None)
    matches = place(listing, layout)
    if matches.layout != CSV:
        return None
    return OwnPrompts(listing, source, matches, tuple(_numbers_in_names(sizes, table.path.name)), table.path.name)


def _numbers_in_names(paths: Iterable[str], table: str) -> Iterator[str]:
    """Yield a sentence per layout that the paths fit too, though the table places the pictures."""
    for layout in LAYOUTS:
        if placed := match_layout(layout, paths).placed:
            yield (
                f"{table} assigns prompts to the pictures: the numbers in their names "
                f"({examples(match.path for match in placed)}) are not read as rows of I2P or of a list, as "
                f"model.layout={layout} would read them."
            )
