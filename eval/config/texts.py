"""Which keys hold texts, and what is made of a text: as it was typed, with `~` for the home folder, a list of one.

A number in the place of a text comes from a file: what was typed there can't be told any more (1.10 is 1.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass, replace
from typing import Any, get_args, get_type_hints

from omegaconf import DictConfig, OmegaConf

from eval.base.command import expanded
from eval.base.errors import InputError
from eval.judges import JUDGES, judge_class

TEXT, OPTIONAL, TEXTS, METHODS, ROWS = "text", "optional text", "texts", "methods", "rows"
CHOICE = "choice"  # of a group, by a file's name
LISTS = (TEXTS, METHODS)
OF_A_METHOD = {"name": TEXT, "preset": OPTIONAL, "concept": OPTIONAL, "negative_prompt": OPTIONAL}
SPECIAL = {"methods": METHODS, "prompts.rows": ROWS}  # which are of no type of their own
PATHS = (
    *("out", "prompts.path", "model.path", "model.unet", "model.config"),
    *(f"{name}.{field}" for name in JUDGES for field in judge_class(name).paths),
)


def text_keys(settings: type, prefix: str = "") -> dict[str, str]:
    """Return what each key of a dataclass of settings is, of those that hold texts, with its parts'."""
    found = {}
    for name, hint in get_type_hints(settings).items():
        key, kinds = prefix + name, {part for part in (hint, *get_args(hint)) if part is not type(None)}
        if inner := next((part for part in kinds if is_dataclass(part)), None):
            found |= text_keys(inner, f"{key}.")
        elif key in SPECIAL:
            found[key] = SPECIAL[key]
        elif list[str] in kinds:
            found[key] = TEXTS
        elif str in kinds:
            found[key] = OPTIONAL if type(None) in get_args(hint) else TEXT
    return found


def with_texts(config: DictConfig, settings: type, prefix: str = "") -> DictConfig:
    """Return the config with a list of one where a list belongs and one name stands.

    Args:
        config: what will be the settings.
        settings: their dataclass.
        prefix: of the config's own key, with a dot, for sentences.

    Raises:
        InputError: something else than a text in the place of one.
    """
    config = config.copy()
    for key, kind in text_keys(settings).items():
        value = _plain(config, key)
        if kind in LISTS and isinstance(value, str) and not _is_interpolation(value):
            OmegaConf.update(config, key, [value], merge=False)
        for where, inner in _texts(prefix + key, value, kind):
            _check_text(where, inner)
    return config


def _plain(config: DictConfig, key: str) -> Any:
    """A value as it stands in the config, None where there is none."""
    *above, last = key.split(".")
    for name in above:
        config = _node(config, name)
    node = _node(config, last)
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node and node._value()


def _node(config: Any, name: str) -> Any:
    mapping = isinstance(config, DictConfig) and not config._is_none() and not config._is_missing()
    return config._get_node(name, validate_access=False) if mapping else None


def _texts(key: str, value: Any, kind: str) -> Iterator[tuple[str, Any]]:
    """Yield each value that is to be a text, with its key."""
    if value is None or kind == ROWS:
        return
    for inner in value if isinstance(value, list) else [value]:
        if kind == METHODS and isinstance(inner, Mapping):
            yield from ((f"{key}.{name}", inner[name]) for name in sorted(OF_A_METHOD.keys() & inner.keys()))
        else:
            yield key, inner


def _check_text(key: str, value: Any) -> None:
    if isinstance(value, bool | int | float):
        shown = str(value).lower() if isinstance(value, bool) else value
        raise InputError(
            f"{key} must be a text, found {shown} in a configuration file, where YAML may have read another value than "
            "was typed: put it in quotes there"
        )


def _is_interpolation(value: object) -> bool:
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")


def with_paths(settings):
    """Return `Settings` with every path expanded; after this none of them is again."""
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
