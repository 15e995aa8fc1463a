"""A folder of pictures made elsewhere (`model=images`): which of them a run judges, and under which methods."""

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
from eval.folder.alone import Own
from eval.folder.layouts import CSV, METHOD_IS, Match, Matches, doubles, some
from eval.folder.listing import Listing, list_and_place
from eval.folder.prompts import check_geneval_prompts, check_run_prompts, check_table_prompts

log = logging.getLogger(__name__)

# Of a prompt. A larger number is no number of an image: some scripts put the seed there.
MOST_IMAGES = 1000


@dataclass(frozen=True)
class MadeElsewhere:
    """A method of which nothing is known here but its name."""

    name: str

    def describe(self) -> dict:
        """What a manifest says about it; never the description of a method of `sld` that has this name."""
        return {"name": self.name, "made": "elsewhere"}


@dataclass(frozen=True)
class Picture:
    """A picture to judge: `path` is relative to the folder, with slashes, `size` in bytes."""

    method: str
    row: int
    image: int
    path: str
    size: int

    @property
    def key(self) -> ImageKey:
        """What the scores know it by."""
        return ImageKey(self.method, self.row, self.image)


@dataclass(frozen=True)
class Folder:
    """The pictures of a run, those of the selected prompts, by method and row; `notes` say what else was there."""

    root: Path
    layout: str
    methods: tuple[MadeElsewhere, ...]
    images_per_prompt: int
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]
    brings_prompts: bool = False
    planned: frozenset[ImageKey] | None = None  # where a table says which images there are

    def describe(self) -> dict:
        """For the manifest, in the place of the model that drew them. Where the folder is may change."""
        own = {"prompts": "the folder's own"} if self.brings_prompts else {}
        return {"source": "pictures made elsewhere", "layout": self.layout, **own}


def open_folder(
    path: str,
    layout: str,
    method: str | None,
    images_per_prompt: int | None,
    source: Sequence[i2p.Prompt],
    selected: Sequence[i2p.Prompt],
    own: Own | None = None,
    placed: tuple[Listing, Matches] | None = None,
) -> Folder:
    """List a folder and find whose its pictures are; none is decoded.

    Args:
        path: of the folder, of a run directory, or of a CSV in the folder.
        layout: a name of `eval.folder.layouts`, or auto.
        method: what to call the only method of a layout that has one; None for the folder's name.
        images_per_prompt: how many images of a prompt to judge; None for all that are there.
        source: every prompt of the source, so that a row counted from 1 is seen.
        selected: those of the run.
        own: what the folder brings along in the place of a test bed, which then is `source`.
        placed: from `list_and_place`, where it was listed before.

    Raises:
        InputError: no picture of the selection, more than one layout, a folder that can't name a method, two files for
            one image, a row that the source lacks, a category or prompt that is not the row's, or a link out of the
            folder.
    """
    listing, matches = (own.listing, own.matches) if own else placed or list_and_place(path, layout)
    root, paths = listing.root, listing.sizes
    _check(matches, root, source, own)
    if own is None:
        check_run_prompts(root, {prompt.row: prompt for prompt in source})
        check_table_prompts(root, listing.texts, matches.found, {prompt.row: prompt for prompt in source})
    found = [(one, _method(one, method, root, matches)) for one in matches.found]
    rows = {prompt.row for prompt in selected}
    inside = [(one, name) for one, name in found if one.row in rows]
    if not inside:
        raise InputError(
            f"{root} must hold pictures of the {len(rows):,} selected prompts, found {len(found):,} of other rows "
            f"({some(one.path for one, _ in found)}): choose prompts that the pictures are of"
        )
    mute = []
    if matches.layout == "geneval":
        mute = check_geneval_prompts(root, [one for one, _ in inside], {prompt.row: prompt for prompt in selected})
    each = images_per_prompt or 1 + max(one.image for one, _ in inside)
    pictures = [
        Picture(name, one.row, one.image, one.path, paths[one.path]) for one, name in inside if one.image < each
    ]
    if not pictures:
        raise InputError(
            f"protocol.images_per_prompt={each} takes the images 0 to {each - 1} of a prompt, found none of them in "
            f"{root} ({some(one.path for one, _ in inside)}): raise it, or leave it out"
        )
    planned = _planned(own, method, root, matches, rows, each)
    names = _in_order({picture.method for picture in pictures} | {name for name, _, _ in planned or ()})
    notes = [
        *(own.notes if own else listing.notes if matches.layout == CSV else ()),
        *_left_out(matches, len(found) - len(inside), len(inside) - len(pictures)),
        *(_lacking(pictures, names, rows) if planned is None else ()),
    ]
    if mute:
        notes.append(f"GenEval's metadata.jsonl without a readable prompt, not compared: {len(mute):,} ({some(mute)}).")
    for note in notes:
        log.warning("%s", note)
    ordered = tuple(sorted(pictures, key=lambda p: (p.row, p.image, names.index(p.method))))
    methods = tuple(map(MadeElsewhere, names))
    return Folder(root, matches.layout, methods, each, ordered, tuple(notes), own is not None, planned)


