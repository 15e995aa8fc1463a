"""What a process prints: results on stdout, warnings and errors on stderr, all by way of `say` and Python's `logging`.

Nothing printed steers the terminal, for a prompt or a file's name may hold anything; and nothing that a run computes
depends on who reads along: a reader that leaves (`… | head`) or a full disk costs what is printed, and no more. Only
Python itself is imported here, for the doctor prints where packages are missing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from typing import TextIO

from eval.base.escape import terminal

_RAISING = ("strict", "surrogateescape", "surrogatepass")  # what an encoding does with signs that it lacks


def prepare_printing() -> None:
    """Have all that this process prints pass through `terminal` and no encoding raise; a second call changes nothing.

    Signs that the encoding lacks (`LC_ALL=de_DE.ISO-8859-1`, `PYTHONIOENCODING=ascii`, Windows' cp1252) are replaced.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed by the shell (`>&-`): else the next file would get its number, and what is printed
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if getattr(sys.stdout, "errors", None) in _RAISING and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # stderr never raises: Python has it replace them
    if not sys.stderr.isatty():  # the downloads' bars, which have no place in a log, and would fail with its disk
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.excepthook = _print_traceback


def log_plainly(layout: str) -> None:
    """Have warnings, those of libraries too, go to stderr in this layout."""
    prepare_printing()
    logging.setLogRecordFactory(_Record)
    logging.captureWarnings(True)
    logging.basicConfig(level=logging.WARNING, format=layout, stream=sys.stderr)


class _Record(logging.LogRecord):
    """A record that quotes names in plain; some libraries have handlers of their own."""

    def getMessage(self) -> str:
        return terminal(super().getMessage())


def say(text: str, stream: TextIO | None = None) -> None:
    """Print to stdout, or to sys.stderr, at once. What can't be written is lost, which is said on stderr."""
    stream = stream or sys.stdout
    try:
        print(terminal(text), file=stream, flush=True)
    except OSError as error:
        # As Python's own documentation advises: what is left in its buffer would fail again, and change the exit code,
        # when the process ends.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):  # that reader has left on purpose
            say(f"warning: stdout can't be written ({error}): what is printed is lost", sys.stderr)


def _print_traceback(kind, error, trace) -> None:
    say("".join(traceback.format_exception(kind, error, trace)).rstrip(), sys.stderr)
