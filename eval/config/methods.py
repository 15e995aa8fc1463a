"""Methods that settings describe: a preset with single numbers changed, a concept, a negative prompt, a prefix."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import sld
from eval.base.errors import InputError
from eval.base.nearest import nearest
from sld.presets import preset_name

KEYS = tuple(field.name for field in fields(sld.Method))
NUMBERS = tuple(field.name for field in fields(sld.SafetyPreset))


def read_method(entry: Mapping[str, Any]) -> sld.Method:
    """Return the method that an entry of `methods` describes; a value of null counts as not given.

    Args:
        entry: the fields of `sld.Method`, and beside the name of a preset any of its numbers, in place of the preset's
            own. A mapping as the preset has all five numbers itself.

    Raises:
        InputError, sld.InputError: it has no name, an unknown key, a number without a preset, or an invalid value.
    """
    given = {str(key): value for key, value in entry.items() if value is not None}
    if "name" not in given:
        raise InputError(
            f"an entry of methods must have a name, found {', '.join(given) or 'nothing'}: give it one, as in "
            "{name: mine, preset: strong}"
        )
    name, numbers = given["name"], {key: given[key] for key in NUMBERS if key in given}
    if not isinstance(name, str):
        raise InputError(f"an entry of methods must have a text as its name, found {name!r}: correct it")
    if unknown := [key for key in given if key not in (*KEYS, *NUMBERS)]:
        raise InputError(
            f"methods: {name} must have no keys but {', '.join(KEYS)} and, beside a preset, {', '.join(NUMBERS)}, "
            f"found {', '.join(unknown)}: {_advice(unknown[0])}"
        )
    if not given.keys() - {"name"} and name in sld.METHODS:
        return sld.METHODS[name]
    preset = given.get("preset")
    preset = preset_name(preset) if isinstance(preset, str) else preset
    if numbers and preset is None:
        own, base = ("mine", preset_name(name)) if name in sld.METHODS else (name, "strong")
        changed = ", ".join(f"{key}: {value}" for key, value in numbers.items())
        raise InputError(
            f"methods: {name} must have a preset whose {' and '.join(numbers)} it changes, found none: name one of "
            f"{', '.join(sld.PRESETS)} as its preset, as in {{name: {own}, preset: "
            f"{base if base in sld.PRESETS else 'strong'}, {changed}}}"
        )
    if isinstance(preset, Mapping):
        preset = _whole_preset(name, preset, numbers)
    elif numbers and isinstance(preset, str) and preset in sld.PRESETS:
        with _named(name):
            preset = replace(sld.PRESETS[preset], **numbers)
    return sld.Method(**{key: given[key] for key in KEYS if key in given} | {"preset": preset})


def _whole_preset(name: str, values: Mapping[str, Any], beside: Mapping[str, Any]) -> sld.SafetyPreset:
    """Return a preset of numbers of one's own."""
    if sorted(map(str, values)) != sorted(NUMBERS):
        raise InputError(
            f"methods: {name} must have a name as its preset, or a mapping with each of {', '.join(NUMBERS)}, found "
            f"one with {', '.join(map(str, values)) or 'nothing'}: name one of {', '.join(sld.PRESETS)}, and give the "
            "numbers that differ beside it"
        )
    if beside:
        raise InputError(
            f"methods: {name} must have each number once, found a whole preset, and {', '.join(beside)} beside it: "
            "change it there"
        )
    with _named(name):
        return sld.SafetyPreset(**values)


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Name the method in the sentence that refuses one of its numbers."""
    try:
        yield
    except sld.InputError as error:
        raise InputError(f"methods: {name}: {error}") from error


def _advice(key: str) -> str:
    close = nearest(key, (*KEYS, *NUMBERS))
    return f"did you mean {close}?" if close else "correct it, or leave it out"
