"""Whether the pictures of a run are still those that were judged. What was damaged since is drawn again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from eval.plan import Unit
from eval.rundir import RunDir

log = logging.getLogger(__name__)

Key = tuple[str, int, int]


def damaged_pictures(run: RunDir, units: Collection[Unit], *, set_aside: bool) -> set[Key]:
    """Compare every stored picture of these units with its digest; return (method, row, image) of those that differ.

    `set_aside` renames a truncated or changed file too. A picture that is not there is none to miss: most runs keep a
    part of them, and people move them.
    """
    ours = {(unit.prompt.row, unit.image) for unit in units}
    scores = run.read_scores()
    columns = (scores[name].to_pylist() for name in ("method", "row", "image", "digest"))
    scored = [(m, r, k, digest) for m, r, k, digest in zip(*columns, strict=True) if digest and (r, k) in ours]
    with ThreadPoolExecutor() as threads:
        sound = list(threads.map(lambda one: _is_sound(run.image_path(*one[:3]), one[3]), scored))
    damaged = {(m, r, k) for (m, r, k, _), whole in zip(scored, sound, strict=True) if not whole}
    for key in sorted(damaged):
        path = run.image_path(*key)
        log.warning("%s is not the picture that was judged: it is drawn again.", path)
        if set_aside:
            path.rename(path.with_suffix(".png.damaged"))
    return damaged


def _is_sound(path: Path, digest: str) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return True
    return pixel_digest(data) == digest


def pixel_digest(png: bytes) -> str | None:
    """Return the sha256 of a picture's uint8 RGB pixels in row-major order, None where it can't be decoded whole."""
    # OpenCV decodes what there is of a truncated file; its last chunk is the sign that it is whole.
    if not png.endswith(b"IEND\xaeB`\x82"):
        return None
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return None if pixels is None else hashlib.sha256(np.ascontiguousarray(pixels[:, :, ::-1])).hexdigest()
