"""Renamed keys: refused with the new name when typed, and translated in the records of older runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {"protocol.nude_labels": "protocol.label_set", "engine.beside": "engine.background"}


def renamed_sentence(key: str) -> str:
    """Return the error message for an old key."""
    return f"{key} is called {RENAMED[key]} now: give {RENAMED[key]}=…"


def renamed_word(word: str) -> str:
    """Return a word of an older command, KEY=VALUE, with the current name of the key."""
    key, equals, value = word.partition("=")
    bare = key.lstrip("+~")
    return f"{key.removesuffix(bare)}{RENAMED[bare]}{equals}{value}" if bare in RENAMED else word


def renamed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an older run, by part and key, with the current names of the keys."""
    renamed = dict(settings)
    for old, new in RENAMED.items():
        part, _, key = old.partition(".")
        values = renamed.get(part)
        if isinstance(values, Mapping) and key in values:
            names = {key: new.partition(".")[2]}
            renamed[part] = {names.get(name, name): value for name, value in values.items()}
    return renamed
