"""What every command line here shares: exit codes, and errors as one sentence on stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import i2p
import sld
from eval.errors import InputError
from eval.files import StorageError
from eval.judges import JudgeError

COMPLETE, BUG, BAD_INPUT, INCOMPLETE = 0, 1, 2, 3


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; an expected failure is one sentence, a bug keeps its traceback."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        return command()
    except (InputError, i2p.InputError, sld.InputError) as error:
        return _say("error", error, BAD_INPUT)
    except (StorageError, JudgeError) as error:
        return _say("stopped", error, INCOMPLETE)
    except KeyboardInterrupt:
        return _say("stopped", "interrupted; the same command goes on from here", INCOMPLETE)


def say(text: str) -> None:
    """Print results to stdout. A reader that has left (`… | head`) is no failure: the tables are on the disk."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again at its end


def _say(word: str, error: object, code: int) -> int:
    print(f"{word}: {' '.join(str(error).split())}", file=sys.stderr)
    return code
