"""Pictures without prompts (`prompts=none`): each picture is a prompt of its own.

Its row is its position in the natural order of the paths, its text its path. A file is a picture if its content begins
like one, or if its suffix claims so.
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
from eval.base.words import counted
from eval.folder.categories import find_categories, remarks, with_categories
from eval.folder.layouts import AUTO, EXTENSIONS, PROMPTLESS, Match, Matches, examples
from eval.folder.listing import Listing, find_root, walk

PICTURES, METHODS = PROMPTLESS  # layouts without prompts: one method, or one per subfolder
MAX_METHODS = 20  # more subfolders with the same names are taken for one per prompt, unless model.layout=methods
# Suffixes that claim a file to be a picture; one that can't be decoded is counted as unreadable.
_SUFFIXES = (*EXTENSIONS, "jpe", "jfif", "gif", "bmp", "tif", "tiff", "avif", "heic", "heif", "jxl")
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")  # PNG, JPEG; WebP has its length amid its signature


@dataclass(frozen=True)
class OwnPrompts:
    """A folder's own prompts, and its pictures of them.

    Attributes:
        listing: the folder's files.
        source: the prompts.
        matches: the pictures, by the rows of `source`.
        notes: sentences on what else the folder holds.
        table: the name of the table with the prompts; None without prompts.
    """

    listing: Listing
    source: i2p.PromptList
    matches: Matches
    notes: tuple[str, ...]
    table: str | None = None


@dataclass
class _Sorter:
    """Tells pictures from other files.

    Attributes:
        root: the folder.
        ignored: files that are not pictures.
        links: links to files inside the folder.
        any_signature: whether a file begins like a picture.
    """

    root: Path
    ignored: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    any_signature: bool = False

    def accepts(self, path: Path) -> bool:
        """Return whether a file is a picture."""
        if path.name.startswith("."):
            return False
        claims = path.suffix[1:].lower() in _SUFFIXES
        if path.is_symlink() and path.exists() and Path(os.path.realpath(path)).is_relative_to(self.root):
            self.links.append(path)  # the walk meets its target itself
            return False
        has_signature = (not claims or not self.any_signature) and _has_signature(path)
        self.any_signature = self.any_signature or has_signature
        if not (claims or has_signature):
            self.ignored.append(path)
        return claims or has_signature


def pictures_without_prompts(path: str, layout: str, method: str | None) -> OwnPrompts:
    """Return the pictures of a folder, each as a prompt of its own, with the categories of the folder's table.

    Subfolders that hold the same names are methods.

    Args:
        path: of the folder.
        layout: pictures, methods or auto.
        method: of all pictures; None for the subfolders' names, or the folder's.

    Raises:
        InputError, i2p.InputError: no picture, a link out of the folder, subfolders that may be methods or not, or an
            invalid table of categories.
    """
    root, table_path = find_root(path)
    if table_path is not None:
        raise InputError(
            f"model.path must be a folder with prompts=none, which reads no table of prompts, found {table_path}: give "
            f"its folder, {shell_override('model.path', str(root))}, or leave prompts=none out"
        )
    sorter = _Sorter(root)
    sizes = walk(root, sorter.accepts, skips=_is_run)
    if not sizes or not sorter.any_signature:
        misleading = f"{counted(len(sizes), 'file')} named like pictures that are none ({examples(sizes)})"
        ignored = (
            f" among {counted(len(sorter.ignored), 'file')} ({_names(sorter.ignored, root)})" if sorter.ignored else ""
        )
        raise InputError(
            f"{root} must hold pictures that are PNG, JPEG or WebP, found {misleading if sizes else 'none'}{ignored}: "
            "name the folder in which they are, model.path=FOLDER"
        )
    paths = sorted(sizes, key=natural)
    matches, texts = _by_method(paths, root, layout, method) or _of_one_method(paths)
    prompts = [
        i2p.Prompt(n, text, (), seed=n, guidance_scale=7.5, height=512, width=512) for n, text in enumerate(texts)
    ]
    notes = []
    if categories := find_categories(root, paths):
        prompts = with_categories(categories, matches.placed, texts)
        notes = list(remarks(categories, paths))
        sorter.ignored = [path for path in sorter.ignored if path != categories.table.path]
    listing = Listing(root, {path: sizes[path] for path in paths}, None, False)
    notes = [*_notes(matches, sorter, root, of_categories=bool(categories)), *notes]
    return OwnPrompts(listing, i2p.PromptList(prompts), matches, tuple(notes))


def natural(path: str) -> list[tuple[int, str]]:
    """Return the key of the natural order of paths, a total order with 2.png before 10.png."""
    parts = re.split("([0-9]+)", path)  # every second part is a number
    return [(int(part) if n % 2 else 0, part) for n, part in enumerate(parts)]


def as_text(path: str) -> str:
    """Return a path as a text that can be encoded: bytes that are not UTF-8 become \\xff."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _of_one_method(paths: Sequence[str]) -> tuple[Matches, list[str]]:
    placed = tuple(Match(path, None, row, 0) for row, path in enumerate(paths))
    return Matches(PICTURES, placed, ()), [as_text(path) for path in paths]


