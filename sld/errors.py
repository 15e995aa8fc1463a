"""The one error a user of this package is meant to read."""


class InputError(ValueError):
    """Something that was given cannot be used: one sentence says what was expected, what was found, where, what to do.

    The command line turns it into exit code 2; any other exception is a bug.
    """
