"""The command that puts a shard back into SLURM's queue: `i2p-bench requeue`, in a job.

A run that a signal ends requeues itself. The script of a shard calls this command if Python was not listening yet.
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
from eval.store.parts import all_part_names
from eval.submit import slurm

ENDED = "SLURM itself is ending the job: if cancelled, it stays cancelled; if preempted, SLURM starts it again"


@contextlib.contextmanager
def requeued_if_stopped(out: str, shard: int) -> Iterator[Stop]:
    """Stop what is done inside at the first signal; under SLURM put this job back into the queue then.

    Args:
        out: the run directory.
        shard: index of the shard that the job makes.

    Raises:
        Stopped, StoppedAtOnce: a signal came.
    """
    before = all_part_names(Path(out), shard)

    def requeue() -> None:
        new = all_part_names(Path(out), shard) - before
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
    """Put the job of this process back into SLURM's queue, if the script of a shard started it, and print the outcome.

    Args:
        stored: whether the job stored anything since its start. A restarted job that stored nothing is not requeued:
            loading takes all of its time, and it would start forever.
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
    except InputError as error:  # the run itself has ended well
        say(f"not requeued in SLURM: {error}; submit again to resume", sys.stderr)


def _restarts() -> int:
    """Return how often SLURM has restarted this job."""
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
