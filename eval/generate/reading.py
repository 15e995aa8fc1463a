"""Reading stored pictures: threads read a few ahead, and batches are of one picture size."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from eval.base.cores import usable_cores
from eval.base.errors import Unreadable
from eval.base.pictures import read_picture
from eval.folder.open import Picture
from eval.generate.draw import Batch, Image
from eval.store.scores import UNREADABLE, Score

BATCH = 32  # pictures judged and stored at a time
READERS = 8
AHEAD = 12  # pictures being read or waiting to be judged; at most 48 MiB each
HELD = 256 * 2**20  # bytes of pictures that wait for others of their size

Read = np.ndarray | Unreadable


def read_ahead(root: Path, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Read]]:
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


def batches(read: Iterable[tuple[Picture, Read]], size: int) -> Iterator[tuple[Batch, list[Score]]]:
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
