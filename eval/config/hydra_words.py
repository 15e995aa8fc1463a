"""Hydra's errors in our words: what it advises is for programs that it configures, and is refused here when typed."""

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
_PARTIAL = "base"  # what the configurations of a group have in common, and none to be chosen


def in_our_words(error: Exception, name: str, arguments: Sequence[str]) -> str:
    """Return what is wrong with the command line of `eval.NAME` in one sentence; `error` is Hydra's or OmegaConf's."""
    from hydra.errors import MissingConfigException

    if isinstance(error, RecursionError):
        return "the chosen configurations name each other as defaults, in a circle: correct them"
    sentence = " ".join(str(error).partition("Config search path:")[0].split()).rstrip(".") or type(error).__name__
    see = f"see `{typed(name)} --help`"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        named = ", ".join(option for option in error.options if option != _PARTIAL)
        own = "" if config_dir(arguments) else f", or give the folder of yours that holds it with {FLAG} FOLDER"
        return f"{group} must be one of {named}, found {choice!r}: choose one of these{own}"
    if found := _SEVERAL.search(sentence):
        each = ", or add -m, for one run per value" if name == "run" else ""
        return f"{found[1]} takes one value, found several, {found[2]}: choose one{each}"
    if found := _ADDED.search(sentence):
        key = next(filter(None, found.groups()))
        return f"{key} exists already and can't be added with +: give {key}=…, without it"
    if found := _NO_KEY.search(sentence):
        within = getattr(error.__cause__, "full_key", None) or ""  # of what a key was given in braces
        key = max(found[1], within, key=len)
        return _no_key(key, name, groups(arguments), see)
    return f"{sentence}: {see} for the available groups and keys"


def _no_key(key: str, name: str, names: Iterable[str], see: str) -> str:
    known = list(_keys(Settings))
    if before := next((old for old in RENAMED if key in (old, old.rpartition(".")[2])), None):
        return renamed_sentence(before)
    if key in names or "/" in key:  # of the user's, which no run has by itself
        return f"{key} is a group that must be added: give +{key}=NAME"
    if key.partition(".")[0] == "slurm" and name != "submit":
        return f"{key} tells SLURM how to run this: leave it out, or give it to `{typed('submit')}`"
    if name == "submit":
        from eval.config.slurm import SlurmSettings

        known += _keys(SlurmSettings, "slurm.")
    if key in known:  # and not in what is chosen
        group = key.partition(".")[0]
        first, *others = _choices_with(key)
        more = f" (or {', '.join(others)})" if others else ""
        return f"{key} goes with {group}={first}{more}, found another {group}: add one, or leave {key}= out"
    near = [each for each in known if each.rpartition(".")[2] == key]
    if not near:
        part, _, last = key.rpartition(".")
        beside = {each.rpartition(".")[2]: each for each in (*known, *names) if each.rpartition(".")[0] == part}
        near = [beside[each] for each in difflib.get_close_matches(last, beside, 1, 0.75)]
    instead = f"give {' or '.join(f'{each}=…' for each in near)}, or " if near else ""
    return f"expected an existing key or group, found {key!r}: {instead}{see}"


def _choices_with(key: str) -> Iterator[str]:
    """The configurations of a group that set a key of it."""
    from omegaconf import OmegaConf

    group, _, name = key.partition(".")
    for path in sorted((CONF / group).glob("*.yaml")):
        config = OmegaConf.to_container(OmegaConf.load(path))
        if path.stem != _PARTIAL and name in config.get(group, config):  # `_global_` ones name the group
            yield path.stem


def _keys(settings: type, prefix: str = "") -> Iterator[str]:
    """Every key of a dataclass of settings, those of its parts with a dot."""
    hints: dict[str, Any] = get_type_hints(settings)
    for name in (each.name for each in fields(settings)):
        kinds = (hints[name], *get_args(hints[name]))
        if part := next((kind for kind in kinds if is_dataclass(kind)), None):
            yield from _keys(part, f"{prefix}{name}.")
        else:
            yield prefix + name