def _planned(
    own: Own | None, method: str | None, root: Path, matches: Matches, rows: set[int], each: int
) -> frozenset[ImageKey] | None:
    """The images that a table with prompts names, whether they are there or not."""
    if own is None or own.table is None:
        return None
    chosen = [one for one in own.listing.table if one.row in rows and one.image < each]
    return frozenset(ImageKey(_method(one, method, root, matches), one.row, one.image) for one in chosen)


def _method(one: Match, asked: str | None, root: Path, matches: Matches) -> str:
    if one.method is not None:
        if asked is not None:
            raise InputError(
                f"model.method names the only method of a folder, found {asked!r} beside the layout {matches.layout}, "
                "which names its methods itself: leave it out"
            )
        return one.method
    if asked is not None:
        return asked
    name = re.sub(r"[^A-Za-z0-9_.+=-]+", "-", root.name).strip("-.")[:100]
    return name if sld.is_method_name(name) else "images"


def _check(matches: Matches, root: Path, source: Sequence[i2p.Prompt], own: Own | None) -> None:
    """Whether the pictures can be of these prompts at all."""
    found, prompts = matches.found, {prompt.row: prompt for prompt in source}
    if matches.misnamed:
        folders = list(dict.fromkeys(path.partition("/")[0] for path in matches.misnamed))
        raise InputError(
            f"The folders of {root} name the methods of its pictures and must be {METHOD_IS}, found "
            f"{some(map(repr, folders))} ({len(matches.misnamed):,} pictures): rename or remove them"
        )
    if pairs := doubles(found):
        raise InputError(
            f"{root} must hold one picture for each image, found two for {len(pairs):,} of them "
            f"({some(' and '.join(pair) for pair in pairs)}): move one of each away"
        )
    if strangers := [one.path for one in found if one.row not in prompts]:
        raise InputError(
            f"{root} must hold pictures of rows of the prompts ({min(prompts)} to {max(prompts)}), found "
            f"{len(strangers):,} of others ({some(strangers)}): rows count from 0; rename the pictures, give their own "
            "prompts (prompts=i2p prompts.path=FILE), or move them away"
        )
    if own is None and (large := [one.path for one in found if one.image >= MOST_IMAGES]):
        raise InputError(
            f"{root} must number the images of a prompt from 0 to {MOST_IMAGES - 1} at most, found {some(large)}: "
            "rename them, or write a CSV with the columns image and row"
        )
    if all(one.image > 0 for one in found):
        raise InputError(
            f"{root} must number the images of a prompt from 0, found none numbered 0 "
            f"({some(one.path for one in found)}): rename them, or write a CSV with the columns image and row"
        )
    wrong = [one for one in found if _contradicts(one, prompts[one.row])]
    if wrong:
        first = f"row {wrong[0].row} is of {', '.join(prompts[wrong[0].row].categories)}"
        raise InputError(
            f"{root} must name each row's own categories, found {len(wrong):,} pictures that do not "
            f"({some(one.path for one in wrong)}; {first}): rename them, or give the prompts that they are of"
        )


def _contradicts(one: Match, prompt: i2p.Prompt) -> bool:
    return bool(one.categories and prompt.categories) and set(one.categories) != set(prompt.categories)


def _in_order(names: Iterable[str]) -> list[str]:
    """Methods in the order of `sld`, so that the baseline is what the others are set against; then by name."""
    known = list(sld.METHODS)
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def _left_out(matches: Matches, outside: int, beyond: int) -> Iterator[str]:
    if matches.strange:
        count, examples = len(matches.strange), some(matches.strange)
        yield f"Pictures that the layout {matches.layout} does not cover, ignored: {count:,} ({examples})."
    if matches.absent:
        yield f"Pictures that the CSV names and that are not there: {len(matches.absent):,} ({some(matches.absent)})."
    if outside:
        yield f"Pictures of rows outside the selection, ignored: {outside:,}."
    if beyond:
        yield f"Pictures beyond protocol.images_per_prompt, ignored: {beyond:,}."


def _lacking(pictures: Sequence[Picture], names: Sequence[str], rows: set[int]) -> Iterator[str]:
    for name in names:
        if lacking := sorted(rows - {picture.row for picture in pictures if picture.method == name}):
            yield f"Selected rows without a picture of {name}: {len(lacking):,} ({some(map(str, lacking))})."
