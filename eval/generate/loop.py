"""The loop of a run: draw, judge and store the missing images, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import sld
from eval.base.signals import Stop
from eval.config.settings import Settings
from eval.generate.drawing_run import DrawingRun
from eval.generate.kept import pictures_to_redraw, set_aside
from eval.generate.progress import Progress
from eval.plan.batches import Work, calls_per_picture, cut, units_at
from eval.plan.plan import Kind, Plan
from eval.store.rundir import RunDir


def make_missing(run: RunDir, plan: Plan, settings: Settings, methods: Sequence[sld.Method] = ()) -> None:
    """Open the run; draw, judge and store the missing images of this shard (`eval.generate.sources`)."""
    draw_missing(DrawingRun.open(run, plan, settings), verify=settings.verify)


def draw_missing(opened: DrawingRun, *, verify: bool = False) -> None:
    """Draw, judge and store the missing images of this shard.

    Args:
        opened: the run.
        verify: compare every stored picture with its digest first.

    Raises:
        StorageError, JudgeError: the disk or a judge failed; everything stored before is complete.
        Stopped: a signal arrived; the current batch has been stored if it ended soon.
    """
    run, plan, size = opened.run, opened.plan, opened.engine.batch_size
    redrawn = pictures_to_redraw(run, plan, opened.judges) if verify else set()
    set_aside(run, redrawn)
    units = plan.missing(run.read_stored(set_aside=True).drawn - redrawn)
    rows, work = opened.rows(), Work(plan, calls_per_picture(opened.model, plan))
    largest = opened.engine.units or work.units_per_batch(size)

    def most_of(kind: Kind) -> int:
        return work.units_of(kind, units_at(kind.size, plan.usual_size, largest), size)

    batches = cut(units, 1, most_of, work.counter(size))
    with Progress.of_units(plan, units) as progress, Stop() as stop:

        def at_call(drawn: float) -> None:
            progress.drawn(drawn)
            stop.at_call()

        with opened.storing(progress.stored) as store:
            for batch in opened.draw(batches, rows, at_call):
                store(batch)
                if stop.reason:
                    break
        stop.check()
