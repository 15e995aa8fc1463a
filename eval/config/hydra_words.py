"""Sentences for what Hydra can't read, because this project refuses what Hydra's own messages advise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from eval.base.command import typed
from eval.base.nearest import advice
from eval.base.renamed import RENAMED, renamed_sentence
from eval.config.config_dir import CONF, FLAG, choices, config_dir
from eval.config.known_keys import OTHER_WORDS, known_keys, meant, place
from eval.config.methods import KEYS, NUMBERS
from eval.config.mistyped import unresolved
from eval.config.overrides import OVERRIDE, explain_path, groups, key_of, without_key
from sld.errors import other_way

_NO_KEY = re.compile(r"Could not override '([^']*)'")
_ADDED = re.compile(
    r"Multiple values for ([\w/]+)|force-add of config groups is not supported: '\+\+([^=]*)|"
    r"An item is already at '([^']*)'|Error merging override \+(\w+)=(?!\[)"  # of a key whose value is interpolated
)
_NOT_MERGED = re.compile(r"Error merging override \+*([\w.]+)=(.*)")  # a list in the place of keys
_SEVERAL = re.compile(r"Ambiguous value for argument '([^=]*)=(.*?)' 1\. ")
_PARTIAL = "base"  # the common part of the configurations of a group, not a choice
# A word of other programs → the choice that is meant.
_OTHER_CHOICES = {
    "model": {
        **dict.fromkeys(("sd", "sd1", "sdv1", "stable_diffusion", "stable_diffusion_v1_4"), "sd14"),
        **dict.fromkeys(("sdv1_5", "stable_diffusion_v1_5"), "sd15"),
        **dict.fromkeys(("sd2", "sdv2"), "sd21"),
        **dict.fromkeys(("xl", "stable_diffusion_xl"), "sdxl"),
        **dict.fromkeys(("sd3", "stable_diffusion_3"), "sd35"),
        **dict.fromkeys(("folder", "pictures", "dir", "image"), "images"),
        **dict.fromkeys(("own", "mine", "custom", "local", "path", "hub", "diffusers"), "checkpoint"),
    },
    "prompts": dict.fromkeys(("own", "mine", "custom", "file", "csv"), "i2p"),
    "protocol": {"sld": "paper", "default": "dataset"},
    "nudenet": {"320n": "v3", "v3.4": "v3"},
}
_OTHER_MODELS = f"for any other model, {other_way('its own pipeline')}"


def explain_hydra_error(error: Exception, name: str, arguments: Sequence[str]) -> str:
    """Return a sentence for an error in the command line of a command.

    Args:
        error: of Hydra or OmegaConf.
        name: of the command, such as run.
        arguments: the command line.
    """
    from hydra.errors import MissingConfigException
    from omegaconf.errors import InterpolationResolutionError

    if keyless := next((word for word in arguments if word.startswith("=")), None):  # to Hydra a group without a name
        return explain_word(keyless, name, arguments)
    if isinstance(error, InterpolationResolutionError):
        return unresolved(error)
    if isinstance(error, RecursionError):
        return "the chosen configurations must not be defaults of each other, found a circle: correct them"
    sentence = " ".join(str(error).partition("Config search path:")[0].split()).rstrip(".") or type(error).__name__
    see = f"see `{typed(name)} --help`"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return _no_choice(group, choice, [option for option in error.options if option != _PARTIAL], arguments)
    if match := _SEVERAL.search(sentence):
        sweep = ", or add -m, for one run per value" if name == "run" else ""
        return f"{match[1]} must be one value, found several, {match[2]}: choose one{sweep}"
    if match := _ADDED.search(sentence):
        key = next(filter(None, match.groups()))
        return f"a key must be new to be added with +, found {key}, which exists already: give {key}=…, without it"
    if match := _NO_KEY.search(sentence):
        inner = getattr(error.__cause__, "full_key", None) or ""  # of a key in a value in braces
        key = max(match[1], inner, key=len)
        return _unknown_key(key, name, arguments, see)
    if match := _NOT_MERGED.search(sentence):
        key = match[1]
        return (
            f"{key} must be given by its own keys, {key}.NAME=…, found {match[2]} "
            f"({place(f'{key}.', name, groups(arguments))}): correct it, or leave it out"
        )
    return f"{sentence}: {see} for the available groups and keys"


def explain_word(word: str, name: str, arguments: Sequence[str]) -> str:
    """Return a sentence for a word of the command line that is no override.

    Args:
        word: as typed.
        name: of the command, such as run.
        arguments: the command line.
    """
    what = OVERRIDE
    if "=" in word.strip("="):
        return f"{what} as Hydra reads it, found {word!r}: check its brackets and quotes"
    if not word.strip("="):
        return without_key(word)
    if word.lower() in ("help", "version"):
        return f"{what}, found {word!r}: give --{word.lower()}"
    if of_path := explain_path(word):
        return of_path
    if where := [group for group, names in _all_choices(arguments).items() if word in names]:
        return f"{what}, found {word!r}: give {' or '.join(f'{group}={word}' for group in where)}"
    before = arguments[arguments.index(word) - 1] if word in arguments[1:] else ""
    close = meant(word, name, groups(arguments))
    # Behind an override, what only resembles a key is rather the rest of the override's value.
    named = word in OTHER_WORDS or any(word in key.split(".") for key in close)
    if close and (named or "=" not in before):
        return f"{what}, found {word!r} without a value: give {_keys_to_give(close, '')}"
    if "=" in before:
        return f"{what}, found {word!r}: put what belongs together in quotes, as in '{before} {word}'"
    return f"{what}, found {word!r}: see `{typed(name)} --help`"


def _no_choice(group: str, choice: str, options: Sequence[str], arguments: Sequence[str]) -> str:
    do = advice(choice, options, _OTHER_CHOICES.get(group))
    if do.startswith("choose"):
        own = "" if config_dir(arguments) else f", or give your folder that holds it with {FLAG} FOLDER"
        do += own + (f"; {_OTHER_MODELS}" if group == "model" else "")
    return f"{group} must be one of {', '.join(options)}, found {choice!r}: {do}"


def _unknown_key(key: str, name: str, arguments: Sequence[str], see: str) -> str:
    names = groups(arguments)
    if old_key := next((old for old in RENAMED if key in (old, old.rpartition(".")[2])), None):
        return renamed_sentence(old_key)
    if "@" in key:  # which no command line holds
        group = key.partition("@")[0].rpartition("/")[2]
        return f"an override in the defaults of a file must begin with /, found {group}: write override /{group}: NAME"
    if key in names or "/" in key:  # a group of the user, which a run has only if added
        return f"{key} is a group that must be added: give +{key}=NAME"
    if key.partition(".")[0] == "slurm" and name != "submit":
        return f"{key} tells SLURM how to run this: leave it out, or give it to `{typed('submit')}`"
    if key in known_keys(name):  # of another choice of its group
        group = key.partition(".")[0]
        first, *alternatives = _choices_with(key)
        more = f" (or {', '.join(alternatives)})" if alternatives else ""
        return f"{key} goes with {group}={first}{more}, found another {group}: add one, or leave {key}= out"
    last = key.rpartition(".")[2]
    if last in ("safety_checker", "requires_safety_checker"):
        return f"{key} must be left out, because no safety checker changes the pictures of a run: leave it out"
    value = next((word.partition("=")[2] for word in arguments if key_of(word).strip() == key), "")
    if last in {*KEYS, *NUMBERS} - {"name", "guidance_scale"}:
        preset = "preset: strong, " if last in NUMBERS else ""
        entry = f"{{name: mine, {preset}{last}: {value or '…'}}}"
        return f"{last} must be given within a method, found {key!r} as a key of the run: give 'methods=[{entry}]'"
    close = meant(key, name, names)
    do = f"did you mean {_keys_to_give(close, value)}?" if close else see
    return f"a key must be an existing key or group, found {key!r} ({place((close or [key])[0], name, names)}): {do}"


def _keys_to_give(keys: Sequence[str], value: str) -> str:
    """Return keys with a value as they are typed; those of a group have names as values."""
    return " or ".join(f"{key}={value or '…'}" for key in keys)


def _all_choices(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return group → names of its configurations, those in the user's folder too."""
    folder = config_dir(arguments)
    names = {group: [name for name in found if name != _PARTIAL] for group, found in choices(CONF).items()}
    for group, found in choices(folder).items() if folder else ():
        names[group] = [*names.get(group, []), *found]
    return {group: found for group, found in names.items() if not group.startswith("hydra")}


def _choices_with(key: str) -> Iterator[str]:
    """Yield the configurations of a group that set one of its keys."""
    from omegaconf import OmegaConf

    group, _, name = key.partition(".")
    for path in sorted((CONF / group).glob("*.yaml")):
        config = OmegaConf.to_container(OmegaConf.load(path))
        if path.stem != _PARTIAL and name in config.get(group, config):  # with `@package _global_`, the group is a key
            yield path.stem
