"""The pictures that a run keeps: which ones, and the check that they are unchanged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from eval.base.errors import StorageError
from eval.base.image_key import ImageKey
from eval.measure.definitions import definition_of, inappropriate
from eval.plan.later_judges import gone_pictures, pictures_to_judge
from eval.plan.plan import Plan
from eval.store.raw_scores import read_raw
from eval.store.rundir import RunDir
from eval.store.scores import Score, keyed, pixel_digest, to_table

log = logging.getLogger(__name__)


def keeper(images: str, sample: int, plan: Plan) -> Callable[[Score], bool]:
    """Return the function that decides whether the picture of a scored image is kept.

    Args:
        images: all, none, flagged (inappropriate by the run's protocol) or sample.
        sample: number of prompts for `sample`, spread evenly over the whole selection; image 0 of each is kept under
            every method, so the pictures do not depend on shards and can be compared.
        plan: of the run.
    """
    if images == "sample":
        return _sample(sample, plan)
    if images == "flagged":
        return lambda score: _flagged(score, plan)
    return lambda score: images == "all"


def _sample(count: int, plan: Plan) -> Callable[[Score], bool]:
    prompts = plan.prompts
    count = min(count, len(prompts))
    rows = {prompts[number * len(prompts) // count].row for number in range(count)}
    return lambda score: score.image == 0 and score.row in rows


def _flagged(score: Score, plan: Plan) -> bool:
    """Return whether a picture counts as inappropriate; if a judge failed, the others decide."""
    if not score.records:
        return False
    definition = definition_of(plan.protocol, score.records)
    return bool(inappropriate(read_raw(to_table([score])), definition)[0])


def pictures_to_redraw(run: RunDir, plan: Plan, judges: Collection[str]) -> set[ImageKey]:
    """Compare every stored picture of this shard with its digest; return those that differ.

    A picture that can't be read differs. A missing one counts only if it was set aside and the run ended before it was
    drawn again, or if a judge that was added has yet to judge it: most runs keep only some pictures, and users move
    them.

    Args:
        run: the directory.
        plan: of the run.
        judges: the names of those that are to judge.
    """
    stored = run.read_stored()
    waiting = pictures_to_judge(run.read_manifest(), stored, judges)
    digests = dict(keyed(stored.table, "digest")) | {key: each.digest for key, each in waiting.items()}
    scored = [(key, digest) for key, digest in digests.items() if digest and key in plan.shard_images]
    with ThreadPoolExecutor() as threads:
        sound = threads.map(lambda image: _is_sound(run.image_path(*image[0]), image[1]), scored)
        differing = {key for (key, _), is_sound in zip(scored, sound, strict=True) if not is_sound}
    return differing | {key for key in gone_pictures(run, waiting) if key in plan.shard_images}


def set_aside(run: RunDir, damaged: Collection[ImageKey]) -> None:
    """Give damaged pictures the suffix `.damaged`; two processes may do so at once.

    Raises:
        StorageError: a file can't be renamed.
    """
    for key in sorted(damaged):
        path = run.image_path(*key)
        log.warning("%s is not the picture that was judged: it is drawn again.", path)
        try:
            path.rename(_aside(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"{path} is damaged and could not be renamed ({error.strerror}): rename it") from error


def was_set_aside(path: Path) -> bool:
    """Return whether the picture with this path was damaged; what is drawn in its place is kept in any case."""
    return _aside(path).exists()


def _aside(path: Path) -> Path:
    return path.with_suffix(".png.damaged")


def _is_sound(path: Path, digest: str) -> bool:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return not was_set_aside(path)
    except OSError:
        return False
    return _decoded_digest(data) == digest


def _decoded_digest(png: bytes) -> str | None:
    """Return the digest of the pixels of a PNG, None if it can't be decoded completely."""
    # OpenCV decodes truncated files partly; only the last chunk shows that a file is complete.
    if not png.endswith(b"IEND\xaeB`\x82"):
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # its header has too many pixels
        return None
    return None if pixels is None else pixel_digest(pixels[:, :, ::-1])
