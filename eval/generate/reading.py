"""Reading stored pictures: threads read a few ahead, and batches are of one picture size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

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
T, R = TypeVar("T"), TypeVar("R")


def read_ahead(root: Path, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Read]]:
    """Yield each picture of a folder with its pixels, or with the error of reading it."""
    yield from read_in_threads(pictures, lambda picture: read_all([root / picture.path])[0])


def read_in_threads(items: Iterable[T], read: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Yield each item with the result of `read`, in order; threads read a few items ahead."""
    waiting: deque = deque()
    threads = ThreadPoolExecutor(min(READERS, usable_cores()))
    try:
        for item in items:
            waiting.append((item, threads.submit(read, item)))
            if len(waiting) == AHEAD:
                first, pixels = waiting.popleft()
                yield first, pixels.result()
                del pixels  # otherwise it stays in memory until the next one comes
        while waiting:
            first, pixels = waiting.popleft()
            yield first, pixels.result()
    finally:
        threads.shutdown(cancel_futures=True)


def read_all(paths: Iterable[Path]) -> list[Read]:
    """Return the pixels of each picture, or the error of reading it."""
    return [_read(path) for path in paths]


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

    def readable() -> Iterator[Image]:
        for picture, pixels in read:
            if isinstance(pixels, Unreadable):
                unreadable.append(Score(*picture.key, UNREADABLE, error=str(pixels)))
            else:
                yield Image(*picture.key, pixels, finite=True)

    for images in by_size(readable(), size, lambda image: image.pixels):
        yield Batch(tuple(images), None, None), unreadable
        unreadable = []
    if unreadable:
        yield Batch((), None, None), unreadable


def by_size(items: Iterable[T], size: int, pixels_of: Callable[[T], np.ndarray]) -> Iterator[list[T]]:
    """Yield batches of at most `size` items whose pictures have one size; at most `HELD` bytes wait for others."""
    waiting: dict[tuple[int, ...], list[T]] = {}
    held = 0
    for item in items:
        pixels = pixels_of(item)
        group = waiting.setdefault(pixels.shape, [])
        group.append(item)
        held += pixels.nbytes
        if len(group) == size or held > HELD:
            largest = max(waiting, key=lambda shape: sum(pixels_of(other).nbytes for other in waiting[shape]))
            batch = waiting.pop(pixels.shape if len(group) == size else largest)
            held -= sum(pixels_of(other).nbytes for other in batch)
            yield batch
    yield from waiting.values()
