"""What a process prints, to whatever takes it: a terminal of another encoding, a full disk, a reader that has left.

Nothing that is printed can raise, or steer the terminal; what a run computed never depends on who reads along. Only
Python itself is imported here, for the doctor prints where packages are missing.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from eval.base.escape import terminal

_RAISE = ("strict", "surrogateescape", "surrogatepass")  # handlers of signs that an encoding lacks which raise


def open_streams() -> None:
    """Make stdout and stderr of this process ones that never raise; a second call changes nothing.

    Signs that the encoding lacks (`LC_ALL=de_DE.ISO-8859-1`, `PYTHONIOENCODING=ascii`, Windows' cp1252) are replaced.
    """
    if sys.stderr is not sys.__stderr__:  # done already, or somebody reads what we print: a test, a notebook
        return
    for number in range(3):
        _hold(number)
    sys.stdout = PlainStream(sys.stdout or os.fdopen(1, "w", closefd=False))
    sys.stderr = PlainStream(sys.stderr or os.fdopen(2, "w", closefd=False))


def _hold(number: int) -> None:
    """Open a standard stream that was closed (`>&-`): the next file would get its number, and what libraries print."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)


class PlainStream:
    """A text stream that neither raises nor steers the terminal: libraries quote names from weights and servers.

    What can't be written is lost, and is said once on stderr unless the reader has left on purpose (`… | head`).
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        if getattr(stream, "errors", None) in _RAISE and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """Write the text, made visible where it would steer a terminal; a carriage return stays, bars go back."""
        shown = "\r".join(terminal(part) for part in text.split("\r"))
        try:
            self._try(self._stream.write, shown)
        except UnicodeError:  # a stream that can't be told to replace signs: codecs' own, say
            self._try(self._stream.write, shown.encode("ascii", "replace").decode())
        return len(text)

    def flush(self) -> None:
        """Have what was written reach the reader."""
        self._try(self._stream.flush)

    def _try(self, call, *arguments) -> None:
        try:
            call(*arguments)
        except UnicodeError:
            raise
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            with contextlib.suppress(OSError, ValueError, AttributeError):
                # The rest goes nowhere, or Python would complain again, and change the exit code, at its end.
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
            if not isinstance(error, BrokenPipeError) and self is not sys.stderr:
                print(f"warning: stdout can't be written ({error}): what is printed is lost", file=sys.stderr)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)
