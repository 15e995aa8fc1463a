"""The end of a bench: whatever runs then is given up, a compilation too."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

# Seconds after which it is raised again, where it was swallowed: by a library, or by Python itself, as in a callback of
# a weak reference, of which compiling has many. Several times within the 10 s that gpu_check.sh leaves for it.
AGAIN = 2.0


class OutOfTime(BaseException):
    """The deadline has passed; no `Exception`, so that no library takes it for a failure of its own."""


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in the main thread after so many seconds, if the context is still open; None for no limit."""
    if seconds is None:
        yield
        return

    def give_up(number: int, frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
