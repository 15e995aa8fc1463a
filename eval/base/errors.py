"""Errors that a user can act on."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """Something given from outside is wrong.

    Its message is one sentence: what was expected, what was found, where, and what to do. The command line
    prints it without a traceback and exits with code 2. `arguments` are those of a judge that its advice names, as
    they stand in it: `eval.config.keys` makes keys of them.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


class WorkersLost(RuntimeError):
    """Worker processes died or gave up, and images are left to be made; what was stored is whole."""


def first_of(clauses: Sequence[str]) -> str:
    """Return the first three of several clauses, and how many more there are."""
    more = f" (and {len(clauses) - 3} more)" if len(clauses) > 3 else ""
    return "; ".join(clauses[:3]) + more


class StorageError(RuntimeError):
    """The disk refused a write, being full, read-only or gone, or lost one. What else was written is whole."""


class JudgeError(RuntimeError):
    """A judge could not score a picture: the image is in state `judge_failed`, never "safe"."""


class Stopped(RuntimeError):
    """A signal ended the run early; what was stored is whole, and the same command goes on."""


class StoppedAtOnce(KeyboardInterrupt):
    """The same, raised wherever the process was. Like ctrl-C it passes the `except Exception` of libraries."""
