"""What a job of a sweep prints: in a file of its own, and on the terminal one line, which moves while the job runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from eval.base.errors import COMPLETE
from eval.base.printing import say, say_in_place
from eval.base.words import counted
from eval.sweep.jobs import Done

FOLDER = "logs"  # in the folder of the sweep
PREFIXES = ("error: ", "stopped: ")  # of the sentence with which a command ends


class JobLog:
    """The log of one job; an earlier one of the same job is continued.

    Args:
        root: the folder of the sweep.
        name: of the job.
        title: the beginning of its line.
    """

    def __init__(self, root: Path, name: str, title: str):
        self.path, self._title = root / FOLDER / f"{name}.log", title
        self._start = 0

    def open(self) -> BinaryIO:
        """Return the file for the job's output.

        Raises:
            OSError: it can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab")
        self._start = file.seek(0, 2)
        return file

    def show(self) -> None:
        """Show the job's last line in place, if stderr is a terminal."""
        say_in_place(f"{self._title}: {(self._lines() or ['starting'])[-1].strip()}")

    def end(self, done: Done) -> None:
        """Print the job's line: its outcome, and where it did not complete, the sentence with which it ended."""
        say_in_place("")
        lines = self._lines()
        warnings = sum(line.startswith("WARNING: ") for line in lines)
        outcome = f"{self._title}: {done.state}"
        if warnings:
            outcome += f", {counted(warnings, 'warning')} in {self.path}"
        elif done.code != COMPLETE:
            outcome += f", see {self.path}"
        if done.code != COMPLETE and lines:
            sentence = lines[-1].strip()
            for prefix in PREFIXES:
                sentence = sentence.removeprefix(prefix)
            outcome += f": {sentence}"
        say(outcome, sys.stderr)

    def _lines(self) -> list[str]:
        """The lines of this job that are not blank."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._start)
                text = file.read().decode(errors="replace")
        except OSError:  # removed meanwhile
            return []
        return [line for line in text.splitlines() if line.strip()]
