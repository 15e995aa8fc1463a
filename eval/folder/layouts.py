"""The layouts of folders of pictures: from the path of a picture to its method, row and image.

Pure functions of paths, which read no disk. No path fits two layouts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import i2p
import sld
from eval.base.errors import InputError
from eval.base.escape import name_in_line
from eval.base.quoting import override
from eval.base.words import counted, first_of

EXTENSIONS = ("png", "jpg", "jpeg", "webp")
CSV = "csv"
METHOD = sld.METHOD_NAME  # because it names a folder
METHOD_IS = "up to 100 letters, digits and any of _ . + = -, and begin with a letter, digit or _"
AUTO = "auto"  # recognise the layout by the paths
NO_PROMPTS = "none"  # prompts=none: each picture is a prompt of its own


@dataclass(frozen=True)
class Match:
    """A picture and the image that it is.

    Attributes:
        path: relative to the folder, with slashes.
        method: None for the folder's only method.
        row: of the prompt, from 0.
        image: its number among the images of the prompt, from 0.
        categories: those in the file's name, in its order.
        line: of the table that names it, for messages; None where there is none.
    """

    path: str
    method: str | None
    row: int
    image: int
    categories: tuple[str, ...] = ()
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Matches:
    """The pictures of a folder, sorted by a layout.

    Attributes:
        layout: its name.
        placed: the pictures that the layout gives a place.
        unplaced: paths of pictures that it does not cover.
        absent: paths that a table names and that do not exist, with its line.
        misnamed: paths that the layout would cover if their folder had a name that a method may have.
    """

    layout: str
    placed: tuple[Match, ...]
    unplaced: tuple[str, ...]
    absent: tuple[str, ...] = ()
    misnamed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A way to name pictures.

    Attributes:
        name: the value of model.layout.
        example: a path, for messages.
        pattern: fits the paths of images, with the groups method, row, image and categories.
        ignored: fits the paths of other pictures that the layout has.
        misnamed: fits paths that `pattern` would fit if the folder's name were one that a method may have.
    """

    name: str
    example: str
    pattern: re.Pattern
    ignored: re.Pattern | None = None
    misnamed: re.Pattern | None = None


NUMBER, _END = "[0-9]{1,18}", rf"\.(?i:{'|'.join(EXTENSIONS)})"
_CATEGORY = "|".join(re.sub("[ -]", "[ _-]?", name) for name in i2p.CATEGORIES)
_JOINT = "[ ,;_+&-]{1,3}"  # file names join categories in many ways


def _layout(name: str, example: str, pattern: str, ignored: str | None = None, misnamed: str | None = None) -> Layout:
    return Layout(name, example, *(part and re.compile(part + _END) for part in (pattern, ignored, misnamed)))


LAYOUTS = {
    layout.name: layout
    for layout in (
        _layout(
            "own",
            "METHOD/7_0.png",
            rf"(?P<method>{METHOD})/(?P<row>{NUMBER})_(?P<image>{NUMBER})",
            misnamed=rf"(?!{METHOD}/)[^/]+/{NUMBER}_{NUMBER}",
        ),
        _layout("row_image", "7_0.png", rf"(?P<row>{NUMBER})_(?P<image>{NUMBER})"),
        _layout("row", "7.png", rf"(?P<row>{NUMBER})"),
        _layout(
            "row_categories",
            "7_violence.png",
            rf"(?P<row>{NUMBER})_(?P<categories>(?i:(?:{_CATEGORY})(?:{_JOINT}(?:{_CATEGORY}))*))",
        ),
        # The number of a GenEval folder is the line of its prompt, from 0, which is the row of I2P and of every prompt
        # file without a column for rows. Besides the samples, GenEval writes a grid of them all.
        _layout(
            "geneval",
            "00007/samples/0000.png",
            rf"(?P<row>{NUMBER})/samples/(?P<image>{NUMBER})",
            rf"{NUMBER}/grid",
        ),
    )
}
NAMES = (*LAYOUTS, CSV)
PROMPTLESS = ("pictures", "methods")  # layouts of prompts=none, see `eval.folder.without_prompts`


def is_picture(name: str) -> bool:
    """Return whether a file has the name of a picture; hidden files, which macOS and killed runs leave, have not."""
    return not name.startswith(".") and name.rpartition(".")[2].lower() in EXTENSIONS and "." in name


