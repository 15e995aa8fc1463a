"""The jobs of a run: the arrays of its shards and its report, in the order in which they are submitted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.base.errors import InputError
from eval.submit.scripts import REPORT, SHARD


@dataclass(frozen=True)
class Job:
    """A job to be submitted, and the places in the list of those that have to end before it begins."""

    what: str
    keys: str
    script: Path
    options: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    after: tuple[int, ...] = ()


def array_ranges(count: int, size: int) -> list[tuple[int, int]]:
    """Return (offset, tasks) of arrays that together have `count` tasks, none with an index of `size` or above."""
    return [(start, min(size, count - start)) for start in range(0, count, size)]


def plan_jobs(
    folder: Path, count: int, size: int, at_once: int | None, shard: Sequence[str], report: Sequence[str] | None
) -> list[Job]:
    """Return the arrays and the report's job.

    Args:
        folder: of the scripts.
        count: shards.
        size: the cluster's MaxArraySize.
        at_once: shards that may run at a time. It holds for an array, so that of several one waits for another.
        shard: options of the arrays.
        report: options of the report's job, None for none.

    Raises:
        InputError: the cluster takes no arrays.
    """
    if size < 1:
        raise InputError(
            "this cluster takes no job arrays (MaxArraySize=0): submit a job for each shard, whose command is "
            f"this one with run for submit, without slurm.*, with shard.count={count} shard.index=0 up to {count - 1}"
        )
    jobs: list[Job] = []
    for place, (offset, tasks) in enumerate(array_ranges(count, size)):
        limit = f"%{at_once}" if at_once else ""
        jobs.append(
            Job(
                f"shards {offset} to {offset + tasks - 1} of {count}",
                "slurm",
                folder / SHARD,
                (*shard, f"--array=0-{tasks - 1}{limit}"),
                (str(offset),),
                (place - 1,) if at_once and place else (),
            )
        )
    if report is not None:
        # afterany: a broken afterok would wait for ever, and the report looks for itself what is there.
        jobs.append(Job("the report", "slurm.report", folder / REPORT, tuple(report), (), tuple(range(len(jobs)))))
    return jobs


def typed_commands(jobs: Sequence[Job]) -> list[str]:
    """Return the lines of a shell that submit the jobs."""
    lines = []
    for place, job in enumerate(jobs):
        words = ["sbatch", "--parsable", *job.options]
        after = "".join(f":${{job{number}%;*}}" for number in job.after)
        waits = f' "--dependency=afterany{after}"' if after else ""
        lines.append(f"job{place}=$({shlex.join(words)}{waits} {shlex.join([str(job.script), *job.arguments])})")
    return lines
