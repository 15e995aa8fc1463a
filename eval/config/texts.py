"""Keys that hold texts, and their values: as typed, with `~` for the home folder, and a single name as a list.

A number in the place of a text comes from a file, where it is not known what was typed (1.10 is 1.1).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from eval.base.command import expanded
from eval.base.errors import InputError
from eval.config.types import key_types
from eval.judges import JUDGES, judge_class
from sld.checkpoints.family import TITLES

TEXT, OPTIONAL, TEXTS, METHODS, LORAS, ROWS = "text", "optional text", "texts", "methods", "LoRAs", "rows"
NAMES = "names"  # a mapping whose values are texts
CHOICE = "choice"  # of a group: the name of a file
LISTS = (TEXTS, METHODS, LORAS)
# The texts in the entries of lists, which are mappings or texts themselves.
ENTRIES = {
    METHODS: {"name": TEXT, **dict.fromkeys(("preset", "concept", "negative_prompt", "prefix", "space"), OPTIONAL)},
    LORAS: {"path": TEXT},
}
SPECIAL = {
    "methods": METHODS,
    "model.lora": LORAS,
    "prompts.rows": ROWS,
    "report.names": NAMES,
}  # whose type does not show their kind
PATHS = (
    *("out", "prompts.path", "model.path", "model.config"),
    *("quality.reference", "quality.inception", "quality.lpips_weights"),
    *(f"model.{part}" for part in TITLES),
    *(f"{name}.{field}" for name in JUDGES for field in judge_class(name).paths),
)


@functools.cache
def text_keys(settings: type, prefix: str = "") -> Mapping[str, str]:
    """Return key → kind of the keys that hold texts, of a dataclass of settings and its parts."""
    keys = {}
    for key, hint in key_types(settings, prefix):
        kinds = (hint, *get_args(hint))
        if key in SPECIAL:
            keys[key] = SPECIAL[key]
        elif list[str] in kinds:
            keys[key] = TEXTS
        elif str in kinds:
            keys[key] = OPTIONAL if type(None) in kinds else TEXT
    return MappingProxyType(keys)


def with_texts(config: DictConfig, settings: type, prefix: str = "") -> DictConfig:
    """Return the config with a list instead of a single name where the settings need a list.

    Args:
        config: of the settings.
        settings: their dataclass.
        prefix: the key of the config itself, with a dot, for messages.

    Raises:
        InputError: a number or true or false in the place of a text.
    """
    config = config.copy()
    for key, kind in text_keys(settings).items():
        value = _plain(config, key)
        if kind in LISTS and isinstance(value, str) and not _is_interpolation(value):
            OmegaConf.update(config, key, [value], merge=False)
        for where, inner in _texts(prefix + key, value, kind):
            _check_text(where, inner, kind)
    return config


def _plain(config: DictConfig, key: str) -> Any:
    """Return the unresolved value of a key, None without one."""
    *parents, last = key.split(".")
    for name in parents:
        config = _node(config, name)
    node = _node(config, last)
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node and node._value()


def _node(config: Any, name: str) -> Any:
    mapping = isinstance(config, DictConfig) and not config._is_none() and not config._is_missing()
    return config._get_node(name, validate_access=False) if mapping else None


def _texts(key: str, value: Any, kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the key and value of each text in a value."""
    if value is None or kind == ROWS:
        return
    if kind == NAMES:
        yield from ((f"{key}.{name}", inner) for name, inner in value.items()) if isinstance(value, Mapping) else ()
        return
    for inner in value if isinstance(value, list) else [value]:
        if kind in ENTRIES and isinstance(inner, Mapping):
            yield from ((f"{key}.{name}", inner[name]) for name in sorted(ENTRIES[kind].keys() & inner.keys()))
        else:
            yield key, inner


def _check_text(key: str, value: Any, kind: str) -> None:
    if kind == TEXTS and isinstance(value, list | Mapping):  # which OmegaConf lets pass
        raise InputError(f"{key} must be a list of names, found {value} in it: take the inner brackets out")
    if isinstance(value, bool | int | float):
        as_yaml = str(value).lower() if isinstance(value, bool) else value
        raise InputError(
            f"{key} must be a text, found {as_yaml} in a configuration file, where YAML may have read another value "
            "than was typed: put it in quotes there"
        )


def _is_interpolation(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")


def with_paths(settings):
    """Return `Settings` with the home folder instead of `~` in every path; nothing expands a path again."""
    plugged = [name for name in settings.judges if name not in JUDGES and hasattr(settings, name)]
    for key in (*PATHS, *(f"{name}.{field}" for name in plugged for field in judge_class(name).paths)):
        part, _, name = key.rpartition(".")
        holder = getattr(settings, part) if part else settings
        path = getattr(holder, name)
        if path is None or "~" not in path:
            continue
        changed = replace(holder, **{name: expanded(key, path)})
        settings = replace(settings, **{part: changed}) if part else changed
    return settings
