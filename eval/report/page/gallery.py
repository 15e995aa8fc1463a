"""The same prompts and noise under every method, as pixelated thumbnails of the pictures that were judged.

The bytes of a thumbnail hold at most 8 × 8 blocks of one colour: what the picture showed is not in the file, and no
style sheet, tool or model can restore it. That limits what a reader is exposed to, and removes no harm.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

import i2p
from eval.report.description.summary import gallery_notes
from eval.report.format import fixed
from eval.report.image_rows import image_rows
from eval.report.report import Report
from eval.store.manifest import Manifest
from eval.store.pictures import picture_path, read_pictures
from eval.store.rundir import RunDir
from eval.store.scores import OK, pixel_digest
from i2p.categories import in_order

BLOCKS = 8  # of the longer side
BLOCK = 14  # pixels of a block's side

Pictures = Mapping[tuple[int, int], Path]


@dataclass(frozen=True)
class GalleryPicture:
    """A picture of a gallery: its thumbnail as a data URI, the judges' findings, and a link to the original, if any."""

    method: str
    thumbnail: str
    verdict: str
    findings: tuple[str, ...]
    labels: tuple[str, ...]
    original: str | None


@dataclass(frozen=True)
class Exhibit:
    """A prompt with one picture per method, all from the same noise."""

    row: int
    image: int
    text: str
    categories: tuple[str, ...]
    pictures: tuple[GalleryPicture, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels by which its pictures can be filtered."""
        return tuple(dict.fromkeys(label for picture in self.pictures for label in picture.labels))

    @property
    def categories_json(self) -> str:
        """The categories for the page's script."""
        return json.dumps(self.categories)

    @property
    def labels_json(self) -> str:
        """The labels for the page's script."""
        return json.dumps(self.labels)


@dataclass(frozen=True)
class Gallery:
    """The pictures that a page shows, and in words those that it does not."""

    exhibits: tuple[Exhibit, ...]
    notes: tuple[str, ...]

    @property
    def categories(self) -> list[str]:
        """The categories of the exhibits, in the order of a report."""
        return in_order(c for e in self.exhibits for c in e.categories)

    @property
    def labels(self) -> list[str]:
        """The labels of the exhibits' pictures, sorted."""
        return sorted({label for e in self.exhibits for label in e.labels})


def make_gallery(report: Report, run: RunDir) -> Gallery:
    """Return the gallery of a report.

    It shows the first prompts of each category in turn of which every method has a kept picture that is still the one
    that was judged, as many as the report's options say.

    Args:
        report: of the run.
        run: the directory with the pictures.
    """
    options = report.options
    if options.gallery == "off":
        return Gallery((), tuple(gallery_notes(report, 0, 0)))
    kept = {name: kept_pictures(run, report.manifest, name) for name in report.methods}
    number = report.manifest.images_per_prompt
    complete = [
        (prompt, image)
        for prompt in in_turn(report.stored.prompts)
        if (image := next((k for k in range(number) if all((prompt.row, k) in paths for paths in kept.values())), None))
        is not None
    ]
    chosen, changed = _unchanged(report, kept, complete)
    exhibits = _exhibits(report, kept, chosen)
    return Gallery(tuple(exhibits), tuple(gallery_notes(report, len(exhibits), changed)))


def kept_pictures(run: RunDir, manifest: Manifest, method: str) -> Pictures:
    """Return the paths of a method's kept pictures by row and image, whether the run drew them or not."""
    if manifest.made_elsewhere:
        paths = {key: picture_path(run, manifest, *key) for key in read_pictures(run)[1] if key[0] == method}
        return {(row, image): path for (_, row, image), path in paths.items() if path}
    folder = run.image_path(method, 0, 0).parent
    names = [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []
    keys = (name.removesuffix(".png").split("_") for name in names if name.endswith(".png"))
    numbers = [(int(key[0]), int(key[1])) for key in keys if len(key) == 2 and all(part.isdecimal() for part in key)]
    return {key: run.image_path(method, *key) for key in numbers}


def in_turn(prompts: Sequence[i2p.Prompt]) -> Iterator[i2p.Prompt]:
    """Yield every prompt once: the first of each category, the second of each, and so on; last, those without any."""
    queues = [
        [p for p in prompts if category in p.categories]
        for category in in_order(c for p in prompts for c in p.categories)
    ]
    queues.append([p for p in prompts if not p.categories])
    seen = set()
    for turn in itertools.zip_longest(*queues):
        for prompt in turn:
            if prompt is not None and prompt.row not in seen:
                seen.add(prompt.row)
                yield prompt


def pixelate(pixels: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 pixels as (h, w, 3) uint8 of at most 8 × 8 blocks, each in the mean colour of its part."""
    import cv2

    longest = max(pixels.shape[:2])
    size = [max(1, round(BLOCKS * side / longest)) for side in pixels.shape[:2]]
    small = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    return small.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


def _unchanged(
    report: Report, kept: Mapping[str, Pictures], complete: Sequence[tuple[i2p.Prompt, int]]
) -> tuple[list[tuple[i2p.Prompt, int, dict[str, str]]], int]:
    """The first prompts whose pictures are those that were judged, with thumbnails; and how many were passed over."""
    chosen: list = []
    changed = 0
    if not complete:
        return chosen, changed
    keys = report.stored.scores.select(["method", "row", "image", "digest"]).to_pandas()
    digests = keys.set_index(["method", "row", "image"])["digest"].to_dict()
    for prompt, image in complete:
        if len(chosen) == report.options.gallery_prompts:
            break
        thumbnails = {
            name: _thumbnail(paths[prompt.row, image], digests.get((name, prompt.row, image)))
            for name, paths in kept.items()
        }
        if all(thumbnails.values()):
            chosen.append((prompt, image, thumbnails))
        else:
            changed += 1
    return chosen, changed


def _thumbnail(path: Path, digest: str | None) -> str | None:
    """The thumbnail as a data URI; None where the picture is not the one that was judged."""
    from eval.base.errors import Unreadable
    from eval.base.pictures import encode_png, read_picture

    try:
        pixels = read_picture(path)
    except (OSError, Unreadable):
        return None
    if pixel_digest(pixels) != digest:
        return None
    return "data:image/png;base64," + base64.b64encode(encode_png(pixelate(pixels))).decode()


def _exhibits(report: Report, kept: Mapping[str, Pictures], chosen: Sequence) -> list[Exhibit]:
    keys = {(prompt.row, image) for prompt, image, _ in chosen}
    pairs = zip(report.stored.scores["row"].to_pylist(), report.stored.scores["image"].to_pylist(), strict=True)
    in_gallery = np.fromiter((pair in keys for pair in pairs), bool)
    rows = image_rows(report.stored, report.frame, report.by_definition.counted, in_gallery)
    at = {(r["method"], r["row"], r["image"]): r for r in rows.to_pylist()}
    linked = report.options.gallery == "clear"
    exhibits = []
    for prompt, image, thumbnails in chosen:
        pictures = [
            _gallery_picture(
                report.manifest.settings.in_print(name),
                at[name, prompt.row, image],
                thumbnail,
                _relative(kept[name][prompt.row, image], report.folder) if linked else None,
            )
            for name, thumbnail in thumbnails.items()
        ]
        exhibits.append(Exhibit(prompt.row, image, prompt.text, prompt.categories, tuple(pictures)))
    return exhibits


def _gallery_picture(method: str, row: Mapping, thumbnail: str, original: str | None) -> GalleryPicture:
    labels = row["nude_labels"] or []
    if row["state"] != OK:
        verdict, labels, judged = row["state"], [], [row["state"]]
    else:
        verdict = "inappropriate" if row["inappropriate"] else "no finding"
        judged = [verdict, *(name for name in ("q16", "nude") if row[name])]
    findings = [f"Q16 {fixed(row['q16_probability'], 2)}"] if row["q16_probability"] is not None else []
    return GalleryPicture(method, thumbnail, verdict, (*findings, *labels), (*judged, *labels), original)


def _relative(path: Path, folder: Path) -> str:
    """The path as a link from a page in `folder`, which stays valid when the run directory is moved."""
    return quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix()))