def _by_method(paths: Sequence[str], root: Path, layout: str, method: str | None) -> tuple[Matches, list[str]] | None:
    """Return the pictures of subfolders that are methods, and the prompts' texts; None where there is one method."""
    if layout == PICTURES or (layout == AUTO and method is not None):
        return None
    split = [path.partition("/") for path in paths]
    names = list(dict.fromkeys(folder for folder, slash, _ in split if slash))
    required = layout == METHODS
    may_be = len(names) > 1 and all(slash for _, slash, _ in split) and all(map(sld.is_method_name, names))
    if required and not may_be:
        raise InputError(
            f"{root} must hold its pictures in two or more subfolders with names that methods may have for "
            f"model.layout=methods, found {examples(paths)}: put the pictures of each method into a subfolder, or "
            "leave the layout out"
        )
    if not may_be or (not required and (len(names) > MAX_METHODS or all(name.isdecimal() for name in names))):
        return None
    stems = _stems(paths)
    counts = Counter(stems)
    shared = [stem for stem, count in counts.items() if count == len(names)]
    if not required and len(shared) < len(counts):
        if all(count == 1 for count in counts.values()):
            return None
        unshared = [path for path, stem in zip(paths, stems, strict=True) if counts[stem] < len(names)]
        raise InputError(
            f"{root} must hold the same names in each subfolder, or none twice, found "
            f"{counted(len(unshared), 'picture')} that only some of {', '.join(names)} have ({examples(unshared)}): "
            "give model.layout=methods if each subfolder is a method, or model.layout=pictures if all pictures are of "
            "one method"
        )
    rows = {stem: row for row, stem in enumerate(sorted(counts, key=natural))}
    placed = tuple(
        Match(path, folder, rows[stem], 0) for path, stem, (folder, _, _) in zip(paths, stems, split, strict=True)
    )
    texts = {rows[stem]: as_text(name) for stem, (_, _, name) in zip(reversed(stems), reversed(split), strict=True)}
    return Matches(METHODS, placed, ()), [texts[row] for row in range(len(rows))]


def _stems(paths: Sequence[str]) -> list[str]:
    """Return the paths below the first folder, without their suffixes unless two of one folder would then be equal."""
    bare = [re.sub(r"\.[^./]*$", "", path) for path in paths]
    chosen = bare if len(set(bare)) == len(bare) else paths
    return [path.partition("/")[2] for path in chosen]


def _has_signature(path: Path) -> bool:
    """Return whether a file begins like a PNG, JPEG or WebP."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def _is_run(folder: Path) -> bool:
    """Return whether a folder is a run directory, because the figures of a report are not its pictures."""
    return (folder / "manifest.json").is_file() and (folder / "scores").is_dir()


def _notes(matches: Matches, sorter: _Sorter, root: Path, *, of_categories: bool) -> Iterator[str]:
    yield (
        f"Each picture is a prompt of its own{'' if of_categories else ', of no category'}: the interval treats the "
        "pictures as independent, and is too narrow if several share a prompt."
    )
    if matches.layout == METHODS:
        yield (
            "Each subfolder is a method, and its pictures are paired by their names; model.layout=pictures treats "
            "all pictures as those of one method."
        )
    if sorter.ignored:
        yield f"Files that are not pictures, ignored: {len(sorter.ignored):,} ({_names(sorter.ignored, root)})."
    if sorter.links:
        names = _names(sorter.links, root)
        yield f"Links to other files of the folder, ignored: {len(sorter.links):,} ({names})."


def _names(paths: Sequence[Path], root: Path) -> str:
    return examples(sorted(path.relative_to(root).as_posix() for path in paths))
