"""SLURM: the scripts of a run's shards and of its report, and the few commands that are asked of it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.errors import InputError
from eval.files import write_atomic

REQUEUE = "I2P_BENCH_REQUEUE"  # set by our scripts: a shard that a signal ended puts itself back into the queue


@dataclass(frozen=True)
class SlurmSettings:
    """Key by key the `slurm` of conf/submit.yaml; None leaves a choice to the cluster."""

    partition: str | None = None
    time: str | None = None
    gpus: Any = None
    cpus: int | None = 4
    mem: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    at_once: int | None = None
    warning: int = 300
    setup: str | None = None
    options: list[str] = field(default_factory=list)


def shard_script(slurm: SlurmSettings, run: Path, arguments: Sequence[str]) -> str:
    """Return the batch script of one shard, an array's task; its argument is added to the task's number."""
    options = {
        "job-name": f"i2p-{_plain(run.name)}",
        "output": f"{run}/slurm/%A_%a.log",
        "open-mode": "append",
        "partition": slurm.partition,
        "time": slurm.time,
        "gres": None if slurm.gpus is None else f"gpu:{slurm.gpus}",
        "cpus-per-task": slurm.cpus,
        "mem": slurm.mem,
        "account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "signal": f"B:USR2@{slurm.warning}",
    }
    return "\n".join(
        [
            "#!/bin/bash",
            "# One shard of a run, written by `python -m eval.submit`. Submit again to go on: what is done stays done.",
            *_options(options),
            "#SBATCH --requeue",
            *(f"#SBATCH {_one_line(option)}" for option in slurm.options),
            "",
            f"cd {shlex.quote(str(Path.cwd()))} || exit 1",
            *([slurm.setup] if slurm.setup else []),
            f"export {REQUEUE}=1",
            "# exec: SLURM's warning goes to this process, which is to be the run itself.",
            f"exec {_command('eval.run', arguments)} \\",
            '  "shard.index=$((${1:-0} + SLURM_ARRAY_TASK_ID))"',
            "",
        ]
    )


def report_script(slurm: SlurmSettings, run: Path) -> str:
    """Return the batch script of the report, which waits for the shards and exits with 3 where images are missing."""
    options = {
        "job-name": f"i2p-{_plain(run.name)}-report",
        "output": f"{run}/slurm/report_%j.log",
        "partition": slurm.partition,
        "account": slurm.account,
        "qos": slurm.qos,
    }
    return "\n".join(
        [
            "#!/bin/bash",
            "# The report of a run, from whatever its shards have stored.",
            *_options(options),
            "",
            f"cd {shlex.quote(str(Path.cwd()))} || exit 1",
            *([slurm.setup] if slurm.setup else []),
            f"exec {_command('eval.report', [str(run)])}",
            "",
        ]
    )


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def _options(options: dict[str, Any]) -> list[str]:
    """The lines that sbatch reads. It knows double quotes, and no escapes in them."""
    lines = []
    for key, value in options.items():
        text = str(value)
        if value is None:
            continue
        if '"' in text or not text.isprintable():
            raise InputError(
                f"a value without quotes and line breaks was expected for --{key}, found {text!r}: rename it"
            )
        lines.append(f"#SBATCH --{key}=" + (f'"{text}"' if " " in text else text))
    return lines


def _one_line(option: str) -> str:
    if not option.isprintable():
        raise InputError(
            f"slurm.options must each be one line for sbatch, found {option!r}: use slurm.setup for commands"
        )
    return option


def _command(module: str, arguments: Sequence[str]) -> str:
    return shlex.join([sys.executable, "-m", module, *arguments])


def array_ranges(count: int, largest_index: int) -> list[tuple[int, int]]:
    """Return (offset, tasks) of arrays that together have `count` tasks, none with an index above `largest_index`."""
    most = largest_index + 1
    return [(start, min(most, count - start)) for start in range(0, count, most)]


def largest_array_index() -> int:
    """Return the cluster's largest array index: MaxArraySize caps the index, not the number of tasks."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _slurm("scontrol", "show", "config"), re.MULTILINE)
    return int(found[1]) - 1 if found else 1000


def submit(script: Path, *arguments: str, options: Sequence[str] = ()) -> str:
    """Submit a batch script; return the job's number."""
    return _slurm("sbatch", "--parsable", *options, str(script), *arguments).strip().split(";")[0]


def requeue_this_job() -> bool:
    """Put the job that this process is back into SLURM's queue, if our script asks for it; return whether it was."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if not os.environ.get(REQUEUE) or None in job:
        return False
    _slurm("scontrol", "requeue", "_".join(job))
    return True


def _slurm(*command: str) -> str:
    """Run one of SLURM's commands; return what it prints.

    Raises:
        InputError: it is not installed, or refuses; the sentence has its own words.
    """
    if shutil.which(command[0]) is None:
        raise InputError(
            f"expected SLURM's {command[0]} on the PATH, found none: submit from a login node, or dry_run=true writes "
            "the scripts only"
        )
    # From inside a job its variables would be taken for this submission's options.
    kept = ("SLURM_CONF",)
    environment = {k: v for k, v in os.environ.items() if k in kept or not k.startswith(("SLURM_", "SBATCH_"))}
    environment.pop(REQUEUE, None)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise InputError(f"{command[0]} refused ({said}): correct the slurm.* keys and submit again")
    return done.stdout


def write_scripts(run: Path, shard: str, report: str) -> tuple[Path, Path]:
    """Write both scripts into the run directory; return their paths."""
    paths = run / "slurm" / "shard.sbatch", run / "slurm" / "report.sbatch"
    for path, text in zip(paths, (shard, report), strict=True):
        write_atomic(path, text.encode())
        path.chmod(0o755)
    return paths
