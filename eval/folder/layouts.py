"""Which picture is whose: from the names in a folder to method, row and image, by the layouts of the field.

Pure functions of names; what the names stand for on a disk is `eval.folder`'s. No name fits two layouts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import i2p
import sld
from eval.base.errors import InputError
from eval.base.escape import name_in_line
from eval.base.quoting import override
from eval.base.words import first_of

EXTENSIONS = ("png", "jpg", "jpeg", "webp")
CSV = "csv"
METHOD = sld.METHOD_NAME  # it names a folder
METHOD_IS = "up to 100 letters, digits and any of _ . + = -, and begin with a letter, digit or _"
AUTO = "auto"  # the layout is recognised by the names
NO_PROMPTS = "none"  # of the prompts of a folder: each picture is one of its own


@dataclass(frozen=True)
class Match:
    """A picture's place; `path` is relative to the folder, with slashes. `method` None is the folder's only one.

    `categories` are those that its name holds, in the order of the name.
    """

    path: str
    method: str | None
    row: int
    image: int
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matches:
    """What a layout makes of a folder: `strange` are pictures that it says nothing of, `absent` those only named.

    `misnamed` would be found, were the folder that they are in named as a method may be.
    """

    layout: str
    found: tuple[Match, ...]
    strange: tuple[str, ...]
    absent: tuple[str, ...] = ()
    misnamed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A way to name pictures: `shown` for people, `pattern` of whole paths, `ignored` pictures beside them.

    `misnamed` is of paths that `pattern` would fit but for the name of a method.
    """

    name: str
    shown: str
    pattern: re.Pattern
    ignored: re.Pattern | None = None
    misnamed: re.Pattern | None = None


NUMBER, _END = "[0-9]{1,18}", rf"\.(?i:{'|'.join(EXTENSIONS)})"
_CATEGORY = "|".join(re.sub("[ -]", "[ _-]?", name) for name in i2p.CATEGORIES)
_JOINT = "[ ,;_+&-]{1,3}"  # file names join categories in many ways


def _layout(name: str, shown: str, pattern: str, ignored: str | None = None, misnamed: str | None = None) -> Layout:
    return Layout(name, shown, *(one and re.compile(one + _END) for one in (pattern, ignored, misnamed)))


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
        # file without a column for rows. Beside the samples GenEval keeps them all in one picture.
        _layout(
            "geneval",
            "00007/samples/0000.png",
            rf"(?P<row>{NUMBER})/samples/(?P<image>{NUMBER})",
            rf"{NUMBER}/grid",
        ),
    )
}
NAMES = (*LAYOUTS, CSV)
ALONE = ("pictures", "methods")  # where there are no prompts: see `eval.folder.own`


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture; hidden ones are none, such as what macOS and killed runs leave."""
    return not name.startswith(".") and name.rpartition(".")[2].lower() in EXTENSIONS and "." in name


def match(layout: str, paths: Iterable[str]) -> Matches:
    """Return what one of `LAYOUTS` makes of the paths of pictures."""
    chosen, found, strange, misnamed = LAYOUTS[layout], [], [], []
    for path in paths:
        if fit := chosen.pattern.fullmatch(path):
            parts = fit.groupdict()
            words = re.findall(f"(?i){_CATEGORY}", parts.get("categories") or "")
            named = tuple(_category(word) for word in words)
            found.append(Match(path, parts.get("method"), int(parts["row"]), int(parts.get("image") or 0), named))
        elif chosen.misnamed and chosen.misnamed.fullmatch(path):
            misnamed.append(path)
        elif not (chosen.ignored and chosen.ignored.fullmatch(path)):
            strange.append(path)
    return Matches(layout, tuple(found), tuple(strange), misnamed=tuple(misnamed))


def _category(word: str) -> str:
    plain = re.sub("[^a-z]", "", word.lower())
    return next(name for name in i2p.CATEGORIES if re.sub("[^a-z]", "", name) == plain)


def recognise(
    paths: Sequence[str], table: Sequence[Match] | None, where: str, passed_over: Sequence[str] = ()
) -> Matches:
    """Return what the one layout that fits makes of the paths; it fits where they are only `misnamed` too.

    Args:
        paths: of every picture in the folder.
        table: the pictures that a table names, where there is one.
        where: the folder, for the sentence.
        passed_over: names of its tables that place no picture, for the sentence.

    Raises:
        InputError: no layout fits any of them, or more than one does.
    """
    tried, placed = [match(name, paths) for name in LAYOUTS], set()
    if table is not None:
        tried.append(match_table(table, paths))
        placed = {one.path for one in tried[-1].found}
    # What a table places needs no other name, whatever it is called.
    fitting = [one for one in tried if _paths(one) if one.layout == CSV or _paths(one) - placed]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        fit = {one.layout: sorted(_paths(one)) for one in fitting}
        each = " and ".join(f"{layout} ({len(fit[layout]):,}, {some(fit[layout])})" for layout in fit)
        raise InputError(
            f"{where} must hold pictures of one layout, found {each}: name the one that is meant, model.layout=…, or "
            "move the others away"
        )
    raise nothing_found(paths, where, table, passed_over)


def _paths(matches: Matches) -> set[str]:
    return {*(match.path for match in matches.found), *matches.misnamed}


def nothing_found(
    paths: Sequence[str], where: str, table: Sequence[Match] | None, passed_over: Sequence[str] = ()
) -> InputError:
    """The error for a folder of which no picture can be placed; see `recognise` for the arguments."""
    if table:
        return InputError(
            f"The table in {where} must name its pictures by their paths in that folder, found none of its "
            f"{len(table):,} there ({some(one.path for one in table)}), and {len(paths):,} others "
            f"({some(paths) or 'none'}): correct the paths, or put the table where they begin"
        )
    shown = ", ".join(f"{one.shown} ({one.name})" for one in LAYOUTS.values())
    found = (
        f"{len(paths):,} pictures that are not ({some(paths)})" if paths else f"no picture ({', '.join(EXTENSIONS)})"
    )
    beside = f" beside tables without such columns, or of another format ({some(passed_over)})" if passed_over else ""
    return InputError(
        f"{where} must hold pictures named like one of {shown}, or a CSV with the columns image and prompt (or row), "
        f"found {found}{beside}: rename them, write such a CSV, or take each picture as a prompt of its own, "
        f"{shlex.join(['model=images', override('model.path', where), 'prompts=none'])}"
    )


def match_table(table: Sequence[Match], paths: Collection[str]) -> Matches:
    """Return what a CSV says of the paths of pictures."""
    there, named = set(paths), {one.path for one in table}
    absent = tuple(one.path for one in table if one.path not in there)
    found = tuple(one for one in table if one.path in there)
    return Matches(CSV, found, tuple(path for path in paths if path not in named), absent)


def doubles(found: Iterable[Match]) -> list[tuple[str, str]]:
    """Return the pairs of paths that stand for one and the same image."""
    first: dict[tuple, str] = {}
    pairs = []
    for one in found:
        key = one.method, one.row, one.image
        if key in first:
            pairs.append((first[key], one.path))
        first.setdefault(key, one.path)
    return pairs


def some(items: Iterable[str]) -> str:
    """Return the first few items, often names of files, for a sentence, and how many more there are."""
    return first_of(name_in_line(item, 300) for item in items)
