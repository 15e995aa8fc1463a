"""Installed packages on the command line: the keys of their judges, and lines of `--help`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields

from eval.base import plugins
from eval.config.overrides import groups, key_of
from eval.config.settings import Settings
from eval.judges import judge_class

_HEADINGS = {plugins.JUDGES: "Further judges", plugins.METHODS: "Further methods"}


def with_plugged(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words of a command line with `++` before the keys of packages' judges, and the names of these judges.

    The composed configuration has keys only for the judges that ship, and Hydra needs `++` to add others.
    """
    shipped, judges, words = {*(field.name for field in fields(Settings)), *groups(arguments)}, [], []
    for word in arguments:
        name, dot, _ = key_of(word).partition(".")
        new = dot and not word.startswith("-") and name not in shipped and name in plugins.names(plugins.JUDGES)
        if new and name not in judges:
            judges.append(name)
        words.append(f"++{word}" if new and word[:1] != "+" else word)
    return words, judges


def help_lines(arguments: Sequence[str]) -> str:
    """Return the lines of `--help` on installed packages, with the settings of judges that the command line names.

    Raises:
        InputError: the package of such a judge is broken.
    """
    return "\n".join(_lines(arguments))


def _lines(arguments: Sequence[str]) -> Iterator[str]:
    for group, heading in _HEADINGS.items():
        packages = plugins.listed(group)
        if packages:
            yield f"{heading}\n"
        for name, package in packages:
            yield f"  {name:<13} {package}"
            if group == plugins.JUDGES and any(re.search(rf"\b{re.escape(name)}\b", word) for word in arguments):
                yield from _settings(name)
        if packages:
            yield ""


def _settings(name: str) -> Iterator[str]:
    judge = judge_class(name)
    yield f"                {judge.help}; definitions: {', '.join(rule.name for rule in judge.rules) or 'none'}"
    for field in fields(judge.settings):
        default = field.default if field.default is not MISSING else "…"
        yield f"                {name}.{field.name}={default}"
