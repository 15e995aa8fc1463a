"""Typed words in Hydra's syntax, which reads a value without knowing that its key holds a text.

To Hydra `model.method=1.10` is a number, `out=2024_10_05` too, and `prompts.path=my file (1).csv` an error. If a key
holds a text, its value is put in quotes where necessary. Values that are in quotes already are left to Hydra.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

from eval.base.errors import InputError
from eval.base.quoting import PLAIN, quoted
from eval.config.settings import Settings
from eval.config.texts import CHOICE, ENTRIES, LISTS, NAMES, OPTIONAL, ROWS, TEXT

_KEYS = "|".join([*(field.name for field in fields(Settings)), "slurm"])
_NO_KEY = re.compile(rf"(\\*)\$\{{(?!(oc\.\w+|hydra):|({_KEYS})[.}}])")  # an interpolation that Hydra can't resolve
_UNDERSCORED = re.compile(r"(?<![\w.])[+-]?[\d_.]*\d_\d[\d_]*(?![\w.])")
_PAIRS = {"[": "]", "(": ")", "{": "}"}


def as_typed(word: str, kinds: Mapping[str, str], *, sweep: bool) -> str:
    """Return a word of the command line in Hydra's syntax, with the meaning that the user typed.

    Args:
        word: KEY=VALUE; other words are returned unchanged.
        kinds: key → kind of the keys that hold texts (`eval.config.texts.text_keys`).
        sweep: whether commas separate the values of several jobs.

    Raises:
        InputError: several values for a list, without brackets, or a number such as 1_0.
    """
    key, equals, value = word.partition("=")
    if not equals or word.startswith("-"):
        return word
    name = key.lstrip("+").strip()
    if sweep:
        return f"{key}={','.join(_of_a_job(name, part.strip(), kinds) for part in _split(value))}"
    return f"{key}={_value(name, value, kinds)}"


def typed_again(word: str) -> str:
    r"""Return an override as a user would type it, from Hydra's words of a job, in which `\ ` is a blank.

    The typed word is not known there, but its meaning is.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(word)
    parsed._value = _all_quoted(parsed._value)
    return f"{word.partition('=')[0]}={parsed.get_value_element_as_str()}"


def _all_quoted(value: object) -> object:
    from hydra.core.override_parser.types import Quote, QuotedString

    if isinstance(value, list):
        return [_all_quoted(element) for element in value]
    if isinstance(value, dict):
        return {key: _all_quoted(element) for key, element in value.items()}
    if not isinstance(value, str) or (PLAIN.fullmatch(value) and ":" not in value):  # Hydra would escape a colon
        return value
    return QuotedString(text=value, quote=Quote.single)


def _of_a_job(key: str, value: str, kinds: Mapping[str, str]) -> str:
    """Return the value of a job; sweeps of several, such as `range(0,3)`, are left to Hydra."""
    from hydra.core.override_parser.types import Sweep

    if not isinstance(_read(value), Sweep):
        return _value(key, value, kinds)
    if kinds.get(key) in (None, ROWS):
        _check_digits(key, value, _UNDERSCORED.findall(value))
    return value


