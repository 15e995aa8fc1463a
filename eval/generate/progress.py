"""The progress of a run or shard, as a bar on stderr, or as lines where stderr is no terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from tqdm import tqdm

from eval.base.printing import say
from eval.plan.plan import Plan, Unit
from eval.store.scores import OK, Score

LAYOUT = "{l_bar}{bar}| {stored:,}/{total:,} {unit}s [{elapsed}, {remaining} left{postfix}]"
LOG_INTERVAL = 60.0  # seconds between two lines of a log file


class Progress:
    """The bar of a run or shard on stderr, with counts of the states of its images.

    The bar moves with what is drawn, in fractions of images; the number beside it is of the images that are stored.
    """

    def __init__(self, total: int, missing: int, name: str | None = None):
        """Show the bar.

        Args:
            total: images.
            missing: images of these that are to be made.
            name: of what is made of them; None for the images themselves.
        """
        self._states: Counter[str] = Counter()
        self._drawn: dict[str, float] = {}
        self._stored: Counter[str] = Counter()
        self._initial = total - missing
        self._lock = threading.RLock()  # pictures are drawn in one thread and stored in another
        terminal = sys.stderr.isatty()
        try:
            self._bar = _Bar(
                total=total,
                initial=self._initial,
                desc=name,
                unit="image",
                disable=not missing,
                bar_format=LAYOUT,
                file=None if terminal else _Lines(),
                dynamic_ncols=terminal,
                mininterval=0.2 if terminal else LOG_INTERVAL,
                miniters=0 if terminal else total / 100,  # a log file gets a line per percent at most
                delay=1e-9,  # so that only `_try` shows it
            )
        except OSError:  # stderr still holds an earlier warning, which can't be written
            self._bar = _Bar(disable=True)
        self._bar.stored = self._initial
        self._try(self._bar.refresh)

    @classmethod
    def of_units(cls, plan: Plan, units: Collection[Unit]) -> Progress:
        """Return the progress of a shard with these missing units."""
        return cls(len(plan.shard_images), plan.count_images(units))

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        self._try(self._bar.close)

    def stored(self, scores: Sequence[Score]) -> None:
        """Count images that are stored."""
        self.count(Counter(score.state for score in scores))

    def count(self, states: Mapping[str, int], process: str = "") -> None:
        """Count images that a process has stored, by their state."""
        with self._lock:
            self._states.update(states)
            self._stored[process] += sum(states.values())
            self._bar.stored = self._initial + self._stored.total()
            self._bar.set_postfix({state: n for state, n in self._states.items() if state != OK}, refresh=False)
            self._move()

    def drawn(self, images: float, process: str = "") -> None:
        """Move the bar to what a process has drawn in all, stored or not, in images and fractions of them.

        It goes back where a process has lost what it drew.
        """
        with self._lock:
            self._drawn[process] = images
            self._move()

    def _move(self) -> None:
        processes = self._stored.keys() | self._drawn.keys()
        ahead = sum(max(self._drawn.get(process, 0.0), self._stored[process]) for process in processes)
        place = min(self._initial + ahead, self._bar.total or 0)
        if self._bar.first is None and place > self._initial:
            self._bar.first = time.monotonic(), place
        self._try(lambda: self._bar.update(place - self._bar.n))

    def _try(self, show: Callable[[], object]) -> None:
        """Show the bar; the run continues without it if stderr can't be written (full disk, closed terminal)."""
        try:
            show()
        except OSError:
            self._bar.disable = True


class _Bar(tqdm):
    """A bar that also shows how many images are stored, and whose pace leaves out what came before its first move."""

    monitor_interval = 0  # its thread would print between the lines of a log file
    stored = 0
    first: tuple[float, float] | None = None  # when it first moved, and to where

    @property
    def format_dict(self) -> dict:
        """The fields of `LAYOUT`."""
        fields = super().format_dict | {"stored": self.stored}
        if self.n < (self.total or 0):  # workers load and compile before it moves, for minutes on a GPU
            began, place = self.first or (time.monotonic(), self.n)
            seconds = time.monotonic() - began
            fields["rate"] = (self.n - place) / seconds if seconds > 0 else 0.0  # 0 is shown as unknown
        return fields


class _Lines:
    """A stderr that is no terminal: each state of the bar becomes a line."""

    def write(self, text: str) -> None:
        if line := text.strip():
            say(line, sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()
