"""Signals that end a run early: it finishes the current batch, stores it, and prints how to resume.

SLURM sends one before the time limit and at a preemption; a login shell, systemd and Kubernetes send SIGTERM.

Nothing slow is imported here: a run listens for signals before it imports anything else.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from eval.base.errors import Stopped, StoppedAtOnce

# NCCL and some launchers take SIGUSR1 for themselves.
SIGNALS = (signal.SIGTERM, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else []))
# Seconds that the current batch has to end. SLURM sends its warning 300 seconds before its limit (conf/submit.yaml),
# within which the batch must also be judged and written.
GRACE = 120.0
# Seconds that an import has to end, and between two looks whether it has.
IMPORT_GRACE, AGAIN = 10.0, 0.05


class Stop:
    """A context in which signals are noted instead of ending the process; only in the main thread.

    Nested contexts share what they noted: the inner one takes it over on entering, and passes it on when left.

    Args:
        at_once: raise `StoppedAtOnce` at the first signal, for code that has nothing to store: imports, loading. An
            import that is under way ends first, if it ends soon.
        signals: those to note; ctrl-C too where a KeyboardInterrupt would lose something.

    Attributes:
        reason: the name of the signal that arrived, None before one has.
        raised: whether `StoppedAtOnce` was raised.
    """

    def __init__(self, *, at_once: bool = False, signals: Sequence[signal.Signals] = SIGNALS):
        self.reason: str | None = None
        self.raised = False
        self._at_once, self._signals = at_once, signals
        self._since, self._waits = 0.0, False
        self._previous: dict = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in self._signals}
            outer = self._outer()
            if outer and outer.reason:
                self.request(outer.reason)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        outer = self._outer()
        if outer and self.reason:
            outer.request(self.reason)

    def request(self, reason: str) -> None:
        """Request the end of the run; the first reason is kept."""
        if not self.reason:
            self.reason, self._since = reason, time.monotonic()

    def check(self) -> None:
        """Raise `Stopped` if a signal has arrived."""
        if self.reason:
            raise Stopped(self.sentence)

    def at_call(self) -> None:
        """Raise `Stopped`, and so give up the current batch, if a signal arrived more than `GRACE` seconds ago."""
        if self.reason and time.monotonic() - self._since > GRACE:
            self.check()

    @property
    def sentence(self) -> str:
        """The message for the user."""
        return f"{self.reason} arrived; everything done so far is stored: run the same command again to resume"

    def _note(self, number: int, frame: FrameType | None) -> None:
        first = not self.reason
        self.request(signal.Signals(number).name)
        if not self._at_once or not (first or self._waits):  # a second signal would interrupt the cleanup of the first
            return
        # C++ that imports Python, as torch's does, aborts the process where an import raises what it does not expect.
        self._waits = _imports(frame) and time.monotonic() - self._since < IMPORT_GRACE
        if self._waits:
            again = threading.Timer(AGAIN, self._repeat, (number,))
            again.daemon = True
            again.start()
            return
        self.raised = True
        raise StoppedAtOnce(self.sentence)

    def _repeat(self, number: int) -> None:
        """Send the signal again, unless it would be heard by another than this."""
        if _of(signal.getsignal(number)) is self:
            # To the main thread, so that it wakes whatever waits there.
            signal.pthread_kill(threading.main_thread().ident, number)

    def _outer(self) -> Stop | None:
        return _of(self._previous.get(SIGNALS[0]))


def listen() -> None:
    """Note the signals until this process ends."""
    if _of(signal.getsignal(SIGNALS[0])) is None:
        Stop().__enter__()


def end_listening() -> None:
    """Ignore the signals from now on, in a process that called `listen`: they come too late to change its exit code."""
    if _of(signal.getsignal(SIGNALS[0])):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back the signals and ctrl-C, also in a process that is started meanwhile, until it ignores them.

    Only this process handles them, even before the other one has imported anything.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it later would let them through
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *SIGNALS))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def ignore_signals() -> None:
    """Ignore the signals and ctrl-C, in a process started within `signals_held_back`; its parent handles them."""
    for number in (signal.SIGINT, *SIGNALS):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, *SIGNALS))


def _imports(frame: FrameType | None) -> bool:
    """Return whether an import is under way in a frame or in what called it."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _of(handler) -> Stop | None:
    """Return the Stop to which a signal's handler belongs, if any."""
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Stop) else None
