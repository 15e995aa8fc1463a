"""Pictures without prompts (`prompts=none`): each is one of its own.

Its row is its place in the natural order of the paths, its text is its name. Whether a file is a picture is told by its
content, or by a name that claims it.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import i2p
import sld
from eval.base.errors import InputError
from eval.base.quoting import shell_override
from eval.folder.categories import find_categories, remarks, with_categories
from eval.folder.layouts import ALONE, AUTO, EXTENSIONS, Match, Matches, some
from eval.folder.listing import Listing, find_root, walk

PICTURES, METHODS = ALONE  # layouts without prompts: one method, or one a subfolder
MOST_METHODS = 20  # more subfolders of the same names are taken for one a prompt, unless asked for
# By these names a file claims to be a picture; one that can't be read is counted as such.
_CLAIMS = (*EXTENSIONS, "jpe", "jfif", "gif", "bmp", "tif", "tiff", "avif", "heic", "heif", "jxl")
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # PNG, JPEG; WebP has four bytes of its length in the middle


@dataclass(frozen=True)
class Own:
    """The prompts that a folder brings along, and whose its pictures are among them."""

    listing: Listing
    source: i2p.PromptList
    matches: Matches
    notes: tuple[str, ...]
    table: str | None = None  # its name, if it is one that brings the prompts


@dataclass
class _Sorter:
    """Tells pictures from other files, and remembers the others."""

    root: Path
    others: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    any_begins: bool = False  # some file begins as a picture does

    def takes(self, path: Path) -> bool:
        if path.name.startswith("."):
            return False
        claims = path.suffix[1:].lower() in _CLAIMS
        if path.is_symlink() and path.exists() and Path(os.path.realpath(path)).is_relative_to(self.root):
            self.links.append(path)  # what it leads to is found under its own name
            return False
        begins = (not claims or not self.any_begins) and _begins(path)
        self.any_begins = self.any_begins or begins
        if not (claims or begins):
            self.others.append(path)
        return claims or begins


def pictures_alone(path: str, layout: str, method: str | None) -> Own:
    """Return every picture of a folder as a prompt of its own, of the categories that a table there names, or none.

    Pictures that lie in subfolders with the same names are those of a method each.

    Raises:
        InputError, i2p.InputError: no picture in it, a link out of it, subfolders that may be methods or not, or a
            table of categories that can't be meant.
    """
    root, named = find_root(path)
    if named is not None:
        raise InputError(
            f"model.path must be a folder where prompts=none takes its pictures as they are, found the file {named}: "
            f"give its folder, {shell_override('model.path', str(root))}, or leave prompts=none out"
        )
    sorter = _Sorter(root)
    sizes = walk(root, sorter.takes, skip=_is_run)
    if not sizes or not sorter.any_begins:
        claiming = (
            f"{len(sizes):,} files named like pictures that are not pictures ({some(sizes)})" if sizes else "none"
        )
        beside = f" among {len(sorter.others):,} files ({_names(sorter.others, root)})" if sorter.others else ""
        raise InputError(
            f"{root} must hold pictures that are PNG, JPEG or WebP, found {claiming}{beside}: name the folder in which "
            "they are, model.path=FOLDER"
        )
    paths = sorted(sizes, key=natural)
    matches, texts = _of_methods(paths, root, layout, method) or _of_one(paths)
    prompts = [
        i2p.Prompt(n, text, (), seed=n, guidance_scale=7.5, height=512, width=512) for n, text in enumerate(texts)
    ]
    notes = []
    if categories := find_categories(root, paths):
        prompts = with_categories(categories, matches.found, texts)
        notes = list(remarks(categories, paths))
        sorter.others = [path for path in sorter.others if path != categories.table.path]
    listing = Listing(root, {path: sizes[path] for path in paths}, None, False)
    notes = [*_notes(matches, sorter, root, of_categories=bool(categories)), *notes]
    return Own(listing, i2p.PromptList(prompts), matches, tuple(notes))


def natural(path: str) -> list[tuple[int, str]]:
    """Return what sorts paths as people number them: 2.png before 10.png, and always in one order."""
    parts = re.split("([0-9]+)", path)  # every other one is a number
    return [(int(part) if n % 2 else 0, part) for n, part in enumerate(parts)]


def as_text(path: str) -> str:
    """Return a path as text that can be written: bytes that are no UTF-8 stand as \\xff."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _of_one(paths: Sequence[str]) -> tuple[Matches, list[str]]:
    found = tuple(Match(path, None, row, 0) for row, path in enumerate(paths))
    return Matches(PICTURES, found, ()), [as_text(path) for path in paths]