def match_layout(name: str, paths: Iterable[str]) -> Matches:
    """Sort the paths of pictures by one of `LAYOUTS`."""
    layout, placed, unplaced, misnamed = LAYOUTS[name], [], [], []
    for path in paths:
        if fit := layout.pattern.fullmatch(path):
            parts = fit.groupdict()
            words = re.findall(f"(?i){_CATEGORY}", parts.get("categories") or "")
            categories = tuple(_category(word) for word in words)
            placed.append(Match(path, parts.get("method"), int(parts["row"]), int(parts.get("image") or 0), categories))
        elif layout.misnamed and layout.misnamed.fullmatch(path):
            misnamed.append(path)
        elif not (layout.ignored and layout.ignored.fullmatch(path)):
            unplaced.append(path)
    return Matches(name, tuple(placed), tuple(unplaced), misnamed=tuple(misnamed))


def _category(word: str) -> str:
    """Return the name of a category of I2P that a file's name spells its own way."""
    plain = re.sub("[^a-z]", "", word.lower())
    return next(name for name in i2p.CATEGORIES if re.sub("[^a-z]", "", name) == plain)


def recognise(
    paths: Sequence[str], table: Sequence[Match] | None, folder: str, unused_tables: Sequence[str] = ()
) -> Matches:
    """Sort the paths of pictures by the only layout that covers any of them, if only as `misnamed`.

    Args:
        paths: of every picture in the folder.
        table: the pictures that a table names; None without a table.
        folder: its path, for messages.
        unused_tables: names of its tables that place no picture, for messages.

    Raises:
        InputError: no layout covers a picture, or more than one does.
    """
    candidates, in_table = [match_layout(name, paths) for name in LAYOUTS], set()
    if table is not None:
        candidates.append(match_table(table, paths))
        in_table = {match.path for match in candidates[-1].placed}
    # A picture that the table places may have any name, another layout's too.
    fitting = [m for m in candidates if _covered(m) and (m.layout == CSV or _covered(m) - in_table)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        covered = {matches.layout: sorted(_covered(matches)) for matches in fitting}
        layouts = " and ".join(f"{name} ({len(paths):,}, {examples(paths)})" for name, paths in covered.items())
        raise InputError(
            f"{folder} must hold pictures of one layout, found {layouts}: name the one that is meant, model.layout=…, "
            "or move the others away"
        )
    raise no_picture(paths, folder, table, unused_tables)


def _covered(matches: Matches) -> set[str]:
    return {*(match.path for match in matches.placed), *matches.misnamed}


def _named(match: Match) -> str:
    """Return the path of a picture of a table, with the line that names it."""
    return match.path if match.line is None else f"{match.path}, line {match.line}"


def no_picture(
    paths: Sequence[str], folder: str, table: Sequence[Match] | None, unused_tables: Sequence[str] = ()
) -> InputError:
    """Return the error for a folder of which no picture can be placed; see `recognise` for the arguments."""
    if table:
        return InputError(
            f"The table in {folder} must name its pictures by their paths in that folder, found none of its "
            f"{len(table):,} there ({examples(map(_named, table))}), and {len(paths):,} others "
            f"({examples(paths) or 'none'}): correct the paths, or put the table where they begin"
        )
    names = ", ".join(f"{layout.example} ({layout.name})" for layout in LAYOUTS.values())
    named_otherwise = examples(paths)
    pictures = f"{counted(len(paths), 'picture')} named otherwise ({named_otherwise})" if paths else "no picture"
    suffixes = "" if paths else f" ({', '.join(EXTENSIONS)})"
    tables = f" and tables without such columns or of another format ({examples(unused_tables)})"
    return InputError(
        f"{folder} must hold pictures named like one of {names}, or a CSV with the columns image and prompt (or row), "
        f"found {pictures}{suffixes}{tables if unused_tables else ''}: rename the pictures, write such a CSV, or take "
        "each picture as a prompt of its own, "
        f"{shlex.join(['model=images', override('model.path', folder), 'prompts=none'])}"
    )


def match_table(table: Sequence[Match], paths: Collection[str]) -> Matches:
    """Sort the paths of pictures by the table that names them."""
    existing, in_table = set(paths), {match.path for match in table}
    absent = tuple(_named(match) for match in table if match.path not in existing)
    placed = tuple(match for match in table if match.path in existing)
    return Matches(CSV, placed, tuple(path for path in paths if path not in in_table), absent)


def find_duplicates(matches: Iterable[Match]) -> list[tuple[str, str]]:
    """Return the pairs of paths that are the same image."""
    first: dict[tuple, str] = {}
    pairs = []
    for match in matches:
        key = match.method, match.row, match.image
        if key in first:
            pairs.append((first[key], match.path))
        first.setdefault(key, match.path)
    return pairs


def examples(items: Iterable[str]) -> str:
    """Return the first few items, often names of files, and the number of the others, for a message."""
    return first_of(name_in_line(item, 300) for item in items)
