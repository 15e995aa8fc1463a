"""A background thread behind a bounded queue: a slow disk slows the loop down instead of filling the memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 2  # items that wait; with the one at work and the one being made, four are in memory at most


class Background(Generic[T]):
    """Calls `work` on each item, in order, in a thread of its own; without `threaded` in the caller's.

    Used as a context: leaving it waits until all items are worked on, whatever the loop itself failed with. The first
    error of `work` is raised at the next `put`, or on leaving, and what was put after it is dropped.
    """

    def __init__(self, work: Callable[[T], None], *, threaded: bool):
        self._work = work
        self._queue: queue.Queue = queue.Queue(DEPTH)
        self._error: BaseException | None = None
        # A daemon: a second ctrl-C must not wait for it.
        self._thread = threading.Thread(target=self._run, name="background", daemon=True) if threaded else None

    def __enter__(self) -> Background[T]:
        if self._thread is not None:
            self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Hand an item over; waits while the queue is full."""
        if self._thread is None:
            self._work(item)
            return
        self._raise()
        self._queue.put((item,))

    def __exit__(self, kind, error, traceback) -> None:
        if self._thread is None:
            return
        self._queue.put(())
        self._thread.join()
        if error is None:
            self._raise()

    def _run(self) -> None:
        while item := self._queue.get():
            if self._error is None:
                try:
                    self._work(*item)
                except BaseException as error:
                    self._error = error
            del item  # or it would stay in memory until the next one comes

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
