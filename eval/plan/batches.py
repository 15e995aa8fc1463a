"""Batches of work: how many units are drawn at a time, and how the units of a run are cut into batches.

Rows and units are two numbers. The rows of a denoiser call decide the last bits of a picture, and are the same for the
whole run. The units of a batch decide none, only how evenly workers are used, how long a signal waits, and how many
rows are padding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from heapq import heapreplace
from itertools import accumulate, chain, groupby, pairwise
from typing import TYPE_CHECKING

from eval.base.signals import GRACE
from eval.plan.plan import Kind, Plan, Size, Unit, kind_of
from sld.trajectories import evaluations_by_call

if TYPE_CHECKING:
    from sld.models import Model

# Seconds that a batch is planned to take at most: a signal that arrives at its beginning waits for its end, and
# decoding and a machine's moods come on top of the predicted calls.
LONGEST = 0.75 * GRACE


def calls_per_picture(model: Model, plan: Plan) -> int:
    """Return how many denoiser calls a picture takes: with some schedulers two per step, or one more than steps."""
    return len(model.start(plan.protocol.steps, *plan.usual_size).timesteps)


class Work:
    """What a batch of units costs in denoiser calls.

    Args:
        plan: whose methods are drawn.
        calls: denoiser calls of a picture, as `calls_per_picture` returns them.
    """

    def __init__(self, plan: Plan, calls: int):
        self._plan, self._calls = plan, calls
        self._evaluations: dict[tuple[str, ...], list[int]] = {}  # by the methods of a unit

    def calls(self, units: int, rows: int, methods: tuple[str, ...] = ()) -> int:
        """Return the calls of `rows` rows of a batch, the last one at each step padded; `methods` as in `Unit`."""
        if methods not in self._evaluations:
            chosen = self._plan.methods_of(Kind((0, 0), methods))
            reuse, guided = self._plan.protocol.reuse, self._plan.guided
            self._evaluations[methods] = evaluations_by_call(chosen, self._calls, reuse, guided)
        return sum(-(-units * evaluations // rows) for evaluations in self._evaluations[methods])

    def units_per_batch(self, rows: int, seconds: float | None = None) -> int:
        """Return the units of a batch: of up to `most_units` those that leave the fewest rows to padding.

        Half the rows pad 1.3 % for SLD's presets; more would pad little less, and make a batch last longer.

        Args:
            rows: of a denoiser call.
            seconds: that a call takes, None if unknown. A batch is planned to end within `LONGEST`, unless a single
                unit takes longer.
        """
        return self._units(rows, None if seconds is None else LONGEST / seconds)

    def counter(self, rows: int) -> Callable[[int, Kind], int]:
        """Return the function from units of a kind to the calls of `rows` rows of their batch."""
        return lambda units, kind: self.calls(units, rows, kind.methods)

    def units_of(self, kind: Kind, units: int, rows: int) -> int:
        """Return the units of a batch of a kind, given those of all methods at its size: it lasts no longer."""
        return self._units(rows, self.calls(units, rows), kind.methods) if kind.methods else units

    def _units(self, rows: int, most_calls: float | None, methods: tuple[str, ...] = ()) -> int:
        costs = {units: self.calls(units, rows, methods) for units in range(1, most_units(rows, self._plan.guided) + 1)}
        short = [units for units, calls in costs.items() if most_calls is None or calls <= most_calls]
        return max(short, key=lambda units: (units / costs[units], units), default=1)


def most_units(rows: int, guided: bool = True) -> int:
    """Return the most units that a batch may have: as many as fill a denoiser call of `rows` rows under any methods."""
    return max(1, rows // 2) if guided else rows


def units_at(size: Size, usual: Size, units: int) -> int:
    """Return the units of a batch at another picture size, given those at the usual one.

    Attention makes the time of a call grow with the square of a picture's area at most.
    """
    area = (size[0] * size[1]) / (usual[0] * usual[1])
    return max(1, int(units / max(1.0, area) ** 2))


def cut(
    units: Sequence[Unit], workers: int, largest: Callable[[Kind], int], calls: Callable[[int, Kind], int]
) -> list[Sequence[Unit]]:
    """Return batches of one kind each, in the order in which waiting workers are to take them.

    Every worker is to have as many units as the others, in the same batches: the largest ones, and at last two that
    share what remains as leaves the fewest rows to padding. So workers that are equally fast end together.

    Args:
        units: grouped by kind.
        workers: that share them.
        largest: returns the most units of a batch of a kind.
        calls: returns the denoiser calls of a batch of so many units of a kind.
    """
    groups = sorted((list(group) for _, group in groupby(units, kind_of)), key=len)
    if not groups:
        return []
    *others, usual = groups
    each = -(-len(units) // workers)
    batches: list[Sequence[Unit]] = []
    for group in others:
        most = min(each, largest(kind_of(group[0])))
        batches += [group[start : start + most] for start in range(0, len(group), most)]
    taken = [0] * workers
    for batch in batches:
        heapreplace(taken, taken[0] + len(batch))
    # The most frequent kind comes last and evens out what the others leave.
    kind, sizes = kind_of(usual[0]), []
    most, calls_of_kind = largest(kind), partial(calls, kind=kind)
    while sum(sizes) < len(usual):
        parts = (_parts(each - units_taken, most, calls_of_kind) for units_taken in taken if units_taken < each)
        sizes = sorted(chain.from_iterable(parts), reverse=True)
        each += 1
    ends = [0, *accumulate(sizes)]
    batches += [usual[start:end] for start, end in pairwise(ends) if start < len(usual)]
    return batches


def _parts(units: int, most: int, calls: Callable[[int], int]) -> list[int]:
    """Return the batches of one worker, of up to `most` units each; the last two are those with the fewest calls."""
    full = max(0, -(-units // most) - 2)
    rest = units - full * most
    # The larger first, so that what is left for the end is small.
    splits = [(first, rest - first) for first in range(-(-rest // 2), min(rest, most) + 1)]
    best = min(splits, key=lambda split: (sum(calls(part) for part in split if part), -split[0]))
    return [most] * full + [part for part in best if part]


class Pending:
    """The units that no worker has, in batches since the first worker has said how many it draws at a time.

    Args:
        units: grouped by kind.
        workers: that share them.
        plan: of the run.
    """

    def __init__(self, units: Sequence[Unit], workers: int, plan: Plan):
        self._units, self._workers = units, workers
        self._work = cache(partial(Work, plan))  # by the calls of a picture, of which each counts its evaluations once
        self._batches: deque[Sequence[Unit]] | None = None

    def __bool__(self) -> bool:
        return bool(self._units if self._batches is None else self._batches)

    def next(self, rows: int, largest: Mapping[Size, int], calls: int) -> Sequence[Unit]:
        """Return the next batch for a worker.

        Args:
            rows: of its denoiser calls.
            largest: units of its batches by picture size.
            calls: of the denoiser, that a picture takes.
        """
        work = self._work(calls)

        def most_of(kind: Kind) -> int:
            return work.units_of(kind, largest[kind.size], rows)

        if self._batches is None:
            self._batches = deque(cut(self._units, self._workers, most_of, work.counter(rows)))
        batch = self._batches.popleft()
        most = most_of(kind_of(batch[0]))
        if batch[most:]:  # this worker's device is slower than the first's
            self._batches.appendleft(batch[most:])
        return batch[:most]

    def put_back(self, units: Sequence[Unit], workers: int) -> None:
        """Take the unfinished units of a worker that has ended; the `workers` that remain share what is left anew."""
        self._units, self._workers = sorted([*units, *self.units()], key=kind_of), max(1, workers)
        self._batches = None

    def units(self) -> list[Unit]:
        """Return the units that no worker has."""
        return list(self._units if self._batches is None else chain.from_iterable(self._batches))


class Rows:
    """The rows of a denoiser call at each picture size.

    Args:
        usual: rows, of all sizes that have none of their own.
        usual_size: of which `usual` is spoken.
        smaller: rows of sizes at which the device had too little memory for `usual`.
    """

    def __init__(self, usual: int, usual_size: Size, smaller: Mapping[Size, int] | None = None):
        self.usual, self.usual_size = usual, usual_size
        self.smaller = dict(smaller or {})

    def at(self, size: Size) -> int:
        """Return the rows at a size."""
        return min(self.usual, self.smaller.get(size, self.usual))

    def halve(self, size: Size) -> None:
        """Halve the rows at a size; the usual size's are the most for any other."""
        rows = max(1, self.at(size) // 2)
        if size == self.usual_size:
            self.usual = rows
        else:
            self.smaller[size] = rows
