"""Sentences for Hydra's errors, because this project refuses what Hydra's own messages advise."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from eval.base.command import typed
from eval.base.renamed import RENAMED, renamed_sentence
from eval.config.config_dir import CONF, FLAG, config_dir
from eval.config.overrides import groups
from eval.config.settings import Settings

_NO_KEY = re.compile(r"Could not override '([^']*)'")
_ADDED = re.compile(
    r"Multiple values for ([\w/]+)|force-add of config groups is not supported: '\+\+([^=]*)|"
    r"An item is already at '([^']*)'"
)
_SEVERAL = re.compile(r"Ambiguous value for argument '([^=]*)=(.*?)' 1\. ")
_PARTIAL = "base"  # the common part of the configurations of a group, not a choice


def explain_hydra_error(error: Exception, name: str, arguments: Sequence[str]) -> str:
    """Return a sentence for an error in the command line of a command.

    Args:
        error: of Hydra or OmegaConf.
        name: of the command, such as run.
        arguments: the command line.
    """
    from hydra.errors import MissingConfigException

    if isinstance(error, RecursionError):
        return "the chosen configurations must not be defaults of each other, found a circle: correct them"
    sentence = " ".join(str(error).partition("Config search path:")[0].split()).rstrip(".") or type(error).__name__
    see = f"see `{typed(name)} --help`"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        options = ", ".join(option for option in error.options if option != _PARTIAL)
        own = "" if config_dir(arguments) else f", or give your folder that holds it with {FLAG} FOLDER"
        return f"{group} must be one of {options}, found {choice!r}: choose one of these{own}"
    if match := _SEVERAL.search(sentence):
        sweep = ", or add -m, for one run per value" if name == "run" else ""
        return f"{match[1]} must be one value, found several, {match[2]}: choose one{sweep}"
    if match := _ADDED.search(sentence):
        key = next(filter(None, match.groups()))
        return f"a key must be new to be added with +, found {key}, which exists already: give {key}=…, without it"
    if match := _NO_KEY.search(sentence):
        inner = getattr(error.__cause__, "full_key", None) or ""  # of a key in a value in braces
        key = max(match[1], inner, key=len)
        return _unknown_key(key, name, groups(arguments), see)
    return f"{sentence}: {see} for the available groups and keys"


def _unknown_key(key: str, name: str, names: Iterable[str], see: str) -> str:
    known_keys = list(_keys(Settings))
    if old_key := next((old for old in RENAMED if key in (old, old.rpartition(".")[2])), None):
        return renamed_sentence(old_key)
    if key in names or "/" in key:  # a group of the user, which a run has only if added
        return f"{key} is a group that must be added: give +{key}=NAME"
    if key.partition(".")[0] == "slurm" and name != "submit":
        return f"{key} tells SLURM how to run this: leave it out, or give it to `{typed('submit')}`"
    if name == "submit":
        from eval.config.slurm import SlurmSettings

        known_keys += _keys(SlurmSettings, "slurm.")
    if key in known_keys:  # of another choice of its group
        group = key.partition(".")[0]
        first, *alternatives = _choices_with(key)
        more = f" (or {', '.join(alternatives)})" if alternatives else ""
        return f"{key} goes with {group}={first}{more}, found another {group}: add one, or leave {key}= out"
    close = [known for known in known_keys if known.rpartition(".")[2] == key]
    if not close:
        part, _, last = key.rpartition(".")
        siblings = {full.rpartition(".")[2]: full for full in (*known_keys, *names) if full.rpartition(".")[0] == part}
        close = [siblings[name] for name in difflib.get_close_matches(last, siblings, 1, 0.75)]
    instead = f"give {' or '.join(f'{full}=…' for full in close)}, or " if close else ""
    return f"a key must be an existing key or group, found {key!r}: {instead}{see}"


def _choices_with(key: str) -> Iterator[str]:
    """Yield the configurations of a group that set one of its keys."""
    from omegaconf import OmegaConf

    group, _, name = key.partition(".")
    for path in sorted((CONF / group).glob("*.yaml")):
        config = OmegaConf.to_container(OmegaConf.load(path))
        if path.stem != _PARTIAL and name in config.get(group, config):  # with `@package _global_`, the group is a key
            yield path.stem


def _keys(settings: type, prefix: str = "") -> Iterator[str]:
    """Yield the keys of a dataclass of settings, those of its parts with a dot."""
    hints: dict[str, Any] = get_type_hints(settings)
    for name in (field.name for field in fields(settings)):
        kinds = (hints[name], *get_args(hints[name]))
        if part := next((kind for kind in kinds if is_dataclass(kind)), None):
            yield from _keys(part, f"{prefix}{name}.")
        else:
            yield prefix + name
