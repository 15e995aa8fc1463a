"""The commands of this project: as arguments of a new process, and as a user types them."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from eval.base.errors import InputError
from eval.base.variables import variable

PROGRAM = Path(__file__).resolve().parents[2] / "i2p_bench.py"
NAME = "i2p-bench"
SAFE_PATH = "PYTHONSAFEPATH"
REQUEUE = "I2P_BENCH_REQUEUE"  # set by the scripts of eval.submit: a shard that a signal ended requeues itself
SUBMITTED = "slurm"  # the folder of a run directory with the scripts and logs of the jobs of `eval.submit`


def command_line(name: str, arguments: Sequence[str] = ()) -> list[str]:
    """Return the arguments that start `eval.NAME` as a process in any folder; it finds this project by its own path."""
    return [sys.executable, str(PROGRAM), name, *arguments]


def typed(name: str, arguments: Sequence[str] = ()) -> str:
    """Return the command by which a user starts `eval.NAME` from a shell on this machine, in any folder."""
    return shlex.join([*_program(), name, *arguments])


def safe_path() -> contextlib.AbstractContextManager[None]:
    """Keep the current folder out of the module path of processes that multiprocessing starts meanwhile.

    Python 3.10 ignores the variable: there, a `signal.py` in the current folder hides Python's own.
    """
    return variable(SAFE_PATH, "1")


def _program() -> list[str]:
    """Return the console command, by its path if its name starts another environment's; else Python and a script."""
    script, on_path = Path(sys.executable).with_name(NAME), shutil.which(NAME)
    if script.is_file():
        return [NAME if on_path and Path(on_path) == script else str(script)]
    return [NAME] if on_path else [sys.executable, str(PROGRAM)]


def expanded(key: str, path: str) -> str:
    """Return a path with the home folder in place of a leading `~` or `~user`, so that no library expands it again.

    Args:
        key: the path's name in an error.
        path: as typed.

    Raises:
        InputError: this machine has no such user.
    """
    absolute = os.path.expanduser(path)
    if absolute.startswith("~"):
        user = path.partition("/")[0]
        raise InputError(
            f"{key} must begin with the home folder of a user of this machine, found no user {user}: write ./{path} "
            "for a folder of that name"
        )
    return os.path.abspath(absolute) if os.path.normpath(absolute).startswith("~") else absolute
