"""Names for print: what a report calls the methods, and its title, in everything that people read."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping

from eval.base.errors import InputError
from eval.base.escape import one_line
from eval.base.nearest import advice

LONGEST_NAME, LONGEST_TITLE = 40, 120  # characters: a column of a table is headed by a name


def read_names(text: str, key: str) -> dict[str, str]:
    """Return names for print as typed on a command line that is not Hydra's: `{sld_max: SLD (max), …}`.

    Args:
        text: the value, with or without quotes around a name.
        key: whose value it is, for the error.

    Raises:
        InputError: it is no mapping, or names a method twice. `check_names` checks the names themselves.
    """
    import yaml

    try:
        node = yaml.compose(text, yaml.BaseLoader)
    except yaml.YAMLError:
        node = None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    if not pairs or not all(isinstance(part, yaml.ScalarNode) for pair in pairs for part in pair):
        raise _no_names(text, key)
    names: dict[str, str] = {}
    for method, name in ((method.value, name.value) for method, name in pairs):
        if not name and ":" in method:  # YAML asks for a blank after the colon, and Hydra does not
            method, _, name = method.partition(":")
        if method in names:
            raise InputError(f"{key} must give each method one name, found two for {method}: leave one out")
        names[method] = name
    return names


def check_names(names: object, methods: Collection[str] | None, key: str) -> None:
    """Refuse names for print that can't be printed, are the same, or are of no method of the run.

    Args:
        names: method → its name for print; None for no names.
        methods: of the run; None where they are not known yet.
        key: whose value the names are, such as report.names.

    Raises:
        InputError: the first such name.
    """
    if names is None:
        return
    if not isinstance(names, Mapping):
        raise _no_names(names, key)
    for method, name in names.items():
        if methods is not None and method not in methods:
            raise InputError(
                f"{key} must name methods of the run, {', '.join(methods)}, found {method!r}: {advice(method, methods)}"
            )
        _check_text(f"{key}.{method}", name, LONGEST_NAME)
    for method, name in names.items():
        for other in dict.fromkeys((*names, *(methods or ()))):
            # Nor another method's own name, even if that has one for print: files for machines would mean the other.
            if other != method and look(name) in (look(names.get(other, other)), other):
                raise InputError(
                    f"{key} must give each method a name of its own, found {name!r} for {method}, which is also that "
                    f"of {other}: change one of them"
                )


def check_title(title: object, key: str) -> None:
    """Refuse a title that can't be printed in one line; None is the title that a report makes itself."""
    if title is not None:
        _check_text(key, title, LONGEST_TITLE)


def _no_names(value: object, key: str) -> InputError:
    return InputError(
        f"{key} must be a mapping from methods to names for print, found {value!r}: give it in braces and quotes, as "
        f"in '{key}={{sld_max: SLD (max)}}'"
    )


def _check_text(key: str, text: object, longest: int) -> None:
    if not isinstance(text, str):
        raise InputError(f"{key} must be a text, found {text!r}: put it in quotes")
    if not look(text) or text != one_line(text):
        raise InputError(
            f"{key} must be visible characters in one line, without blanks at its ends or two in a row, found "
            f"{text!r}: correct it"
        )
    if len(text) > longest:
        raise InputError(f"{key} must have at most {longest} characters, found {len(text)}: shorten it")


def look(name: str) -> str:
    """Return what a reader can tell apart: letters of another width look alike, and some characters are not seen."""
    plain = unicodedata.normalize("NFKC", name)
    return "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Zs", "Mn") or c == " ").strip()
