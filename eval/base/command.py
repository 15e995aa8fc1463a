"""Our own commands: as another process begins with them, and as a user types them."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.base.errors import InputError

PROGRAM = Path(__file__).resolve().parents[2] / "i2p_bench.py"
NAME = "i2p-bench"
SAFE_PATH = "PYTHONSAFEPATH"
REQUEUE = "I2P_BENCH_REQUEUE"  # set by our scripts: a shard that a signal ended puts itself back into the queue


def command_line(name: str, arguments: Sequence[str] = ()) -> list[str]:
    """Return the words that start `eval.NAME` as a process, in whichever folder: it finds our packages by itself."""
    return [sys.executable, str(PROGRAM), name, *arguments]


def typed(name: str, arguments: Sequence[str] = ()) -> str:
    """Return how a user starts `eval.NAME` from a shell on this machine, in whichever folder."""
    return shlex.join([*_program(), name, *arguments])


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Have Python begin processes of multiprocessing's without a look into the current folder for its own modules.

    Python 3.10 knows no such thing: a `signal.py` there is then found first. Ours never are.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


def _program() -> list[str]:
    """The console command where it is installed: by its name if that is this environment's, else by its path."""
    beside, found = Path(sys.executable).with_name(NAME), shutil.which(NAME)
    if beside.is_file():
        return [NAME if found and Path(found) == beside else str(beside)]
    return [NAME] if found else [sys.executable, str(PROGRAM)]


def expanded(key: str, path: str) -> str:
    """Return a path with the home folder for a leading `~` or `~user`; one that nobody expands again.

    Raises:
        InputError: there is no such user here.
    """
    found = os.path.expanduser(path)
    if found.startswith("~"):
        user = path.partition("/")[0]
        raise InputError(
            f"{key} begins with a user's home folder, found no user {user} here: write ./{path} for a folder"
        )
    return os.path.abspath(found) if os.path.normpath(found).startswith("~") else found
