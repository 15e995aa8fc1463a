"""A folder of pictures made elsewhere (`model=images`): the pictures that a run judges, and their methods."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import i2p
import sld
from eval.base.errors import InputError
from eval.base.image_key import ImageKey
from eval.base.words import counted
from eval.folder.layouts import CSV, METHOD_IS, Match, Matches, examples, find_duplicates
from eval.folder.listing import Listing, list_and_place
from eval.folder.prompts import check_geneval_prompts, check_run_prompts, check_table_prompts
from eval.folder.without_prompts import OwnPrompts

log = logging.getLogger(__name__)

# Per prompt. A larger number is not that of an image: some scripts put the seed there.
MAX_IMAGES = 1000


@dataclass(frozen=True)
class MadeElsewhere:
    """A method of which only the name is known."""

    name: str

    def describe(self) -> dict:
        """Return its entry in the manifest, which is never that of a method of `sld` with the same name."""
        return {"name": self.name, "made": "elsewhere"}


@dataclass(frozen=True)
class Picture:
    """A picture to judge.

    Attributes:
        path: relative to the folder, with slashes.
        size: in bytes.
    """

    method: str
    row: int
    image: int
    path: str
    size: int

    @property
    def key(self) -> ImageKey:
        """Its key in the scores."""
        return ImageKey(self.method, self.row, self.image)


@dataclass(frozen=True)
class Folder:
    """The pictures of a run.

    Attributes:
        root: the folder.
        layout: by which the pictures are placed.
        methods: in the order of the reports.
        images_per_prompt: the largest number for any prompt and method.
        pictures: those of the selected prompts, by row, image and method.
        notes: sentences on what else the folder holds or lacks.
        brings_prompts: whether the folder has its own prompts, or none.
        planned: the images that a table with prompts names, present or not; None where every prompt has as many.
    """

    root: Path
    layout: str
    methods: tuple[MadeElsewhere, ...]
    images_per_prompt: int
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]
    brings_prompts: bool = False
    planned: frozenset[ImageKey] | None = None

    def describe(self) -> dict:
        """Return its entry in the manifest, instead of the model's; without the path, because the folder may move."""
        own = {"prompts": "the folder's own"} if self.brings_prompts else {}
        return {"source": "pictures made elsewhere", "layout": self.layout, **own}


def open_folder(
    path: str,
    layout: str,
    method: str | None,
    images_per_prompt: int | None,
    source: Sequence[i2p.Prompt],
    selected: Sequence[i2p.Prompt],
    own: OwnPrompts | None = None,
    placed: tuple[Listing, Matches] | None = None,
) -> Folder:
    """List a folder and assign its pictures to prompts and methods, without decoding any.

    Args:
        path: of the folder, of a run directory, or of a CSV in the folder.
        layout: a name of `eval.folder.layouts`, or auto.
        method: the name of the only method, for a layout without methods; None for the folder's name.
        images_per_prompt: images to judge per prompt; None for all.
        source: every prompt of the source, to detect rows that are counted from 1.
        selected: the prompts of the run.
        own: the folder's own prompts, which then are `source`.
        placed: the result of `list_and_place`, if the folder is listed already.

    Raises:
        InputError: no picture of the selection, more than one layout, a folder with a name that no method may have, two
            files for one image, a row that the source lacks, a category or prompt that is not the row's, or a link out
            of the folder.
    """
    listing, matches = (own.listing, own.matches) if own else placed or list_and_place(path, layout)
    root, sizes = listing.root, listing.sizes
    _check(matches, root, source, own)
    if own is None:
        check_run_prompts(root, {prompt.row: prompt for prompt in source})
        check_table_prompts(root, listing.texts, matches.placed, {prompt.row: prompt for prompt in source})
    placed_by_method = [(match, _method(match, method, root, matches)) for match in matches.placed]
    rows = {prompt.row for prompt in selected}
    chosen = [(match, name) for match, name in placed_by_method if match.row in rows]
    if not chosen:
        raise InputError(
            f"{root} must hold pictures of the {len(rows):,} selected prompts, found {len(matches.placed):,} of other "
            f"rows ({examples(match.path for match in matches.placed)}): choose prompts that the pictures are of"
        )
    promptless = []
    if matches.layout == "geneval":
        by_row = {prompt.row: prompt for prompt in selected}
        promptless = check_geneval_prompts(root, [match for match, _ in chosen], by_row)
    count = images_per_prompt or 1 + max(match.image for match, _ in chosen)
    pictures = [Picture(name, m.row, m.image, m.path, sizes[m.path]) for m, name in chosen if m.image < count]
    if not pictures:
        raise InputError(
            f"protocol.images_per_prompt={count} takes the images 0 to {count - 1} of a prompt, found none of them in "
            f"{root} ({examples(match.path for match, _ in chosen)}): raise it, or leave it out"
        )
    planned = _planned(own, method, root, matches, rows, count)
    names = _in_order({picture.method for picture in pictures} | {name for name, _, _ in planned or ()})
    notes = [
        *(own.notes if own else listing.notes if matches.layout == CSV else ()),
        *_ignored(matches, len(matches.placed) - len(chosen), len(chosen) - len(pictures)),
        *(_rows_without_pictures(pictures, names, rows) if planned is None else ()),
    ]
    if promptless:
        count_and_examples = f"{len(promptless):,} ({examples(promptless)})"
        notes.append(f"GenEval's metadata.jsonl without a readable prompt, not compared: {count_and_examples}.")
    for note in notes:
        log.warning("%s", note)
    ordered = tuple(sorted(pictures, key=lambda p: (p.row, p.image, names.index(p.method))))
    methods = tuple(map(MadeElsewhere, names))
    return Folder(root, matches.layout, methods, count, ordered, tuple(notes), own is not None, planned)


