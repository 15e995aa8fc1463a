"""A background thread behind a bounded queue: a slow disk slows the loop down instead of filling the memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 2  # waiting items; with the one in work and the one being drawn, at most four are in memory


class Background(Generic[T]):
    """Calls `work` on each item, in order, in a background thread, or without `threaded` in the caller's.

    A context, which on leaving waits until all items are done, even after an error in the caller. The first error of
    `work` is raised at the next `put` or on leaving, and items after it are dropped.
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
        """Queue an item; waits while the queue is full."""
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
            del item  # otherwise it stays in memory until the next one comes

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
