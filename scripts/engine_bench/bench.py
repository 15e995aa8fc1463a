"""What the benches of the engine have in common: their end, their progress, and a table that is always left whole."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from command_line import show_and_write, write_for_now

from engine_bench.deadline import OutOfTime, deadline


class Bench:
    """A bench that writes its table after each part, so that one that is killed leaves a table that says what it lacks.

    Attributes:
        rows: of the table; `failure` of a row is why it has no numbers.
        out: where the table goes.
        unfinished: why parts are missing at the end; None if none are.
    """

    rows: list
    out: Path
    unfinished: str | None = None

    def __init__(self, began: float):
        self._began = began

    @property
    def seconds(self) -> float:
        """How long the bench has taken so far."""
        return time.monotonic() - self._began

    def measure(self) -> str | None:
        """Measure everything; return why parts were left out."""
        raise NotImplementedError

    def to_markdown(self, unfinished: str | None) -> str:
        """Return the table, which says why parts are missing."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Print progress."""
        print(f"[{self.seconds:.0f} s] {text}", file=sys.stderr, flush=True)

    def write_so_far(self, unfinished: str | None = None) -> None:
        """Write the table as of now, which may be the last one; if it can't be written, measuring goes on."""
        text = self.to_markdown(unfinished or f"written after {self.seconds:.0f} s; no later table was written")
        write_for_now(text, self.out)


def run(make: Callable[[Path], Bench], seconds: float | None) -> Bench | None:
    """Make a bench with a temporary folder, have it measure until the deadline, and print its table.

    Args:
        make: of the bench.
        seconds: of the deadline; None for none.

    Returns:
        The bench; None if the deadline passed before it was made.

    Raises:
        StorageError: its table was printed, but could not be written.
    """
    bench = unfinished = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            with deadline(seconds):
                bench = make(Path(folder))
                unfinished = bench.measure()
        except OutOfTime:
            unfinished = f"the deadline of {seconds:g} s passed"
        if bench is None:
            print(f"Nothing was measured: {unfinished} before anything was loaded.", file=sys.stderr)
            return None
        bench.unfinished = unfinished
        show_and_write(bench.to_markdown(unfinished), bench.out)
    return bench


def failure_of(error: Exception) -> str:
    """Print an error with its traceback, and return it as a line of the table says it."""
    traceback.print_exception(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
