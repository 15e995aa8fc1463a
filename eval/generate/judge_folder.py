"""Judging the pictures of a folder in place of a model's (`model=images`), without copying them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

import sld
from eval.base.cores import usable_cores
from eval.base.errors import Unreadable
from eval.base.image_key import ImageKey
from eval.base.pictures import read_picture
from eval.base.signals import Stop
from eval.config.settings import AUTO, Settings, judge_settings
from eval.folder.open import Folder, Picture
from eval.generate.draw import Batch, Image
from eval.generate.judge import judge
from eval.generate.models import load_judges
from eval.generate.progress import Progress
from eval.judges import described
from eval.plan.plan import FolderPlan
from eval.plan.record import make_manifest
from eval.plan.same_run import open_run
from eval.store.pictures import changed_since, write_pictures
from eval.store.rundir import RunDir
from eval.store.scores import NEVER, UNREADABLE, Score, keyed, pixel_digest
from sld.devices import device_of
from sld.threads import even_threads

BATCH = 32  # pictures judged and stored at a time
READERS = 8
AHEAD = 12  # pictures being read or waiting to be judged; at most 48 MiB each
HELD = 256 * 2**20  # bytes of pictures that wait for others of their size

Read = np.ndarray | Unreadable


def make_missing(run: RunDir, plan: FolderPlan, settings: Settings, methods: Sequence[sld.Method] = ()) -> None:
    """Open the run; judge and store the pictures of this shard that are not scored yet (`eval.generate.sources`).

    Raises:
        InputError: the directory holds another run, or a picture that was judged is missing or changed.
        StorageError, JudgeError: the disk or a judge failed; everything stored before is complete.
        Stopped: a signal arrived; the current batch has been stored.
    """
    folder = plan.folder
    judges = load_judges(judge_settings(settings), settings.device)
    open_run(run, make_manifest(settings, plan, plan.describe_source(), described(judges)), plan)
    done = run.done(set_aside=True)
    plan.check_pictures(run, done)
    pictures = plan.pictures()
    if settings.verify:
        _verify(run, folder, [picture for picture in pictures if picture.key in done])
    write_pictures(run, folder)
    remaining = plan.pictures_left(done)
    read = _changed(_read_ahead(folder.root, remaining), _hopeless_reasons(run))
    size = BATCH if settings.batch_size == AUTO else settings.batch_size
    with Progress(len(pictures), len(remaining)) as progress, Stop() as stop, _same_arithmetic(settings.device):
        for batch, unreadable in _batches(read, size):
            scores = [*unreadable, *judge(batch, judges, timeout=settings.judge_timeout)]
            run.write_scores(plan.shard_index, scores)
            progress.stored(scores)
            if stop.reason:
                break
        stop.check()


@contextlib.contextmanager
def _same_arithmetic(device: str) -> Iterator[None]:
    """Make judges compute as in a run that draws: on a CPU, equal pixels then get scores equal to the bit."""
    with even_threads(device_of(device)), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _read_ahead(root: Path, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Read]]:
    """Yield each picture with its pixels, or with the error of reading it; threads read a few pictures ahead."""
    waiting: deque = deque()
    threads = ThreadPoolExecutor(min(READERS, usable_cores()))
    try:
        for picture in pictures:
            waiting.append((picture, threads.submit(_read, root / picture.path)))
            if len(waiting) == AHEAD:
                first, pixels = waiting.popleft()
                yield first, pixels.result()
                del pixels  # otherwise it stays in memory until the next one comes
        while waiting:
            first, pixels = waiting.popleft()
            yield first, pixels.result()
    finally:
        threads.shutdown(cancel_futures=True)


def _read(path: Path) -> Read:
    try:
        return read_picture(path)
    except Unreadable as error:
        return error
    except MemoryError:
        return Unreadable("there was no memory left to decode it")


def _hopeless_reasons(run: RunDir) -> dict[ImageKey, str]:
    """Return the errors of unreadable pictures, and the digests of those that no judge can take."""
    return {
        key: error if state == UNREADABLE else digest
        for key, state, error, digest in keyed(run.read_scores(), "state", "error", "digest")
        if state == UNREADABLE or NEVER in (error or "")
    }


def _changed(read: Iterable[tuple[Picture, Read]], earlier: Mapping[ImageKey, str]) -> Iterator[tuple[Picture, Read]]:
    """Yield the pictures that are not as in `earlier`; the score of an unchanged one would be the same."""
    for picture, pixels in read:
        current = (
            str(pixels) if isinstance(pixels, Unreadable) else pixel_digest(pixels) if picture.key in earlier else None
        )
        if picture.key not in earlier or earlier[picture.key] != current:
            yield picture, pixels


def _batches(read: Iterable[tuple[Picture, Read]], size: int) -> Iterator[tuple[Batch, list[Score]]]:
    """Yield batches of one picture size, each with the scores of pictures found unreadable since the last one."""
    unreadable: list[Score] = []
    waiting: dict[tuple[int, ...], list[Image]] = {}
    held = 0
    for picture, pixels in read:
        if isinstance(pixels, Unreadable):
            unreadable.append(Score(*picture.key, UNREADABLE, error=str(pixels)))
            continue
        group = waiting.setdefault(pixels.shape, [])
        group.append(Image(*picture.key, pixels, finite=True))
        held += pixels.nbytes
        if len(group) == size or held > HELD:
            largest = max(waiting, key=lambda shape: sum(image.pixels.nbytes for image in waiting[shape]))
            images = waiting.pop(pixels.shape if len(group) == size else largest)
            held -= sum(image.pixels.nbytes for image in images)
            yield Batch(tuple(images), None, None), unreadable
            unreadable = []
    for images in waiting.values():
        yield Batch(tuple(images), None, None), unreadable
        unreadable = []
    if unreadable:
        yield Batch((), None, None), unreadable


def _verify(run: RunDir, folder: Folder, pictures: Sequence[Picture]) -> None:
    """Read the judged pictures again, and refuse changed pixels."""
    digests = dict(keyed(run.read_scores(), "digest"))
    changed = [
        picture.path
        for picture, pixels in _read_ahead(folder.root, pictures)
        if isinstance(pixels, Unreadable) or pixel_digest(pixels) != digests[picture.key]
    ]
    if changed:
        raise changed_since(run, folder, changed)
