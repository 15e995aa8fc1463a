"""The error that users of this package are meant to read."""

import difflib
from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """A user's input cannot be used: one sentence says what was expected, what was found, where, and what to do.

    The command line prints the sentence and exits with code 2; any other exception is a bug.

    Args:
        sentence: "X must be EXPECTED, found FOUND (where): what to do".
        arguments: the arguments that the advice names, as they stand in the sentence (`"allow_pickle=True"`), so that
            a caller such as the command line can replace them by its own names.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


def other_way(pipeline: str) -> str:
    """Return what to do where a model can't be drawn from here: its own pipeline draws, and the harness judges.

    Args:
        pipeline: what draws from it, such as `FluxPipeline`.
    """
    judge = "model=images model.path=FOLDER (docs/images.md)"
    return f"draw with {pipeline} (scripts/any_pipeline.py) and judge with {judge}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 tensor`, `1,131 tensors`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_line(error: Exception) -> str:
    """Return the first line of another library's message, cut to the length of a clause, or its type if it is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def first_three(names: Sequence[str]) -> str:
    """Return the first three names as a sentence lists them, with an ellipsis if there are more."""
    return ", ".join(names[:3]) + " …" * (len(names) > 3)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return which of some names another is a slip of, None if it is of none; capitals make no difference."""
    return next(iter(difflib.get_close_matches(name.lower(), names, 1)), None)
