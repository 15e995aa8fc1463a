"""Commands called in the test's own process, which has imported everything: for what they print and their exit codes.

`run` returns what `subprocess.run` does. Signals, kills and real streams need a process (`processes`).
"""

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from eval.base.signals import SIGNALS


class Accepted(BaseException):
    """Raised by what a test puts in the place of work that need not be done; it ends a command, with this code."""

    code = "accepted"


class Terminal(io.StringIO):
    """A stdout that says it is a terminal's."""

    def isatty(self) -> bool:
        return True


def run(
    command: str | Path, *words, cwd=None, env: Mapping[str, str] | None = None, columns: int | None = None
) -> subprocess.CompletedProcess:
    """Call a command (`eval.run`), or a script by its path, as from the command line; `env` adds to the environment.

    With `columns`, stdout is a terminal of that width. A bug's traceback reaches the test as the exception that it is.
    """
    words = [os.fspath(word) for word in words]
    out, err = io.StringIO() if columns is None else Terminal(), io.StringIO()
    env = {**(env or {}), **({} if columns is None else {"COLUMNS": str(columns)})}
    with pytest.MonkeyPatch.context() as patch, _own_log(), contextlib.ExitStack() as streams:
        patch.setattr("sys.argv", [os.fspath(command), *words])
        patch.setattr("sys.orig_argv", [sys.executable, os.fspath(command), *words])
        patch.setattr("sys.path", [os.path.dirname(os.path.realpath(command)), *sys.path])
        streams.enter_context(environment(env))
        if cwd is not None:
            patch.chdir(cwd)
        streams.enter_context(contextlib.redirect_stdout(out))
        streams.enter_context(contextlib.redirect_stderr(err))
        with pytest.raises((SystemExit, Accepted)) as stopped:
            _call(command)
    return subprocess.CompletedProcess([command, *words], stopped.value.code or 0, out.getvalue(), err.getvalue())


def _call(command: str | Path) -> None:
    if os.fspath(command).endswith(".py"):
        runpy.run_path(os.fspath(command), run_name="__main__")
    else:
        folder = importlib.util.find_spec(command).submodule_search_locations is not None
        importlib.import_module(f"{command}.__main__" if folder else command).main()


@contextlib.contextmanager
def environment(more: Mapping[str, str]):
    """The environment with more in it; afterwards it is as it was, and so are what hears signals and prints tracebacks.

    A command sets variables for libraries, and ends with its signals ignored; whatever starts later would inherit them.
    """
    before, hooks = dict(os.environ), (sys.excepthook, threading.excepthook)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    os.environ.update(more)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = hooks
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _own_log():
    """No handler of pytest's: the command sets its own up, which writes to what is stderr then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
