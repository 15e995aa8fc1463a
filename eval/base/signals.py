"""Signals that ask a run to end: it finishes the batch at work, stores it, and says how to go on.

SLURM sends one before the time limit and at a preemption; a login shell, systemd and Kubernetes send SIGTERM.

Nothing is imported here that takes time: a run listens before it imports anything else.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence

from eval.base.errors import Stopped, StoppedAtOnce

# NCCL and some launchers take SIGUSR1 for themselves.
SIGNALS = (signal.SIGTERM, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else []))
# Seconds that the batch at work has to end. SLURM's warning comes 300 before its limit (conf/submit.yaml), and what
# is drawn has to be judged and written too.
GRACE = 120.0


class Stop:
    """While it is entered, the signals are noted instead of ending the process; only in the main thread.

    Of two, the inner one decides: what the outer one noted it knows, and what it noted the outer one knows afterwards.

    Args:
        at_once: raise `StoppedAtOnce` at the first signal, for where there is nothing to store: imports, loading.
        signals: which; ctrl-C too where its own way would lose something.
    """

    def __init__(self, *, at_once: bool = False, signals: Sequence[signal.Signals] = SIGNALS):
        self.asked: str | None = None
        self.raised = False
        self._at_once, self._signals = at_once, signals
        self._since = 0.0
        self._before: dict = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self._signals}
            outer = self._outer()
            if outer and outer.asked:
                self.ask(outer.asked)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        outer = self._outer()
        if outer and self.asked:
            outer.ask(self.asked)

    def ask(self, by: str) -> None:
        """Note who asked."""
        if not self.asked:
            self.asked, self._since = by, time.monotonic()

    def check(self) -> None:
        """Raise `Stopped` if a signal came."""
        if self.asked:
            raise Stopped(self.sentence)

    def at_call(self) -> None:
        """Raise `Stopped` if a signal came and the batch at work has had its time since: it is given up."""
        if self.asked and time.monotonic() - self._since > GRACE:
            self.check()

    @property
    def sentence(self) -> str:
        """What is told to the user."""
        return f"{self.asked} arrived; everything done so far is stored: run the same command again to resume"

    def _note(self, number: int, frame) -> None:
        first = not self.asked
        self.ask(signal.Signals(number).name)
        if self._at_once and first:  # a second one would break off what the first one set going
            self.raised = True
            raise StoppedAtOnce(self.sentence)

    def _outer(self) -> Stop | None:
        return _of(self._before.get(SIGNALS[0]))


def listen() -> None:
    """Note the signals from now on until this process ends."""
    if _of(signal.getsignal(SIGNALS[0])) is None:
        Stop().__enter__()


def end_listening() -> None:
    """In a process that has listened from its start: from now on a signal comes too late to change its exit code."""
    if _of(signal.getsignal(SIGNALS[0])):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold the signals and ctrl-C back, also for a process that is started meanwhile, until that is deaf.

    They are this process's to hear, before the other one has imported anything too.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # or starting it would let them through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *SIGNALS))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def be_deaf() -> None:
    """In a process that was started so: leave the signals and ctrl-C to the one that started it."""
    for number in (signal.SIGINT, *SIGNALS):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, *SIGNALS))


def _of(handler) -> Stop | None:
    """The Stop that a signal's handler belongs to, if it belongs to one."""
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Stop) else None
