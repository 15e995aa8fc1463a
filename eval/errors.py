"""Errors that a user can act on."""


class InputError(ValueError):
    """Something given from outside is wrong.

    Its message is one sentence: what was expected, what was found, where, and what to do. The command line
    prints it without a traceback and exits with code 2.
    """


class WorkersLost(RuntimeError):
    """Worker processes died or gave up, and images are left to be made; what was stored is whole."""
