"""Every error of these packages that is meant to be read, and the exit code that each one ends a command with.

Nothing is imported at the top but Python itself: a run listens for signals, and the doctor looks at packages, before
anything else is imported.
"""

from __future__ import annotations

COMPLETE, BUG, BAD_INPUT, INCOMPLETE = 0, 1, 2, 3


class InputError(ValueError):
    """Something given from outside is wrong; exit code 2.

    Its message is one sentence: what was expected, what was found, where, and what to do. The command line
    prints it without a traceback. `arguments` are those of a judge that its advice names, as they stand in it:
    `eval.config.keys` makes keys of them.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


class Refused(InputError):
    """A command of SLURM's ended with an error; `words` are its own."""

    def __init__(self, command: str, words: str):
        super().__init__(f"{command} refused ({words})")
        self.command, self.words = command, words


class Unreadable(ValueError):
    """There is no picture to judge; the message says why, in a few words. It ends no run: the image is counted as such.

    Its state is `unreadable`.
    """


class Incomplete(RuntimeError):
    """A run ended before its last image; what it stored is whole, and the same command resumes it; exit code 3."""


class StorageError(Incomplete):
    """The disk refused a write, being full, read-only or gone, or lost one. What else was written is whole."""


class JudgeError(Incomplete):
    """A judge could not score a picture: the image is in state `judge_failed`, never "safe"; or the judge is broken."""


class WorkersLost(Incomplete):
    """Worker processes died or gave up, and images are left to be made."""


class Stopped(Incomplete):
    """A signal ended the run early."""


class StoppedAtOnce(KeyboardInterrupt):
    """The same, raised wherever the process was. Like ctrl-C it passes the `except Exception` of libraries."""


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code that an error ends a command with, and its sentence in one line."""
    import i2p.prompt
    import sld.errors

    sentence = " ".join(str(error).split())
    if isinstance(error, InputError | i2p.prompt.InputError | sld.errors.InputError):
        return BAD_INPUT, sentence
    if isinstance(error, Incomplete | StoppedAtOnce):
        return INCOMPLETE, sentence
    if isinstance(error, KeyboardInterrupt):
        return INCOMPLETE, "interrupted; run the same command again to resume"
    return BUG, f"{type(error).__name__}: {sentence}"
