"""The jobs of a run: the arrays of its shards and its report, in the order of submission."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.base.errors import InputError
from eval.submit.scripts import REPORT, SHARD


@dataclass(frozen=True)
class Job:
    """A job to submit.

    Attributes:
        what: the job in words, for messages.
        keys: the keys that set it, slurm or slurm.report.
        script: its batch script.
        options: for sbatch.
        arguments: of the script.
        after: positions, in the list of jobs, of those that must end before it begins.
    """

    what: str
    keys: str
    script: Path
    options: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    after: tuple[int, ...] = ()


def array_ranges(count: int, size: int) -> list[tuple[int, int]]:
    """Return the (offset, tasks) of arrays with `count` tasks in total, and at most `size` per array."""
    return [(start, min(size, count - start)) for start in range(0, count, size)]


def plan_jobs(
    folder: Path, count: int, size: int, at_once: int | None, shard: Sequence[str], report: Sequence[str] | None
) -> list[Job]:
    """Return the arrays of the shards and the report's job.

    Args:
        folder: of the scripts.
        count: the number of shards.
        size: the cluster's MaxArraySize.
        at_once: the number of shards that may run at a time. SLURM limits each array alone, so the arrays run one after
            the other.
        shard: options of the arrays.
        report: options of the report's job; None for no report.

    Raises:
        InputError: the cluster accepts no job arrays.
    """
    if size < 1:
        raise InputError(
            "this cluster must accept job arrays, found MaxArraySize=0: submit a job per shard, whose command is this "
            f"one with run for submit, without slurm.*, with shard.count={count} shard.index=0 up to {count - 1}"
        )
    jobs: list[Job] = []
    for position, (offset, tasks) in enumerate(array_ranges(count, size)):
        limit = f"%{at_once}" if at_once else ""
        jobs.append(
            Job(
                f"shards {offset} to {offset + tasks - 1} of {count}",
                "slurm",
                folder / SHARD,
                (*shard, f"--array=0-{tasks - 1}{limit}"),
                (str(offset),),
                (position - 1,) if at_once and position else (),
            )
        )
    if report is not None:
        # afterany, because a failed afterok would wait forever, and the report counts what is missing anyway.
        jobs.append(Job("the report", "slurm.report", folder / REPORT, tuple(report), (), tuple(range(len(jobs)))))
    return jobs


def typed_commands(jobs: Sequence[Job]) -> list[str]:
    """Return the shell lines that submit the jobs."""
    lines = []
    for position, job in enumerate(jobs):
        words = ["sbatch", "--parsable", *job.options]
        after = "".join(f":${{job{number}%;*}}" for number in job.after)
        waits = f' "--dependency=afterany{after}"' if after else ""
        lines.append(f"job{position}=$({shlex.join(words)}{waits} {shlex.join([str(job.script), *job.arguments])})")
    return lines
