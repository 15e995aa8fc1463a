"""Puts a shard back into SLURM's queue: `i2p-bench requeue`, in a job.

A run that a signal ends does so itself. The script of a shard calls this where Python had not begun to listen yet.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from eval.base import command
from eval.base.errors import INCOMPLETE, InputError, Stopped, StoppedAtOnce
from eval.base.printing import prepare_printing, say
from eval.base.signals import Stop
from eval.store.parts import part_names
from eval.submit import slurm

ENDED = "SLURM itself is ending the job: cancelled, it stays so; preempted, it comes back"


@contextlib.contextmanager
def requeued_if_stopped(out: str, shard: int) -> Iterator[Stop]:
    """Stop what is done inside at the first signal; under SLURM put this job back into the queue then.

    Args:
        out: the run directory.
        shard: index of the shard that the job makes.

    Raises:
        Stopped, StoppedAtOnce: a signal came.
    """
    before = part_names(Path(out), shard)

    def requeue() -> None:
        new = part_names(Path(out), shard) - before
        requeue_this_job(stored=any(name.endswith(".parquet") for name in new))

    with Stop(at_once=True) as stop:
        try:
            stop.check()
            yield stop
        except (Stopped, StoppedAtOnce):
            requeue()
            raise
        except Exception as error:
            if not stop.raised:
                raise
            requeue()  # some library made an error of its own of it
            raise Stopped(stop.sentence) from error


def requeue_this_job(*, stored: bool) -> None:
    """Put the job that this process is in back into SLURM's queue, if our script asks for it, and say so.

    A job that has been started again and has `stored` nothing since is not put back: what it loads or measures takes
    all of its time, and it would start for ever.
    """
    job, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if not os.environ.get(command.REQUEUE) or not job or not task:
        return
    try:
        if slurm.is_ending(f"{job}_{task}"):
            say(ENDED, sys.stderr)
        elif not stored and (restarts := _restarts()):
            say(
                f"not requeued in SLURM: this was start {restarts + 1}, and no image was made before it was "
                "stopped again; submit again with more time, slurm.time=…",
                sys.stderr,
            )
        else:
            slurm.requeue(f"{job}_{task}")
            say("requeued in SLURM; it will resume from here", sys.stderr)
    except InputError as error:  # what was stopped is what counts
        say(f"not requeued in SLURM: {error}; submit again to resume", sys.stderr)


def _restarts() -> int:
    """How often SLURM has started this job again."""
    count = os.environ.get("SLURM_RESTART_COUNT", "")
    return int(count) if count.isdecimal() else 0


def main() -> None:
    """Requeue this job, and exit with 3: incomplete."""
    prepare_printing()
    say("stopped: a signal arrived before the run had begun", sys.stderr)
    requeue_this_job(stored=False)
    sys.exit(INCOMPLETE)


if __name__ == "__main__":
    main()