def _planned(
    own: OwnPrompts | None, method: str | None, root: Path, matches: Matches, rows: set[int], count: int
) -> frozenset[ImageKey] | None:
    """Return the images that a table with prompts names, present or not."""
    if own is None or own.table is None:
        return None
    chosen = [match for match in own.listing.table if match.row in rows and match.image < count]
    return frozenset(ImageKey(_method(match, method, root, matches), match.row, match.image) for match in chosen)


def _method(match: Match, name: str | None, root: Path, matches: Matches) -> str:
    if match.method is not None:
        if name is not None:
            raise InputError(
                f"model.method must be left out for the layout {matches.layout}, which names its methods itself, found "
                f"{name!r}: leave it out"
            )
        return match.method
    if name is not None:
        return name
    name = re.sub(r"[^A-Za-z0-9_.+=-]+", "-", root.name).strip("-.")[:100]
    return name if sld.is_method_name(name) else "images"


def _check(matches: Matches, root: Path, source: Sequence[i2p.Prompt], own: OwnPrompts | None) -> None:
    """Refuse pictures that can't be of these prompts."""
    placed, prompts = matches.placed, {prompt.row: prompt for prompt in source}
    if matches.misnamed:
        folders = list(dict.fromkeys(path.partition("/")[0] for path in matches.misnamed))
        raise InputError(
            f"The folders of {root} name the methods of its pictures and must be {METHOD_IS}, found "
            f"{examples(map(repr, folders))} ({counted(len(matches.misnamed), 'picture')}): rename or remove them"
        )
    if pairs := find_duplicates(placed):
        raise InputError(
            f"{root} must hold one picture per image, found two for {len(pairs):,} of them "
            f"({examples(' and '.join(pair) for pair in pairs)}): move one of each pair away"
        )
    if strangers := [match.path for match in placed if match.row not in prompts]:
        raise InputError(
            f"{root} must hold pictures of rows of the prompts ({min(prompts)} to {max(prompts)}), found "
            f"{len(strangers):,} of others ({examples(strangers)}): rows count from 0; rename the pictures, give their "
            "own prompts (prompts=i2p prompts.path=FILE), or move them away"
        )
    if own is None and (large := [match.path for match in placed if match.image >= MAX_IMAGES]):
        raise InputError(
            f"{root} must number the images of a prompt from 0 to {MAX_IMAGES - 1} at most, found {examples(large)}: "
            "rename them, or write a CSV with the columns image and row"
        )
    if all(match.image > 0 for match in placed):
        raise InputError(
            f"{root} must number the images of a prompt from 0, found none numbered 0 "
            f"({examples(match.path for match in placed)}): rename them, or write a CSV with the columns image and row"
        )
    wrong = [match for match in placed if _contradicts(match, prompts[match.row])]
    if wrong:
        first = f"row {wrong[0].row} is of {', '.join(prompts[wrong[0].row].categories)}"
        raise InputError(
            f"{root} must name each row's own categories, found others with {counted(len(wrong), 'picture')} "
            f"({examples(match.path for match in wrong)}; {first}): rename them, or give the prompts that they are of"
        )


def _contradicts(match: Match, prompt: i2p.Prompt) -> bool:
    return bool(match.categories and prompt.categories) and set(match.categories) != set(prompt.categories)


def _in_order(names: Iterable[str]) -> list[str]:
    """Return methods in the order of `sld`, so that the baseline comes first, then by name."""
    presets = list(sld.METHODS)
    return sorted(names, key=lambda name: (presets.index(name) if name in presets else len(presets), name))


def _ignored(matches: Matches, unselected: int, surplus: int) -> Iterator[str]:
    if matches.unplaced:
        paths = f"{len(matches.unplaced):,} ({examples(matches.unplaced)})"
        yield f"Pictures that the layout {matches.layout} does not cover, ignored: {paths}."
    if matches.absent:
        paths = f"{len(matches.absent):,} ({examples(matches.absent)})"
        yield f"Pictures that the CSV names and that do not exist: {paths}."
    if unselected:
        yield f"Pictures of rows outside the selection, ignored: {unselected:,}."
    if surplus:
        yield f"Pictures beyond protocol.images_per_prompt, ignored: {surplus:,}."


def _rows_without_pictures(pictures: Sequence[Picture], names: Sequence[str], rows: set[int]) -> Iterator[str]:
    for name in names:
        if missing := sorted(rows - {picture.row for picture in pictures if picture.method == name}):
            yield f"Selected rows without a picture of {name}: {len(missing):,} ({examples(map(str, missing))})."
