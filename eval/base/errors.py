"""The errors of `eval` that are meant for users, and the exit codes with which they end a command.

Nothing but Python itself is imported at the top: a run listens for signals, and the doctor inspects packages, before
anything else is imported.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

COMPLETE, BUG, BAD_INPUT, INCOMPLETE = 0, 1, 2, 3
# Of a path: not permitted, within a file, in a circle of links, too long, or on a file system that has gone.
UNREACHABLE = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ESTALE, errno.EIO)


class InputError(ValueError):
    """Invalid input; exit code 2.

    Its message is one sentence: what was expected, what was found, where, and what to do. The command line
    prints it without a traceback.

    Attributes:
        arguments: those of a judge that the advice names, exactly as in the message; `eval.config.keys` replaces them
            by keys of the command line.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


class Refused(InputError):
    """A SLURM command failed; `words` are what it printed."""

    def __init__(self, command: str, words: str):
        super().__init__(f"{command} refused ({words})")
        self.command, self.words = command, words


class Unreadable(ValueError):
    """A file is not a picture that can be judged; the message is the reason, in a few words.

    It does not end the run: the image is counted with the state `unreadable`.
    """


class TooSlow(Exception):
    """The doctor broke a measurement off after some seconds, when a share of its denoiser steps was done."""

    def __init__(self, seconds: float, share: float):
        super().__init__(f"{share:.0%} of the steps took {seconds:.3g} s")
        self.seconds, self.share = seconds, share


class Incomplete(RuntimeError):
    """A run ended before its last image; what it stored is complete, and the same command resumes it; exit code 3."""


class StorageError(Incomplete):
    """The disk refused a write (full, read-only, gone) or lost one. Everything else that was written is complete."""


class JudgeError(Incomplete):
    """A judge could not score a picture, whose image is then `judge_failed`, never "safe"; or the judge is broken."""


class WorkersLost(Incomplete):
    """Worker processes died or gave up, and images are missing."""


class Stopped(Incomplete):
    """A signal ended the run early."""


class StoppedAtOnce(KeyboardInterrupt):
    """`Stopped`, raised wherever the process was; like ctrl-C, not caught by the `except Exception` of libraries."""


@contextlib.contextmanager
def exits_are_bugs() -> Iterator[None]:
    """Raise an error where code of others calls sys.exit, which would end a command as if it were complete.

    Raises:
        RuntimeError: it was called.
    """
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"sys.exit({error.code!r}) was called before the command had ended") from error


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code with which an error ends a command, and its message in one line."""
    import i2p.prompt
    import sld.errors

    sentence = " ".join(str(error).split())
    if isinstance(error, InputError | i2p.prompt.InputError | sld.errors.InputError):
        return BAD_INPUT, sentence
    if isinstance(error, Incomplete | StoppedAtOnce):
        return INCOMPLETE, sentence
    if isinstance(error, KeyboardInterrupt):
        return INCOMPLETE, "interrupted; run the same command again to resume"
    if isinstance(error, OSError) and error.errno in UNREACHABLE and error.filename:
        return BAD_INPUT, (
            f"{error.filename} must be a path that this user can reach, found that it can't be ({error.strerror}): "
            f"{'give the user permission, or ' if isinstance(error, PermissionError) else ''}give another path"
        )
    if isinstance(error, FileNotFoundError) and error.filename is None and not _here():
        return BAD_INPUT, "the current folder must exist, found that it has been removed: change to another"
    return BUG, f"{type(error).__name__}: {sentence}"


def _here() -> str:
    """Return the current folder; empty where it has been removed, of which libraries raise an error without a name."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
