"""The batch scripts of a run's shards and of its report, and their options for sbatch."""

from __future__ import annotations

import re
import shlex
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.base.command import REQUEUE, SUBMITTED
from eval.base.errors import InputError
from eval.base.files import write_atomic
from eval.config.slurm import ReportJob, SlurmSettings
from eval.submit.settings import option_words

SHARD, REPORT = "shard.sbatch", "report.sbatch"

# The run is a child process, so that no signal is lost: if one kills the run because Python is not listening yet, the
# script requeues the job.
SHARD_BODY = """\
if [ -z "${{SLURM_ARRAY_TASK_ID:-}}" ]; then
  echo "error: this script must run as a task of a job array, found none: submit it with --array=0-N, as" \\
    "dry_run=true prints it" >&2
  exit 2
fi
# SLURM warns this shell, which passes the signal on; the run then stores its batch and requeues itself.
i2p_signal= i2p_run=
i2p_hand_on() {{
  i2p_signal=$1
  [ -z "$i2p_run" ] || kill -"$1" "$i2p_run" 2>/dev/null
}}
trap 'i2p_hand_on USR2' USR2
trap 'i2p_hand_on TERM' TERM INT
export {mark}=1
{begin}
set +e # the lines above may have set it, and a signal ends a sleep and a wait below
{command} "shard.index=$((${{1:-0}} + SLURM_ARRAY_TASK_ID))" &
i2p_run=$!
[ -z "$i2p_signal" ] || kill -"$i2p_signal" "$i2p_run" 2>/dev/null
while kill -0 "$i2p_run" 2>/dev/null; do sleep 1; done # a wait that a signal interrupts may lose the exit code
trap '' USR2 TERM INT
wait "$i2p_run"
i2p_code=$?
if [ "$i2p_code" -gt 128 ]; then
  case $(kill -l "$i2p_code" 2>/dev/null) in
    USR2 | TERM) {requeue}; exit ;; # killed by a signal before it listened
  esac
fi
exit "$i2p_code"
"""


def shard_options(slurm: SlurmSettings, run: Path) -> list[str]:
    """Return the options of the shards' arrays, except --array.

    Raises:
        InputError: a value that sbatch can't take.
    """
    return _words(
        {
            "job-name": f"i2p-{_plain(run.name)}",
            "output": _log(run, "%A_%a.log"),
            "open-mode": "append",
            **_resources(slurm),
            "signal": f"B:USR2@{slurm.warning}",
            "requeue": True,
        },
        option_words(slurm.options, "slurm.options"),
    )


def report_options(report: ReportJob, run: Path) -> list[str]:
    """Return the options of the report's job, except --dependency.

    Raises:
        InputError: a value that sbatch can't take.
    """
    return _words(
        {"job-name": f"i2p-{_plain(run.name)}-report", "output": _log(run, "report_%j.log"), **_resources(report)},
        option_words(report.options, "slurm.report.options"),
    )


def shard_script(options: Sequence[str], setup: str | None, command: Sequence[str], requeue: Sequence[str]) -> str:
    """Return the batch script of a shard, a task of an array; its argument is the index of the array's first shard.

    Args:
        options: for sbatch, which reads them from the script unless its command line has them.
        setup: shell lines before the command; None for none.
        command: the words that run a shard, without shard.index.
        requeue: the words that put the job back into the queue.
    """
    head = "# A shard of a run, written by eval.submit. Submit again to resume: finished work is kept."
    body = SHARD_BODY.format(
        mark=REQUEUE, begin="\n".join(_first_lines(setup)), command=shlex.join(command), requeue=shlex.join(requeue)
    )
    return "\n".join(["#!/bin/bash", head, *_lines(options), "", body])


def report_script(options: Sequence[str], setup: str | None, command: Sequence[str]) -> str:
    """Return the batch script of the report, which exits with 3 if images are missing; for arguments see above."""
    return "\n".join(
        [
            "#!/bin/bash",
            "# The report of a run, from whatever its shards have stored.",
            *_lines(options),
            "",
            *_first_lines(setup),
            f"exec {shlex.join(command)}",
            "",
        ]
    )


def write_scripts(run: Path, shard: str, report: str | None) -> None:
    """Write the scripts into the run directory, or remove that of the report if it is None."""
    for name, text in ((SHARD, shard), (REPORT, report)):
        path = run / SUBMITTED / name
        if text is None:
            path.unlink(missing_ok=True)
            continue
        write_atomic(path, text.encode("utf-8", "surrogateescape"))
        path.chmod(0o755)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def _log(run: Path, name: str) -> str:
    """Return the path of a log as a pattern of SLURM's, in which % begins a variable."""
    if "\\" in str(run):
        raise InputError(
            f"out must be a path without a backslash, because SLURM can't write a log there, found {run}: give another "
            "out=…"
        )
    return f"{str(run).replace('%', '%%')}/slurm/{name}"


def _resources(job: SlurmSettings | ReportJob) -> dict[str, Any]:
    gpus = {None: None, 0: "none", "0": "none"}.get(job.gpus, f"gpu:{job.gpus}")
    keys = ("partition", "time", "mem", "account", "qos", "constraint")
    return {"gres": gpus, "cpus-per-task": job.cpus, **{key: getattr(job, key) for key in keys}}


def _words(options: dict[str, Any], more: Sequence[str]) -> list[str]:
    """Return the options that have a value as words of a command line; of equal names, sbatch takes the last."""
    words = [f"--{key}" if value is True else f"--{key}={value}" for key, value in options.items() if value is not None]
    for word in [*words, *more]:
        if any(unicodedata.category(character) == "Cc" for character in word):
            raise InputError(
                f"an option of sbatch must have no line breaks or control characters, found {word!r}: rename it"
            )
    return [*words, *more]


def _lines(words: Sequence[str]) -> list[str]:
    """Return the lines that sbatch reads; in double quotes a backslash escapes, and $ means nothing."""
    lines = []
    for word in words:
        key, equals, value = word.partition("=")
        if re.fullmatch(r"[\w./:@,+=-]*", value, re.ASCII):
            lines.append(f"#SBATCH {word}")
        else:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'#SBATCH {key}{equals}"{escaped}"')
    return lines


def _first_lines(setup: str | None) -> list[str]:
    """Return the first lines of both scripts; with --export=NONE the PATH of a job may lack SLURM's commands."""
    scontrol = shutil.which("scontrol")
    path = [f'export PATH="$PATH":{shlex.quote(str(Path(scontrol).parent))}'] if scontrol else []
    return [f"cd {shlex.quote(str(Path.cwd()))} || exit 1", *path, *([setup] if setup else [])]
