"""LoRAs that settings name: a path each, and the factor of its change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sld
from eval.base.errors import InputError

KEYS = tuple(field.name for field in fields(sld.Lora))


def read_loras(entries: Sequence[Any] | None) -> list[sld.Lora]:
    """Return the LoRAs that `model.lora` lists, in their order.

    Args:
        entries: paths, or mappings with a path and maybe a scale; None for no LoRA.

    Raises:
        InputError: an entry without a path, with an unknown key, or of another kind.
    """
    return [_read(entry) for entry in entries or ()]


def _read(entry: Any) -> sld.Lora:
    given = {"path": entry} if isinstance(entry, str) else entry
    if not isinstance(given, Mapping) or not isinstance(given.get("path"), str) or not given["path"]:
        raise InputError(
            f"an entry of model.lora must have a path, found {entry!r}: give it one, as in model.lora=[FILE]"
        )
    if unknown := [str(key) for key in given if key not in KEYS]:
        raise InputError(
            f"an entry of model.lora must have no keys but {' and '.join(KEYS)}, found {', '.join(unknown)}: leave "
            "it out"
        )
    return sld.Lora(**given)
