"""Printing: results on stdout, warnings and errors on stderr, all through `say` and Python's `logging`.

No control characters reach the terminal, because prompts and file names may hold any. Nothing that a run computes
depends on its output being read: if the reader ends (`… | head`) or the disk is full, only the output is lost. Only
Python itself is imported here, because the doctor prints when packages are missing.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import os
import shutil
import sys
import threading
import traceback
from typing import TextIO

from eval.base.escape import terminal

MINUS = "\N{MINUS SIGN}"  # of print: a hyphen is shorter than the plus sign beside it, and lines may end after it
# What an encoding that lacks them has for signs: a number without its sign would be another number.
_SIGNS = {MINUS: "-", "–": "-"}
_SIGNS_OR = "i2p_bench.signs"
# Error handlers that fail for characters that an encoding lacks.
_RAISING = ("strict", "surrogateescape", "surrogatepass")


def prepare_printing() -> None:
    """Escape tracebacks with `terminal`, and make printing safe in any encoding; a second call changes nothing.

    Characters that the encoding lacks (`LC_ALL=de_DE.ISO-8859-1`, `PYTHONIOENCODING=ascii`, Windows' cp1252) are
    replaced, signs of numbers by ASCII's.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed by the shell (`>&-`): the next file would get its number and the output
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if getattr(sys.stdout, "errors", None) in _RAISING and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors=_SIGNS_OR)  # stderr never raises: Python makes it escape them
    # No bars of downloads in a log: they would fail if its disk is full.
    if getattr(sys.stderr, "closed", False) or not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.excepthook = _print_traceback
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _print_traceback_of_thread


def log_plainly(layout: str) -> None:
    """Print warnings, those of libraries too, on stderr in this layout."""
    prepare_printing()
    logging.setLogRecordFactory(_Record)
    logging.captureWarnings(True)
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter(layout))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_SIGNS.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error(_SIGNS_OR, _in_ascii)


class _Record(logging.LogRecord):
    """A record whose message is escaped whatever handler prints it; some libraries have their own."""

    def getMessage(self) -> str:
        return terminal(super().getMessage())


class _Handler(logging.StreamHandler):
    """Warnings on lines of their own, beside a bar that is drawn."""

    def emit(self, record):
        with contextlib.suppress(ValueError):  # it is closed
            say_in_place("")
        super().emit(record)


class _Formatter(logging.Formatter):
    """A layout whose tracebacks are escaped too."""

    def formatException(self, ei) -> str:
        return terminal(super().formatException(ei))


def say(text: str, stream: TextIO | None = None) -> None:
    """Print to stdout, or to sys.stderr, and flush. Output that can't be written is lost, with a warning on stderr.

    On a terminal's stderr it takes the place of a line that stands there, such as a bar, also that of another process,
    which is drawn anew below it when it moves.
    """
    stream, text = stream or sys.stdout, terminal(text)
    try:
        if stream is sys.stderr:
            say_in_place("")
        try:
            print(text, file=stream, flush=True)
        except UnicodeError:  # a stream that can't be told to replace characters, such as codecs' own
            print(text.encode("ascii", _SIGNS_OR).decode(), file=stream, flush=True)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        # As Python's documentation advises: the rest of its buffer would fail again when the process ends, and change
        # the exit code.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):  # that reader ended on purpose
            say(f"warning: stdout can't be written ({error}): what is printed is lost", sys.stderr)


def say_in_place(text: str) -> None:
    """Replace the line on stderr, if that is a terminal; a line that is wider than the terminal is cut."""
    if not sys.stderr.isatty():
        return
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = shutil.get_terminal_size().columns
    width = max(columns - 1, 0)  # Python 3.10 says 0 of a terminal that has no size
    with contextlib.suppress(OSError):  # the next line tells more
        sys.stderr.write(f"\r{terminal(text)[:width]:<{width}}\r")
        sys.stderr.flush()


def _print_traceback(kind, error, trace) -> None:
    say("".join(traceback.format_exception(kind, error, trace)).rstrip(), sys.stderr)


def _print_traceback_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit:
        _print_traceback(ended.exc_type, ended.exc_value, ended.exc_traceback)
