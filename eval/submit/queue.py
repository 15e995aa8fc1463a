"""Submission as one act: all jobs are tested before one is queued, and all of them are queued, or none is left."""

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
from eval.base.printing import say
from eval.base.signals import SIGNALS, Stop
from eval.submit import slurm
from eval.submit.jobs import Job
from eval.submit.scripts import REPORT, SHARD
from eval.submit.slurm import Queued

RECORD = "jobs.json"  # the jobs of a run that were queued, beside their scripts
LOCK = ".lock"
_COMMAND = re.compile(r"(.+\.sbatch)(?: \d+)?")  # what squeue calls a job by: its script and the script's argument


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have one process at a time submit this run, from any machine that sees the folder.

    Raises:
        InputError: another one is at it.
    """
    path = folder / LOCK
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
    if not write_new(path, strict_json(mine).encode()) and not (
        _is_left_behind(path, mine["host"]) and write_new(path, strict_json(mine).encode())
    ):
        raise InputError(
            f"another process is submitting {folder.parent} at the moment: wait until it has ended, or delete {path} "
            "if there is none"
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _is_left_behind(path: Path, host: str) -> bool:
    """Whether who locked it was killed, on this machine; then the lock is removed."""
    aside = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        holder = json.loads(path.read_bytes())
        if holder["host"] != host or _is_running(holder["pid"]):
            return False
        path.rename(aside)
        if json.loads(aside.read_bytes()) == holder:
            aside.unlink()
            return True
        aside.rename(path)  # somebody was faster, and this is theirs
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
    """Raise InputError where jobs of this run wait or run, or where that can't be told."""
    record = folder / RECORD
    known = _recorded(folder)
    if not known and not (folder / SHARD).exists():  # nor by hand
        return
    clusters = sorted({job["cluster"] for job in known if job.get("cluster")})
    try:
        listed = slurm.in_queue(clusters, {job["user"] for job in known if isinstance(job.get("user"), int)})
    except InputError as error:
        if not known:
            return
        numbers = ", ".join(dict.fromkeys(job["number"] for job in known))
        raise InputError(
            f"expected squeue to tell whether the jobs of this run are still queued ({numbers}), found that {error}: "
            f"submit again when it answers, or delete {record} if none of them is"
        ) from error
    numbers = {job["number"] for job in known}
    ours = [job for job in listed if _is_of(job, folder, numbers)]
    if ours:
        states: dict[str, list[str]] = {}
        for job in ours:
            states.setdefault(job.number, []).append(job.state.lower())
        named = ", ".join(f"job {number} ({', '.join(dict.fromkeys(each))})" for number, each in states.items())
        cancel = shlex.join(["scancel", *([f"--clusters={','.join(clusters)}"] if clusters else []), *states])
        raise InputError(
            f"{folder.parent} is in SLURM's queue already, {named}: let it end, or use `{cancel}` and submit again"
        )


def _is_of(job: slurm.InQueue, folder: Path, numbers: set[str]) -> bool:
    """By its script: a number comes again after SLURM was set up anew."""
    found = _COMMAND.fullmatch(job.command)
    if not found:
        return job.number in numbers and not job.command
    script = Path(found[1])
    return script.name in (SHARD, REPORT) and script.parent.resolve() == folder.resolve()


def check_accepted(jobs: Sequence[Job]) -> None:
    """Raise InputError where SLURM would not take one of the jobs; nothing is queued by then."""
    for job in reversed(jobs):  # the report first: it asks for something else than what the user thinks of
        try:
            slurm.check_accepted(job.options, str(job.script), job.arguments)
        except Refused as error:
            raise InputError(
                f"nothing is queued, since {_refusal(job, error)}; if it is only that no node can take it now, "
                "dry_run=true prints the commands that queue it anyway"
            ) from error


def queue_jobs(jobs: Sequence[Job], folder: Path) -> list[Queued]:
    """Submit the jobs, one after another; return them as queued.

    Raises:
        InputError: SLURM refused one. Those before it are cancelled, or the sentence has the command that does it.
        Stopped: a signal came, ctrl-C too, with the same.
    """
    queued: list[Queued] = []
    with Stop(signals=(signal.SIGINT, signal.SIGHUP, *SIGNALS)) as stop:  # the last of a terminal that is closed
        try:
            for job in jobs:
                stop.check()
                first = queued[0].cluster_option if queued else []  # dependencies do not reach another cluster
                after = ":".join(["afterany", *(queued[place].number for place in job.after)])
                waits = [f"--dependency={after}"] if job.after else []
                queued.append(slurm.submit([*job.options, *first, *waits], str(job.script), job.arguments))
                _record(folder, queued[-1], job)
            stop.check()
        except Refused as error:
            all_queued = [*queued, *_queued_all_the_same(queued, folder)]
            raise InputError(f"{_refusal(jobs[len(queued)], error)}; {_undone(all_queued)}") from error
        except BaseException:
            say(f"the submission was broken off: {_undone(queued)}", sys.stderr)
            raise
    for job, made in zip(jobs, queued, strict=True):
        when = ", when they have ended" if job.keys == "slurm.report" else ""
        say(f"Submitted job {made.number}: {job.what}{when}, {job.script}")
    return queued


def _refusal(job: Job, error: Refused) -> str:
    mend = "correct the slurm.* keys"
    if job.keys == "slurm.report":
        mend = (
            "set what the cluster requires in slurm.report.* (partition, time, mem, cpus, gpus, options), or leave "
            "it out with slurm.report=null"
        )
    return f"{error.command} refused {job.what} ({error.words}): {mend} and submit again"


def _queued_all_the_same(queued: Sequence[Queued], folder: Path) -> list[Queued]:
    """Jobs of this run that SLURM has and that sbatch did not name: it gives up where the answer takes too long."""
    cluster = queued[0].cluster if queued else None
    try:
        listed = slurm.in_queue([cluster] if cluster else [])
    except InputError:
        return []
    numbers = dict.fromkeys(job.number for job in listed if _is_of(job, folder, set()))
    return [Queued(number, cluster) for number in numbers if number not in {job.number for job in queued}]


def _undone(queued: Sequence[Queued]) -> str:
    """Cancel what was queued; say what came of it."""
    if not queued:
        return "nothing is queued"
    left, words = [], ""
    for job in queued:
        try:
            slurm.cancel(job)
        except InputError as error:
            left.append(job)
            words = str(error)
    if left:
        commands = "; ".join(shlex.join(["scancel", *job.cluster_option, job.number]) for job in left)
        return f"job {', '.join(job.number for job in left)} is still queued, because {words}; to cancel it: {commands}"
    return f"job {', '.join(job.number for job in queued)}, queued before, is cancelled"


def _record(folder: Path, queued: Queued, job: Job) -> None:
    made = {
        "number": queued.number,
        "user": os.getuid(),
        "cluster": queued.cluster,
        "what": job.what,
        "submitted": _now(),
    }
    write_atomic(folder / RECORD, strict_json({"jobs": [*_recorded(folder), made]}).encode())


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
            "none of them is queued"
        ) from error


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
