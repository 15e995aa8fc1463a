"""Which overrides are allowed: this project's own keys, and nothing that Hydra itself acts on.

Hydra calls code that a config names (callbacks, launchers, logging handlers), unpickles with one of its flags, and
reads configs from wherever it is told. So its own settings are not for the command line, and configs come from `conf/`
and from a folder that has been looked through (`eval.config.config_dir`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from eval.base.errors import InputError
from eval.config.config_dir import CONF, FLAG, config_dir, yaml_files

HELP = ("--help", "-h", "--hydra-help")
MULTIRUN = ("--multirun", "-m")
FLAGS = (
    *(*HELP, "--version", "--cfg", "-c", "--package", "-p", "--resolve"),
    *("--info", "-i", *MULTIRUN, "--shell-completion", "-sc", FLAG),
)
# Of these Hydra takes one; its own word on two of them is a traceback.
ONE_OF = (MULTIRUN, ("--cfg", "-c"), ("--info", "-i"), ("--shell-completion", "-sc"))
_QUESTIONS = set(FLAGS) - {"--package", "-p", "--resolve", FLAG, *MULTIRUN}
_CHOICE = re.compile(r"[\w-][\w.-]*")


def key_of(word: str) -> str:
    """Return the key that an override is of, without what adds (`+`) or deletes (`~`) it."""
    return word.lstrip("+~").partition("=")[0]


def asks(arguments: Sequence[str]) -> bool:
    """Whether a command line asks Hydra for something instead of for a run."""
    return any(word.partition("=")[0] in _QUESTIONS for word in arguments)


def groups(arguments: Sequence[str]) -> set[str]:
    """Return the names of the groups of which one can choose, those in the user's own folder among them."""
    folders = filter(None, (CONF, config_dir(arguments)))
    return {path.name for folder in folders for path in folder.iterdir() if path.is_dir()}


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise InputError for a flag, key or choice that could have Hydra run code or read a config of somebody else's.

    Flags are to be spelled out, for Hydra would take a part of one for the whole.
    """
    said = {word.partition("=")[0] for word in arguments}
    if len(asked := [names[0] for names in ONE_OF if set(names) & said]) > 1:
        raise InputError(f"expected one of {', '.join(names[0] for names in ONE_OF)}, found {' and '.join(asked)}")
    if "--resolve" in said and not said & {"--cfg", "-c", "--help", "-h"}:
        raise InputError("--resolve goes with --cfg, whose values it fills in, found it alone: add --cfg job")
    names = groups(arguments)
    for word in arguments:
        key, _, value = word.strip().partition("=")
        key = key.strip()
        if key.startswith("-"):
            if key not in FLAGS:
                raise InputError(
                    f"expected one of the flags {', '.join(FLAGS)}, found {word}: configs of your own are given with "
                    f"{FLAG} FOLDER"
                )
            continue
        name = key.lstrip("+~").strip()
        if re.split(r"[./@=]", name)[0].strip() == "hydra" or "@" in name:
            raise InputError(
                f"Hydra's own settings and packages can't be set here, because they may name code to be called, found "
                f"{word}: leave it out"
            )
        if name in names or "/" in name:
            _check_choice(name, value.strip(), arguments)


def _check_choice(group: str, value: str, arguments: Sequence[str]) -> None:
    """Raise InputError for what is no name of a choice, whose configuration could lie anywhere."""
    own, sweep = _own_names(config_dir(arguments), group), bool(set(arguments) & set(MULTIRUN))
    several = [part.strip() for part in value.split(",")]
    for choice in [value] if value in own or not sweep else several:
        quoted = choice[:1] in ("'", '"') and choice[:1] == choice[-1:]  # as a sweep hands it on
        name = choice[1:-1].replace("\\'", "'") if quoted else choice
        if choice == "null":
            raise InputError(f"{group} must be a name, found null: leave it out for the default")
        if choice and name not in own and not _CHOICE.fullmatch(name):
            if len(several) > 1 and all(map(_CHOICE.fullmatch, several)):
                return  # which Hydra takes for several values, and says so
            raise InputError(
                f"{group} must be a name, or with -m several separated by commas, found {value!r}: give {group}=NAME, "
                "one of those that --help lists"
            )


def _own_names(folder: Path | None, group: str) -> set[str]:
    """The names of a group's configurations in the user's own folder, those in folders of it with their paths."""
    if folder is None:
        return set()
    above = folder / group
    return {path.relative_to(above).with_suffix("").as_posix() for path in yaml_files(folder) if above in path.parents}
