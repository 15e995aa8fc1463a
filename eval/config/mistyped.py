"""Sentences for values of another type than their key's, and for keys that a file made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, InterpolationResolutionError, OmegaConfBaseException

from eval.base.command import typed
from eval.base.errors import InputError
from eval.base.nearest import nearest
from eval.base.renamed import RENAMED, renamed_sentence
from eval.config.types import key_types, part_of

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def mistyped(
    error: OmegaConfBaseException, config: DictConfig, settings: type, prefix: str = "", command: str = "run"
) -> str:
    """Return a sentence for a value that does not fit its key, or a key that there is not.

    Args:
        error: of OmegaConf.
        config: that does not fit.
        settings: the dataclass that it was to fit.
        prefix: the key of the config itself, with a dot.
        command: whose help lists the keys.
    """
    if isinstance(error, InterpolationResolutionError):
        return unresolved(error, prefix)
    message = _first_line(error)
    if "Missing mandatory value" in message:
        key = f"{prefix}{error.full_key}"
        return f"{key} must be given, because it has no default, found none: give {key}=…"
    inside = next(_parts_with_a_value(config, settings), error.full_key or "")
    key = prefix + inside
    if key in RENAMED:
        return renamed_sentence(key)
    part, _, name = inside.rpartition(".")
    place = _hint(settings, part)
    if isinstance(error, ConfigKeyError) and is_dataclass(place):
        names = [field.name for field in fields(place)]
        close = nearest(name, names)
        do = f"did you mean {key.removesuffix(name)}{close}?" if close else "leave it out"
        return f"{(prefix + part).rstrip('.') or 'a run'} must have the keys {', '.join(names)}, found {key}: {do}"
    hint = _hint(settings, inside)
    if expected := _expected(hint, key):
        value = OmegaConf.select(config, inside, throw_on_missing=False)
        return f"{key} must be {expected}, found {shown(value)}: correct it, or leave it out"
    return f"{key}: {message}; see `{typed(command)} --help` for the keys and their types"


def unresolved(error: InterpolationResolutionError, prefix: str = "") -> str:
    """Return a sentence for an interpolation without a value, such as `${oc.env:NAME}` of a variable that is not set.

    Args:
        error: of OmegaConf.
        prefix: what the error's key begins with, with a dot.
    """
    why = re.sub(r"^\w+ raised while resolving interpolation: ", "", _first_line(error)).strip('"')
    return f"{prefix}{error.full_key} must refer to a value, found an interpolation without one ({why}): correct it"


def _first_line(error: OmegaConfBaseException) -> str:
    return re.sub(r"\s+", " ", str(error.msg or error).splitlines()[0]).strip().rstrip(".")


def check_numbers(config: DictConfig, settings: type, prefix: str = "") -> None:
    """Refuse numbers that OmegaConf would read otherwise than meant: for true or false others than 0 and 1, and "1_0".

    Args:
        config: of the settings.
        settings: their dataclass.
        prefix: the key of the config itself, with a dot.

    Raises:
        InputError: the first such number.
    """
    for key, hint in key_types(settings):
        if bool in (hint, *get_args(hint)):
            value = OmegaConf.select(config, key, throw_on_missing=False)
            if _is_another_number(value):
                raise InputError(
                    f"{prefix}{key} must be true or false, found {shown(value)}: correct it, or leave it out"
                )
        elif {int, float} & {hint, *get_args(hint)}:
            value = OmegaConf.select(config, key, throw_on_missing=False)
            if isinstance(value, str) and "_" in value:
                raise InputError(
                    f"{prefix}{key} must be {_expected(hint, key)}, found {shown(value)}: correct it, or leave it out"
                )


def _is_another_number(value: Any) -> bool:
    """Whether OmegaConf takes a value for a number, also as text, and it is neither 0 nor 1."""
    try:
        return isinstance(value, int | str) and int(value) not in (0, 1)
    except ValueError:
        return False


def _parts_with_a_value(config: DictConfig, settings: type) -> Iterator[str]:
    """Yield the names of parts that hold a value instead of keys, of which OmegaConf does not give the name."""
    for name in (field.name for field in fields(settings) if is_dataclass(_hint(settings, field.name))):
        whole = name in config and not OmegaConf.is_dict(config[name]) and config[name] is not None
        if whole or OmegaConf.is_interpolation(config, name):
            yield name


def _hint(settings: type, key: str) -> Any:
    """Return the type of a key, without None; the dataclass itself for none, None for a key that there is not."""
    hint: Any = settings
    for name in filter(None, key.split(".")):
        if not is_dataclass(hint):
            return None
        hint = get_type_hints(hint).get(name)
        hint = part_of(hint) or hint
    return hint


def _expected(hint: Any, key: str) -> str:
    """Return in words what a key takes; empty if its type does not say."""
    if is_dataclass(hint):
        keys = [field.name for field in fields(hint)]
        return f"given by its own keys, as in {key}.{keys[0]}=… (there are {', '.join(keys)})"
    options = get_args(hint)
    if get_origin(hint) is not list and options:  # such as int | None
        hint, options = next(kind for kind in options if kind is not type(None)), ()
    if hint in _EXPECTED:
        return _EXPECTED[hint]
    return f"a list in brackets, {key}=[…]" if get_origin(hint) is list else ""


def shown(value: Any) -> str:
    """Return a value in words, as it is typed."""
    value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(inner)}' for key, inner in value.items())}}}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
