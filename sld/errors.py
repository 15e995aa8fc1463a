"""The one error a user of this package is meant to read."""


class InputError(ValueError):
    """Something that was given cannot be used: one sentence says what was expected, what was found, where, what to do.

    The command line turns it into exit code 2; any other exception is a bug.
    """


def first_line(error: Exception) -> str:
    """The first line of another library's message, short enough to stand in a sentence; its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
