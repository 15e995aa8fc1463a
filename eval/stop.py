"""Signals that ask a run to end: it finishes the batch at work, stores it, and says how to go on.

SLURM sends one before the time limit and at a preemption; a login shell, systemd and Kubernetes send SIGTERM.
"""

from __future__ import annotations

import signal
import threading
import time

# NCCL and some launchers take SIGUSR1 for themselves.
SIGNALS = (signal.SIGTERM, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else []))

# Seconds that the batch at work has to end. SLURM's warning comes 300 before its limit (conf/submit.yaml), and what
# is drawn has to be judged and written too.
GRACE = 120.0


class Stopped(RuntimeError):
    """A signal ended the run early; what was stored is whole, and the same command goes on."""


class Stop:
    """While it is entered, the signals are noted instead of ending the process; only in the main thread."""

    def __init__(self):
        self.asked: str | None = None
        self._since = 0.0
        self._before: dict = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ask(self, by: str) -> None:
        """Note who asked."""
        if not self.asked:
            self.asked, self._since = by, time.monotonic()

    def check(self) -> None:
        """Raise `Stopped` if a signal came."""
        if self.asked:
            raise Stopped(f"{self.asked} asked for it; what is done is stored, and the same command goes on")

    def at_call(self) -> None:
        """Raise `Stopped` if a signal came and the batch at work has had its time since: it is given up."""
        if self.asked and time.monotonic() - self._since > GRACE:
            self.check()

    def _note(self, number: int, frame) -> None:
        self.ask(signal.Signals(number).name)
