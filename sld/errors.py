"""The one error a user of this package is meant to read."""

from collections.abc import Sequence


class InputError(ValueError):
    """Something that was given cannot be used: one sentence says what was expected, what was found, where, what to do.

    The command line turns it into exit code 2; any other exception is a bug.

    `arguments` are those that the sentence's advice names, as they stand in it (`"allow_pickle=True"`): who passes on
    what came from elsewhere, a command line say, can call them by their names there.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


def first_line(error: Exception) -> str:
    """The first line of another library's message, short enough to stand in a sentence; its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def first_three(names: Sequence[str]) -> str:
    """The first three of some names, and whether there are more."""
    return ", ".join(names[:3]) + " …" * (len(names) > 3)
