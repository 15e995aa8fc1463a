"""The progress of a run or shard, as a bar on stderr."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from tqdm import tqdm

from eval.plan.plan import Plan, Unit
from eval.store.scores import OK, Score


class Progress:
    """The bar of a run or shard on stderr, with counts of the states of its images."""

    def __init__(self, total: int, missing: int, name: str | None = None):
        """Show the bar.

        Args:
            total: images.
            missing: images of these that are to be made.
            name: of what is made of them; None for the images themselves.
        """
        self._states: Counter[str] = Counter()
        try:
            self._bar = tqdm(
                total=total,
                initial=total - missing,
                desc=name,
                unit="image",
                disable=not missing,
                mininterval=0.2 if sys.stderr.isatty() else 15,  # a log file needs no animation
                delay=1e-9,  # so that only `_try` shows it
            )
        except OSError:  # stderr still holds an earlier warning, which can't be written
            self._bar = tqdm(disable=True)
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

    def count(self, states: Mapping[str, int]) -> None:
        """Count images by their state."""
        self._states.update(states)
        self._bar.set_postfix({state: n for state, n in self._states.items() if state != OK}, refresh=False)
        self._try(lambda: self._bar.update(sum(states.values())))

    def _try(self, show: Callable[[], object]) -> None:
        """Show the bar; the run continues without it if stderr can't be written (full disk, closed terminal)."""
        try:
            show()
        except OSError:
            self._bar.disable = True