def _value(key: str, value: str, kinds: Mapping[str, str]) -> str:
    from hydra.core.override_parser.types import QuotedString

    kind, inner = kinds.get(key), value.strip()
    if kinds.get(key.rpartition(".")[0]) == NAMES:  # a name by itself
        kind = TEXT
    if kind in LISTS and inner.startswith("[") and inner.endswith("]"):
        return f"[{','.join(_element(part.strip(), kind) for part in _split(inner[1:-1]))}]"
    if kind in LISTS and (value == "null" or inner.startswith("[")):
        return value
    if kind == NAMES:
        return _names(inner) if inner.startswith("{") and inner.endswith("}") else value
    if kind in ENTRIES and inner.startswith("{"):
        return f"[{_element(inner, kind)}]"
    if kind in LISTS and not key.endswith(".options") and len(parts := list(_split(inner))) > 1:
        raise InputError(
            f"{key} must be a list in brackets, found several values without, {value}: give "
            f"{key}=[{','.join(parts)}] for one list, or with -m one list per run"
        )
    if kind is None and inner.startswith("{") and inner.endswith("}"):
        return _mapping(inner, _inside(key, kinds))
    if kind in (None, ROWS):
        parts = _split(inner[1:-1]) if isinstance(_read(value), list) else [inner]
        _check_digits(key, value, [part for part in map(str.strip, parts) if isinstance(_read(part), int | float)])
    if kind == ROWS and ("," not in value or inner.startswith("[")):
        return value
    if kind == CHOICE:
        readable = "," in value or value in ("", "null") or isinstance(_read(value), str | QuotedString)
        return value if readable else quoted(value)
    return value if kind is None or (kind == OPTIONAL and value == "null") else _text(value, exact=True)


def _check_digits(key: str, value: str, numbers: Sequence[str]) -> None:
    """Refuse a number such as 1_0, a slip that Hydra reads as 10."""
    if slips := [number for number in numbers if "_" in number]:
        raise InputError(
            f"{key} must have numbers without underscores, found {slips[0]} in {value}: write "
            f"{slips[0].replace('_', '')}, or what was meant"
        )


def _element(value: str, kind: str) -> str:
    """Return an element of a list, in which escapes are left to Hydra; methods and LoRAs may be mappings."""
    if kind in ENTRIES and value.startswith("{") and value.endswith("}"):
        return _mapping(value, ENTRIES[kind])
    return value if isinstance(_read(value), list) else _text(value)


def _mapping(value: str, kinds: Mapping[str, str]) -> str:
    entries = []
    for part in _split(value[1:-1]):
        key, colon, text = (word.strip() for word in part.partition(":"))
        # Such as slurm's report, or the numbers of a preset.
        nested = kinds.get(key) != NAMES and isinstance(_read(text), dict)
        inner = _mapping(text, _inside(key, kinds)) if nested else _value(key, text, kinds)
        entries.append(f"{key}: {inner}" if colon else part)
    return f"{{{','.join(entries)}}}"


def _names(value: str) -> str:
    """Return a mapping whose values are texts, whatever its keys are."""
    return _mapping(value, {part.partition(":")[0].strip(): TEXT for part in _split(value[1:-1])})


def _inside(key: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """Return the kinds of the keys within a key."""
    return {name.removeprefix(f"{key}."): kind for name, kind in kinds.items() if name.startswith(f"{key}.")}


def _text(value: str, *, exact: bool = False) -> str:
    """Return a text in Hydra's syntax; outside of lists (`exact`), a typed escape such as `\\,` is plain text."""
    from hydra.core.override_parser.types import QuotedString

    if value == "???" or PLAIN.fullmatch(value):
        return value
    read = _read(value)
    if isinstance(read, QuotedString):
        return value
    same = read == value if exact else isinstance(read, str)
    return value if same and not _NO_KEY.search(value) else quoted(value, _NO_KEY)


def _read(value: str) -> object:
    """Return the value that Hydra reads, None also for a syntax error."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(f"key={value}")._value
    except (HydraException, ValueError):  # the latter of a number with more digits than Python reads
        return None


def _split(text: str) -> Iterator[str]:
    """Yield the parts of a text between commas that are not in quotes, in brackets or escaped."""
    start, expected, quote, fresh = 0, [], "", True
    skip = False
    for position, letter in enumerate(text):
        if skip:
            skip = False
        elif letter == "\\":
            skip = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and fresh:  # an apostrophe within a word is not a quote
            quote = letter
        elif letter in _PAIRS:
            expected.append(_PAIRS[letter])
        elif expected and letter == expected[-1]:
            expected.pop()
        elif letter == "," and not expected:
            yield text[start:position]
            start, fresh = position + 1, True
            continue
        fresh = (fresh and letter.isspace()) or letter in "[{(:,"
    yield text[start:]
