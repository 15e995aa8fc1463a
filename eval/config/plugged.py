"""What installed packages bring, on the command line: keys of their judges, and lines of `--help`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields

from eval.base import plugins
from eval.config.overrides import groups, key_of
from eval.config.settings import Settings
from eval.judges import judge_class

_HEADS = {plugins.JUDGES: "Further judges", plugins.METHODS: "Further methods"}


def with_plugged(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words, with a + before keys of judges that packages bring, and the names of these judges.

    A run's configuration has keys for our own judges only, and Hydra adds what it is told to.
    """
    ours, found, words = {*(field.name for field in fields(Settings)), *groups(arguments)}, [], []
    for word in arguments:
        name, dot, _ = key_of(word).partition(".")
        new = dot and not word.startswith("-") and name not in ours and name in plugins.names(plugins.JUDGES)
        if new and name not in found:
            found.append(name)
        words.append(f"++{word}" if new and word[:1] not in "+~" else word)
    return words, found


def help_lines(arguments: Sequence[str]) -> str:
    """Return what `--help` says of installed packages; of a name that the command line asks for its settings too.

    Raises:
        InputError: such a one is broken.
    """
    return "\n".join(_lines(arguments))


def _lines(arguments: Sequence[str]) -> Iterator[str]:
    for group, head in _HEADS.items():
        found = plugins.listed(group)
        if found:
            yield f"{head}\n"
        for name, package in found:
            yield f"  {name:<13} {package}"
            if group == plugins.JUDGES and any(re.search(rf"\b{re.escape(name)}\b", word) for word in arguments):
                yield from _settings(name)
        if found:
            yield ""


def _settings(name: str) -> Iterator[str]:
    judge = judge_class(name)
    yield f"                {judge.help}; definitions: {', '.join(rule.name for rule in judge.rules) or 'none'}"
    for field in fields(judge.settings):
        default = field.default if field.default is not MISSING else "…"
        yield f"                {name}.{field.name}={default}"
