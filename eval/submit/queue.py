"""Submission of all jobs or none: SLURM tests all of them first, and a failure cancels those already queued."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.base.errors import InputError, Refused
from eval.base.files import strict_json, write_atomic, write_new
from eval.base.layout import paragraphs
from eval.base.printing import say
from eval.base.signals import SIGNALS, Stop
from eval.submit import slurm
from eval.submit.jobs import Job
from eval.submit.scripts import REPORT, SHARD
from eval.submit.slurm import Queued

RECORD = "jobs.json"  # the queued jobs of a run, in the folder of their scripts
LOCK = ".lock"
_COMMAND = re.compile(r"(.+\.sbatch)(?: \d+)?")  # of a job in squeue: its script and the script's argument


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time submit this run, on all machines that share the folder.

    Raises:
        InputError: another process is submitting the run.
    """
    path = folder / LOCK
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
    if not write_new(path, strict_json(holder).encode()) and not (
        _remove_stale_lock(path, holder["host"]) and write_new(path, strict_json(holder).encode())
    ):
        raise InputError(
            f"{folder.parent} must be submitted by one process at a time, found the lock of another: wait until it "
            f"has ended, or delete {path} if it has ended already"
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _remove_stale_lock(path: Path, host: str) -> bool:
    """Remove the lock of a process of this machine that was killed; return whether it was removed."""
    renamed = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        holder = json.loads(path.read_bytes())
        if holder["host"] != host or _is_running(holder["pid"]):
            return False
        path.rename(renamed)
        if json.loads(renamed.read_bytes()) == holder:
            renamed.unlink()
            return True
        renamed.rename(path)  # another process was faster, and this is its lock
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return False


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def check_not_queued(folder: Path) -> None:
    """Refuse a run whose jobs wait or run, or that squeue can't tell about."""
    record = folder / RECORD
    recorded = _recorded(folder)
    if not recorded and not (folder / SHARD).exists():  # a user may have submitted the scripts
        return
    clusters = sorted({job["cluster"] for job in recorded if job.get("cluster")})
    try:
        listed = slurm.in_queue(clusters, {job["user"] for job in recorded if isinstance(job.get("user"), int)})
    except InputError as error:
        if not recorded:
            return
        numbers = ", ".join(dict.fromkeys(job["number"] for job in recorded))
        raise InputError(
            f"squeue must tell whether the jobs of this run are still queued ({numbers}), found that {error}: submit "
            f"again when squeue answers, or delete {record} if none of the jobs is queued"
        ) from error
    numbers = {job["number"] for job in recorded}
    queued = [job for job in listed if _is_of_run(job, folder, numbers)]
    if queued:
        states: dict[str, list[str]] = {}
        for job in queued:
            states.setdefault(job.number, []).append(job.state.lower())
        jobs = ", ".join(f"job {number} ({', '.join(dict.fromkeys(names))})" for number, names in states.items())
        cancel = shlex.join(["scancel", *([f"--clusters={','.join(clusters)}"] if clusters else []), *states])
        raise InputError(
            f"{folder.parent} must not be in SLURM's queue already, found {jobs}: let it end, or use `{cancel}` and "
            "submit again"
        )


def _is_of_run(job: slurm.InQueue, folder: Path, numbers: set[str]) -> bool:
    """Return whether a job is of this run, by its script, because a reinstalled SLURM reuses numbers."""
    match = _COMMAND.fullmatch(job.command)
    if not match:
        return job.number in numbers and not job.command
    script = Path(match[1])
    return script.name in (SHARD, REPORT) and script.parent.resolve() == folder.resolve()


def check_accepted(jobs: Sequence[Job]) -> None:
    """Refuse jobs that SLURM would not accept; nothing is queued by then."""
    for job in reversed(jobs):  # the report first, because users forget that its options differ from the shards'
        try:
            slurm.check_accepted(job.options, str(job.script), job.arguments)
        except Refused as error:
            raise InputError(
                f"nothing is queued, since {_refusal(job, error)}; if it is only that no node can run it now, "
                "dry_run=true prints the commands that queue it anyway"
            ) from error


def queue_jobs(jobs: Sequence[Job], folder: Path) -> list[Queued]:
    """Submit the jobs in their order; return them as queued.

    Raises:
        InputError: SLURM refused a job. Those before it are cancelled, or the message has the command that does it.
        Stopped: a signal arrived, ctrl-C too; the jobs are cancelled as well.
    """
    queued: list[Queued] = []
    with Stop(signals=(signal.SIGINT, signal.SIGHUP, *SIGNALS)) as stop:  # SIGHUP: the terminal was closed
        try:
            for job in jobs:
                stop.check()
                first = queued[0].cluster_option if queued else []  # dependencies do not reach another cluster
                after = ":".join(["afterany", *(queued[position].number for position in job.after)])
                waits = [f"--dependency={after}"] if job.after else []
                queued.append(slurm.submit([*job.options, *first, *waits], str(job.script), job.arguments))
                _record(folder, queued[-1], job)
            stop.check()
        except Refused as error:
            all_queued = [*queued, *_queued_without_answer(queued, folder)]
            raise InputError(f"{_refusal(jobs[len(queued)], error)}; {_undo(all_queued)}") from error
        except BaseException:
            say(f"the submission was interrupted: {_undo(queued)}", sys.stderr)
            raise
    for job, in_queue in zip(jobs, queued, strict=True):
        when = ", when they have ended" if job.keys == "slurm.report" else ""
        say(paragraphs(f"Submitted job {in_queue.number}: {job.what}{when}, {job.script}"))
    return queued


def _refusal(job: Job, error: Refused) -> str:
    advice = "correct the slurm.* keys"
    if job.keys == "slurm.report":
        advice = (
            "set what the cluster requires in slurm.report.* (partition, time, mem, cpus, gpus, options), or leave "
            "it out with slurm.report=null"
        )
    return f"{error.command} refused {job.what} ({error.words}): {advice} and submit again"


def _queued_without_answer(queued: Sequence[Queued], folder: Path) -> list[Queued]:
    """Return the queued jobs of this run that sbatch did not report, because it gives up on a slow answer."""
    cluster = queued[0].cluster if queued else None
    try:
        listed = slurm.in_queue([cluster] if cluster else [])
    except InputError:
        return []
    numbers = dict.fromkeys(job.number for job in listed if _is_of_run(job, folder, set()))
    return [Queued(number, cluster) for number in numbers if number not in {job.number for job in queued}]


def _undo(queued: Sequence[Queued]) -> str:
    """Cancel the queued jobs; return the outcome in words."""
    if not queued:
        return "nothing is queued"
    remaining, words = [], ""
    for job in queued:
        try:
            slurm.cancel(job)
        except InputError as error:
            remaining.append(job)
            words = str(error)
    if remaining:
        commands = "; ".join(shlex.join(["scancel", *job.cluster_option, job.number]) for job in remaining)
        numbers = ", ".join(job.number for job in remaining)
        return f"job {numbers} is still queued, because {words}; to cancel it: {commands}"
    return f"job {', '.join(job.number for job in queued)}, queued before, is cancelled"


def _record(folder: Path, queued: Queued, job: Job) -> None:
    entry = {
        "number": queued.number,
        "user": os.getuid(),
        "cluster": queued.cluster,
        "what": job.what,
        "submitted": _now(),
    }
    write_atomic(folder / RECORD, strict_json({"jobs": [*_recorded(folder), entry]}).encode())


def _recorded(folder: Path) -> list[dict]:
    path = folder / RECORD
    if not path.exists():
        return []
    try:
        jobs = json.loads(path.read_text(encoding="utf-8"))["jobs"]
        return [{"number": str(job["number"]), **job} for job in jobs]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} must be the list of jobs that eval.submit wrote, found something else ({error}): delete it if "
            "none of the jobs is queued"
        ) from error


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
