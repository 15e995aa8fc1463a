"""The shared parts of the command lines: arguments, usage, and errors as one sentence on stderr."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from eval.base.command import expanded, typed
from eval.base.cores import wait_briefly
from eval.base.errors import BAD_INPUT, BUG, COMPLETE, INCOMPLETE, InputError, explain
from eval.base.garbage import collect_seldom
from eval.base.nearest import nearest
from eval.base.printing import log_plainly, say

VERSION = "--version"


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command as `code_of` does, in a process that collects garbage seldom and whose threads wait briefly."""
    collect_seldom()
    wait_briefly()
    return code_of(command)


def code_of(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; print an expected failure as one sentence, a bug with its traceback."""
    log_plainly("%(levelname)s: %(message)s")
    try:
        return command()
    except (Exception, KeyboardInterrupt) as error:
        code, sentence = explain(error)
        if code == BUG:
            raise
        say(f"{'error' if code == BAD_INPUT else 'stopped'}: {sentence}", sys.stderr)
        return code


def give_up(sentence: str) -> NoReturn:
    """End this process at once, whatever its threads are doing; everything stored is complete."""
    try:
        # In a thread, because writing to a full pipe that nobody reads would block.
        printing = threading.Thread(target=say, args=[f"stopped: {sentence}", sys.stderr], daemon=True)
        printing.start()
        printing.join(5)
    finally:
        os._exit(INCOMPLETE)


def says_version() -> bool:
    """Print the version of this project if the command line asks for it; return whether it does."""
    if VERSION not in sys.argv[1:]:
        return False
    say(f"i2p-bench {version()} ({Path(__file__).resolve().parents[2]})")
    return True


def version() -> str:
    """Return the version of this project: its folder's, or where that has none as it is installed."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if project.is_file():
        return re.search(r'^version = "(.*)"', project.read_text(encoding="utf-8"), re.MULTILINE)[1]
    from importlib import metadata

    return metadata.version("i2p-bench")


def with_run(
    command: str,
    call: Callable[..., int],
    keys: Sequence[str] = (),
    explanation: str = "",
    of_run: Mapping[str, str] | None = None,
) -> int:
    """Call a command with a run directory, its first argument, and KEY=VALUE for its keys; return the exit code.

    Args:
        command: the module, for the usage.
        call: takes the path of the run directory, and the keys as keyword arguments.
        keys: that it takes.
        explanation: shown by --help, below the usage.
        of_run: a run's key → the one of these that is the same; either may be typed.

    Raises:
        InputError: an argument after the run directory is not KEY=VALUE with one of these keys.
    """
    usage = _usage(command, "RUN", keys, "   (a run directory, such as runs/demo)")
    if _is_answered(usage, explanation):
        return COMPLETE
    folder = next(iter(sys.argv[1:]), "")
    words = [_own_key(word, of_run or {}) for word in sys.argv[2:]]
    if folder.startswith("-") or (folder.partition("=")[0] in keys and not Path(folder).exists()):
        raise InputError(
            f"a command must have RUN first, found {folder!r} there: give it behind, as in "
            f"`{typed(command.rpartition('.')[2], ['RUN', *_as_key(folder, '', keys)])}`"
        )
    if not folder.strip():
        say(usage, sys.stderr)
        return BAD_INPUT
    if words and not keys:
        raise InputError(f"a command must have RUN and no more, found {' '.join(words)!r}: leave it out")
    values = key_values(command, words, keys, "arguments after the run directory")
    return call(Path(expanded("the run directory", folder)), **values)


def _is_answered(usage: str, explanation: str) -> bool:
    """Print the version or the help if the command line asks for it; return whether it does."""
    if says_version():
        return True
    if not {"-h", "--help"} & {*sys.argv[1:]}:
        return False
    say(f"{usage}\n\n{explanation}".rstrip())
    return True


def _usage(command: str, runs: str, keys: Sequence[str], remark: str = "") -> str:
    options = "".join(f" [{key}=…]" for key in keys)
    return (
        f"usage: python -m {command} {runs}{options}{remark}\n"
        f"    or: {typed(command.rpartition('.')[2])} …, from any folder"
    )


def with_runs(command: str, call: Callable[..., int], keys: Sequence[str], explanation: str) -> int:
    """Call a command with run directories, one or more, and KEY=VALUE for its keys; return the exit code.

    Words that hold no `=` are run directories, and so are those that name something that exists.

    Args:
        command: the module, for the usage.
        call: takes the paths of the run directories, and the keys as keyword arguments.
        keys: that it takes.
        explanation: shown by --help, below the usage.

    Raises:
        InputError: another argument is not KEY=VALUE with one of these keys.
    """
    usage = _usage(command, "RUN [RUN …]", keys)
    if _is_answered(usage, explanation):
        return COMPLETE
    words, folders, options = sys.argv[1:], [], []
    for word, before in zip(words, ["", *words], strict=False):
        is_value = before.startswith("-")  # as in `--out x`, which is refused with its value
        (folders if _is_folder(word, keys) and not is_value else options).append(word)
    values = key_values(command, options, keys, "arguments beside run directories")
    if not folders:
        say(usage, sys.stderr)
        return BAD_INPUT
    return call(*(Path(expanded("the run directory", folder)) for folder in folders), **values)


def _is_folder(word: str, keys: Sequence[str]) -> bool:
    key, equals, _ = word.partition("=")
    return bool(word) and not word.startswith("-") and (not equals or (key not in keys and Path(word).exists()))


def with_keys(command: str, call: Callable[[Mapping[str, str]], int], keys: Sequence[str], explanation: str) -> int:
    """Call a command that takes KEY=VALUE only, with value by key; return the exit code.

    Args:
        command: the module, for the usage.
        call: the command.
        keys: that it takes.
        explanation: shown by --help, below the usage.

    Raises:
        InputError: an argument is not KEY=VALUE with one of these keys.
    """
    if _is_answered(_usage(command, "[KEY=VALUE …]", ()), explanation):
        return COMPLETE
    return call(key_values(command, sys.argv[1:], keys, "arguments"))


def key_values(command: str, words: Sequence[str], keys: Sequence[str], what: str) -> dict[str, str]:
    """Return value by key of words such as KEY=VALUE; `out` with the home folder in place of `~`.

    Args:
        command: the module, for the advice.
        words: as typed.
        keys: that the command takes.
        what: the words are, for the error.

    Raises:
        InputError: a word is not KEY=VALUE with one of these keys, or a key is given twice.
    """
    values = {}
    for number, word in enumerate(words):
        key, _, value = word.partition("=")
        if key not in keys or not value:
            behind = words[number + 1] if number + 1 < len(words) and "=" not in words[number + 1] else ""
            given = _as_key(word, behind, keys)
            do = f"did you mean {given[0]}?" if given else f"see `{typed(command.rpartition('.')[2])} --help`"
            raise InputError(f"{what} must be {' or '.join(f'{key}=…' for key in keys)}, found {word!r}: {do}")
        if key in values:
            raise InputError(f"{key} must be given once, found {values[key]!r} and {value!r}: leave one out")
        values[key] = expanded(key, value) if key == "out" else value
    return values


def _own_key(word: str, of_run: Mapping[str, str]) -> str:
    """Return KEY=VALUE with a command's own key in the place of a run's."""
    key, equals, value = word.partition("=")
    return f"{of_run[key]}={value}" if equals and key in of_run else word


def _as_key(word: str, behind: str, keys: Sequence[str]) -> list[str]:
    """Return KEY=VALUE for a word that comes close, such as --flags or report.gallery=off; empty if none does.

    Args:
        word: as typed.
        behind: the next word, which is the value of a word without one.
        keys: that the command takes.
    """
    name, _, value = word.partition("=")
    key = nearest(name.lstrip("-"), keys) or nearest(name.rpartition(".")[2], keys)
    return [f"{key}={value or behind or '…'}"] if key else []