def _of_methods(paths: Sequence[str], root: Path, layout: str, method: str | None) -> tuple[Matches, list[str]] | None:
    """The pictures of subfolders that hold the same names, as those of a method each; None where they are one's."""
    if layout == PICTURES or (layout == AUTO and method is not None):
        return None
    split = [path.partition("/") for path in paths]
    names = list(dict.fromkeys(folder for folder, slash, _ in split if slash))
    asked = layout == METHODS
    could_be = len(names) > 1 and all(slash for _, slash, _ in split) and all(map(sld.is_method_name, names))
    if asked and not could_be:
        raise InputError(
            f"model.layout=methods takes the pictures in subfolders that are called as methods may be, found others in "
            f"{root} ({some(paths)}): put the pictures of each method into a subfolder, or leave the layout out"
        )
    if not could_be or (not asked and (len(names) > MOST_METHODS or all(name.isdecimal() for name in names))):
        return None
    inner = _without_suffix(paths)
    held = Counter(inner)
    shared = [name for name, count in held.items() if count == len(names)]
    if not asked and len(shared) < len(held):
        if all(count == 1 for count in held.values()):
            return None
        lacking = [path for path, name in zip(paths, inner, strict=True) if held[name] < len(names)]
        raise InputError(
            f"{root} must hold the same names in each subfolder, or none twice, found {len(lacking):,} pictures that "
            f"only some of {', '.join(names)} have ({some(lacking)}): give model.layout=methods if each subfolder is a "
            "method, or model.layout=pictures if all are one method's"
        )
    rows = {name: row for row, name in enumerate(sorted(held, key=natural))}
    found = tuple(
        Match(path, folder, rows[name], 0) for path, name, (folder, _, _) in zip(paths, inner, split, strict=True)
    )
    texts = {rows[name]: as_text(rest) for name, (_, _, rest) in zip(reversed(inner), reversed(split), strict=True)}
    return Matches(METHODS, found, ()), [texts[row] for row in range(len(rows))]


def _without_suffix(paths: Sequence[str]) -> list[str]:
    """The paths within the first folder: without their suffixes, unless two of one folder would then be the same."""
    bare = [re.sub(r"\.[^./]*$", "", path) for path in paths]
    chosen = bare if len(set(bare)) == len(bare) else paths
    return [path.partition("/")[2] for path in chosen]


def _begins(path: Path) -> bool:
    """Whether a file begins as a PNG, JPEG or WebP does."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_BEGINNINGS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def _is_run(folder: Path) -> bool:
    """Whether it is a run directory: the figures of a report are none of the pictures."""
    return (folder / "manifest.json").is_file() and (folder / "scores").is_dir()


def _notes(matches: Matches, sorter: _Sorter, root: Path, *, of_categories: bool) -> Iterator[str]:
    yield (
        f"Each picture is a prompt of its own{'' if of_categories else ', of no category'}: the interval treats the "
        "pictures as independent, and is too narrow if several share a prompt."
    )
    if matches.layout == METHODS:
        yield (
            "Each subfolder is a method, and its pictures are paired by their names; model.layout=pictures treats "
            "all as one method's."
        )
    if sorter.others:
        yield f"Files that are not pictures, ignored: {len(sorter.others):,} ({_names(sorter.others, root)})."
    if sorter.links:
        names = _names(sorter.links, root)
        yield f"Links to files in the folder, which are there themselves, ignored: {len(sorter.links):,} ({names})."


def _names(paths: Sequence[Path], root: Path) -> str:
    return some(sorted(path.relative_to(root).as_posix() for path in paths))
