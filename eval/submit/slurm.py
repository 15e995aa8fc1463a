"""SLURM's commands: the few that are asked something or told something, and in which environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from eval.base.command import REQUEUE
from eval.base.errors import InputError, Refused

USUAL_ARRAY_SIZE = 1001  # MaxArraySize where slurm.conf does not say
# Of SLURM_*, what a site or user sets. All others are what a job was given, and would be taken for another one's.
SITE = (
    *("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT", "SLURM_EXIT_ERROR"),
    *("SLURM_BITSTR_LEN", "SLURM_DEBUG_FLAGS"),
)
# Of SBATCH_*, what a job's own binding leaves behind.
BINDING = ("SBATCH_CPU_BIND", "SBATCH_MEM_BIND")
# With these sbatch waits for each job, or makes an array of what is none.
NOT_OURS = ("SBATCH_WAIT", "SBATCH_ARRAY_INX")


@dataclass(frozen=True)
class Queued:
    """A job that SLURM took; `cluster` is its name where sbatch says it, with SLURM_CLUSTERS."""

    number: str
    cluster: str | None = None

    @property
    def cluster_option(self) -> list[str]:
        """What the other commands need to find it."""
        return [f"--clusters={self.cluster}"] if self.cluster else []


@dataclass(frozen=True)
class InQueue:
    """A job or an array's task as squeue lists it: the number of the job or array, its state, and its script."""

    number: str
    state: str
    command: str


def check_accepted(options: Sequence[str], script: str, arguments: Sequence[str]) -> None:
    """Raise `Refused` where sbatch would not take a job."""
    _call("sbatch", "--test-only", *options, script, *arguments)


def submit(options: Sequence[str], script: str, arguments: Sequence[str]) -> Queued:
    """Submit a batch script; return the job.

    Raises:
        Refused: sbatch did not take it, or named no job.
    """
    printed = _call("sbatch", "--parsable", *options, script, *arguments)
    for line in reversed(printed.splitlines()):  # a site's own sbatch may greet first
        if found := re.fullmatch(r"(\d+)(?:;(\S+))?", line.strip()):
            return Queued(found[1], found[2])
    raise Refused("sbatch", f"expected the number of a job from it, found {' '.join(printed.split()) or 'nothing'}")


def cancel(job: Queued) -> None:
    """Have SLURM end a job, with all of its tasks."""
    _call("scancel", *job.cluster_option, job.number)


def in_queue(clusters: Collection[str], users: Collection[int] = ()) -> list[InQueue]:
    """Return the jobs that wait, run or end, of this user and others, on the clusters named or else on this one."""
    chosen = [f"--clusters={','.join(sorted({*clusters, *_clusters()}))}"] if clusters or _clusters() else []
    people = ",".join(map(str, sorted({os.getuid(), *users})))
    said = _call("squeue", "--noheader", *chosen, f"--user={people}", "--format=%F|%T|%o")
    # Of several clusters each has a heading, and a site's own squeue may leave columns out.
    lines = (line.strip() for line in said.splitlines())
    rows = ([part.strip() for part in line.split("|", 2)] for line in lines if line[:1].isdigit())
    return [InQueue(re.match(r"\d+", row[0])[0], *(*row[1:], "", "")[:2]) for row in rows]


def largest_array_size() -> int:
    """Return the cluster's MaxArraySize, one more than the largest index of a task; 0 where it takes no arrays."""
    chosen = [[f"--clusters={name}"] for name in _clusters()] or [[]]
    said = "\n".join(_call("scontrol", *cluster, "show", "config") for cluster in chosen)  # it takes one at a time
    return min(map(int, re.findall(r"^MaxArraySize\s*=\s*(\d+)", said, re.MULTILINE)), default=USUAL_ARRAY_SIZE)


def default_time(partition: str | None) -> tuple[str, str] | None:
    """Return a partition and the time limit of a job that names none, None where there is none or that can't be told.

    Of several partitions, and on another cluster than this one, it can't.
    """
    if _clusters():
        return None
    try:
        printed = _call("scontrol", "--oneliner", "show", "partition")
    except Refused:
        return None
    for line in printed.splitlines():
        said = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if said.get("PartitionName") == partition if partition else said.get("Default") == "YES":
            limits = [said.get(name, "NONE") for name in ("DefaultTime", "MaxTime")]
            return next(((said["PartitionName"], limit) for limit in limits if limit != "NONE"), None)
    return None


def is_ending(job: str) -> bool:
    """Whether SLURM itself is ending a job, cancelled or preempted."""
    return "JobState=COMPLETING" in _call("scontrol", *_this_cluster(), "--oneliner", "show", "job", job)


def requeue(job: str) -> None:
    """Put a job back into the queue."""
    _call("scontrol", *_this_cluster(), "requeue", job)


def _this_cluster() -> list[str]:
    """What scontrol needs in a job: of several clusters it is on this one."""
    name = os.environ.get("SLURM_CLUSTER_NAME")
    return [f"--clusters={name}"] if name and _clusters() else []


def _clusters() -> list[str]:
    """The clusters that the user's environment has sbatch choose from."""
    names = os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS") or ""
    return [name for name in names.split(",") if name]


def _call(*command: str) -> str:
    """Run one of SLURM's commands; return what it prints.

    Raises:
        InputError: it is not installed, or refuses; the sentence has its own words.
    """
    if shutil.which(command[0]) is None:
        raise InputError(
            f"expected SLURM's {command[0]} on the PATH, found none: submit from a login node, or dry_run=true writes "
            "the scripts only"
        )
    # A session of its own: ctrl-C is ours to hear, or a job could be queued and nobody know its number.
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
    """Return what SLURM's commands may see: all that a login shell says, but of a job's shell not what is the job's."""
    inside = "SLURM_JOB_ID" in environment
    return {name: value for name, value in environment.items() if not _is_left_out(name, inside)}


def _is_left_out(name: str, inside: bool) -> bool:
    if name in NOT_OURS or name == REQUEUE:
        return True
    return inside and (name.startswith(BINDING) or (name.startswith("SLURM_") and name not in SITE))
