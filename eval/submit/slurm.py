"""SLURM's commands (sbatch, scancel, squeue, scontrol) and their environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from eval.base.command import REQUEUE
from eval.base.errors import InputError, Refused

USUAL_ARRAY_SIZE = 1001  # SLURM's default of MaxArraySize
# Variables SLURM_* that a site or user sets. The others belong to a job, and would be taken for those of the new job.
SITE = (
    *("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT", "SLURM_EXIT_ERROR"),
    *("SLURM_BITSTR_LEN", "SLURM_DEBUG_FLAGS"),
)
# Variables SBATCH_* that the binding of a job sets.
BINDING = ("SBATCH_CPU_BIND", "SBATCH_MEM_BIND")
# Variables with which sbatch waits for each job, or makes an array of a single job.
UNWANTED = ("SBATCH_WAIT", "SBATCH_ARRAY_INX")


@dataclass(frozen=True)
class Queued:
    """A job that SLURM accepted.

    Attributes:
        number: of the job or array.
        cluster: its name, if sbatch prints it, as with SLURM_CLUSTERS.
    """

    number: str
    cluster: str | None = None

    @property
    def cluster_option(self) -> list[str]:
        """The option with which other commands find it."""
        return [f"--clusters={self.cluster}"] if self.cluster else []


@dataclass(frozen=True)
class InQueue:
    """A job, or a task of an array, that squeue lists.

    Attributes:
        number: of the job or array.
        state: such as PENDING.
        command: its script and arguments.
    """

    number: str
    state: str
    command: str


def check_accepted(options: Sequence[str], script: str, arguments: Sequence[str]) -> None:
    """Raise `Refused` if sbatch would not accept a job."""
    _call("sbatch", "--test-only", *options, script, *arguments)


def submit(options: Sequence[str], script: str, arguments: Sequence[str]) -> Queued:
    """Submit a batch script.

    Raises:
        Refused: sbatch did not accept it, or printed no number.
    """
    printed = _call("sbatch", "--parsable", *options, script, *arguments)
    for line in reversed(printed.splitlines()):  # the sbatch of a site may print a greeting first
        if match := re.fullmatch(r"(\d+)(?:;(\S+))?", line.strip()):
            return Queued(match[1], match[2])
    raise Refused("sbatch", f"expected the number of a job from it, found {' '.join(printed.split()) or 'nothing'}")


def cancel(job: Queued) -> None:
    """Cancel a job, with all tasks of an array."""
    _call("scancel", *job.cluster_option, job.number)


def in_queue(clusters: Collection[str], users: Collection[int] = ()) -> list[InQueue]:
    """Return the jobs that wait, run or end.

    Args:
        clusters: to ask; none for this cluster or those of the environment.
        users: ids of users, besides this user.

    Raises:
        InputError: squeue is missing or refuses.
    """
    options = [f"--clusters={','.join(sorted({*clusters, *_clusters()}))}"] if clusters or _clusters() else []
    people = ",".join(map(str, sorted({os.getuid(), *users})))
    printed = _call("squeue", "--noheader", *options, f"--user={people}", "--format=%F|%T|%o")
    # Each of several clusters has a heading, and the squeue of a site may leave out columns.
    lines = (line.strip() for line in printed.splitlines())
    rows = ([part.strip() for part in line.split("|", 2)] for line in lines if line[:1].isdigit())
    return [InQueue(re.match(r"\d+", row[0])[0], *(*row[1:], "", "")[:2]) for row in rows]


def largest_array_size() -> int:
    """Return the cluster's MaxArraySize, one more than the largest index of a task; 0 if it accepts no arrays."""
    options = [[f"--clusters={name}"] for name in _clusters()] or [[]]  # scontrol takes one cluster at a time
    printed = "\n".join(_call("scontrol", *cluster, "show", "config") for cluster in options)
    return min(map(int, re.findall(r"^MaxArraySize\s*=\s*(\d+)", printed, re.MULTILINE)), default=USUAL_ARRAY_SIZE)


def default_time(partition: str | None) -> tuple[str, str] | None:
    """Return a partition and its default time limit; None without a limit, for several partitions or other clusters.

    Args:
        partition: its name; None for the default partition.
    """
    if _clusters():
        return None
    try:
        printed = _call("scontrol", "--oneliner", "show", "partition")
    except Refused:
        return None
    for line in printed.splitlines():
        values = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if values.get("PartitionName") == partition if partition else values.get("Default") == "YES":
            limits = [values.get(name, "NONE") for name in ("DefaultTime", "MaxTime")]
            return next(((values["PartitionName"], limit) for limit in limits if limit != "NONE"), None)
    return None


def is_ending(job: str) -> bool:
    """Return whether SLURM itself is ending a job, which is cancelled or preempted."""
    return "JobState=COMPLETING" in _call("scontrol", *_this_cluster(), "--oneliner", "show", "job", job)


def requeue(job: str) -> None:
    """Put a job back into the queue."""
    _call("scontrol", *_this_cluster(), "requeue", job)


def _this_cluster() -> list[str]:
    """Return the option with which scontrol finds this cluster, if the environment names several."""
    name = os.environ.get("SLURM_CLUSTER_NAME")
    return [f"--clusters={name}"] if name and _clusters() else []


def _clusters() -> list[str]:
    """Return the clusters from which sbatch may choose, by the user's environment."""
    names = os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS") or ""
    return [name for name in names.split(",") if name]


def _call(*command: str) -> str:
    """Run one of SLURM's commands; return its output.

    Raises:
        InputError: not installed, or refused; the message has the command's own words.
    """
    if shutil.which(command[0]) is None:
        raise InputError(
            f"SLURM's {command[0]} must be on the PATH, found none: submit from a login node, or write only the "
            "scripts with dry_run=true"
        )
    # In a new session, so that ctrl-C reaches only this process: otherwise a queued job's number could be lost.
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=submission_environment(os.environ),
        start_new_session=True,
    )
    if done.returncode:
        raise Refused(command[0], " ".join(done.stderr.split()) or f"exit code {done.returncode}")
    return done.stdout


def submission_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of SLURM's commands, without the variables of the job in whose shell this may run."""
    inside = "SLURM_JOB_ID" in environment
    return {name: value for name, value in environment.items() if not _is_excluded(name, inside)}


def _is_excluded(name: str, inside: bool) -> bool:
    if name in UNWANTED or name == REQUEUE:
        return True
    return inside and (name.startswith(BINDING) or (name.startswith("SLURM_") and name not in SITE))
