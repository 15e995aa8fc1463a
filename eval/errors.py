"""The one error that a user can act on."""


class InputError(ValueError):
    """Something given from outside is wrong.

    Its message is one sentence: what was expected, what was found, where, and what to do. The command line
    prints it without a traceback and exits with code 2.
    """
