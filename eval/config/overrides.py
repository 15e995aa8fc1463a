"""Which overrides are allowed: this project's own keys, and nothing that Hydra itself acts on.

Hydra calls code that a config names (callbacks, launchers, logging handlers), unpickles with one of its flags, and
reads configs from any place. So its own settings can't be set on the command line, and configs come from `conf/` and
from a folder that has been checked (`eval.config.config_dir`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from eval.base.cli import VERSION
from eval.base.command import typed
from eval.base.errors import InputError
from eval.base.nearest import nearest
from eval.base.quoting import shell_override
from eval.base.values import one_of
from eval.config.config_dir import CONF, FLAG, config_dir, yaml_files
from eval.config.known_keys import meant
from eval.config.settings import Settings
from eval.config.slurm import SlurmSettings
from eval.config.texts import LISTS, text_keys

HELP = ("--help", "-h")
MULTIRUN = ("--multirun", "-m")
FLAGS = (
    *(*HELP, VERSION, "--cfg", "-c", "--resolve"),
    *("--info", "-i", *MULTIRUN, "--shell-completion", "-sc", FLAG),
)
# Hydra accepts one of these, and answers two with a traceback.
EXCLUSIVE = (MULTIRUN, ("--cfg", "-c"), ("--info", "-i"), ("--shell-completion", "-sc"))
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_WORDS_OF = {**dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")), **dict.fromkeys(("--info", "-i"), _INFO)}
_QUESTIONS = set(FLAGS) - {"--resolve", FLAG, *MULTIRUN}
_LISTS = [key for key, kind in {**text_keys(Settings), **text_keys(SlurmSettings, "slurm.")}.items() if kind in LISTS]
OVERRIDE = "an override must be KEY=VALUE"
_CHOICE = re.compile(r"[\w-][\w.-]*")


def key_of(word: str) -> str:
    """Return the key of an override, without the sign that adds it (`+`)."""
    return word.lstrip("+").partition("=")[0]


def in_full(word: str) -> str:
    """Return an override without its short form: `quality=[kid]` is `quality.metrics=[kid]`.

    A name for print by itself, `report.names.sld_max=SLD`, adds a key to those that Hydra knows.
    """
    key, equals, value = word.partition("=")
    if equals and key.strip().startswith("report.names."):
        return f"++{word.strip()}"
    short = equals and not word.startswith("-") and key_of(word).strip() == "quality" and value.strip()[:1] != "{"
    return f"{key.rstrip()}.metrics={value}" if short else word


def replaced(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Return the overrides whose key a later one gives another value, each with the last, which is what Hydra takes."""
    words = [word for word in arguments if "=" in word and not word.startswith("-")]
    given = [(key_of(in_full(word)).strip(), word, word.partition("=")[2]) for word in words]
    last = {key: (word, value) for key, word, value in given}
    return [(word, last[key][0]) for key, word, value in given if value != last[key][1]]


def asks(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks Hydra for something else than a run, such as help."""
    return any(word.partition("=")[0] in _QUESTIONS for word in arguments)


def flags_last(arguments: Sequence[str]) -> list[str]:
    """Return a command line with its flags and their values behind the overrides, of which argparse takes one group."""
    values = [word in _WORDS_OF.get(before, ()) for word, before in zip(arguments, ["", *arguments], strict=False)]
    is_flag = [word.startswith("-") or value for word, value in zip(arguments, values, strict=True)]
    return [word for last in (False, True) for word, flag in zip(arguments, is_flag, strict=True) if flag == last]


def groups(arguments: Sequence[str]) -> set[str]:
    """Return the names of the groups, with those in the user's folder and without Hydra's own."""
    folders = filter(None, (CONF, config_dir(arguments)))
    return {path.name for folder in folders for path in folder.iterdir() if path.is_dir()} - {"hydra"}


def check_arguments(arguments: Sequence[str], name: str) -> None:
    """Refuse a flag, key or choice that could make Hydra run code or read a foreign config.

    Flags must be complete, because Hydra accepts abbreviations too.

    Args:
        arguments: the command line.
        name: of the command, such as run, for the advice.

    Raises:
        InputError: the first such word.
    """
    words = {word.partition("=")[0] for word in arguments}
    if len(exclusive := [names[0] for names in EXCLUSIVE if set(names) & words]) > 1:
        flags = ", ".join(names[0] for names in EXCLUSIVE)
        raise InputError(f"a command must have one of {flags}, found {' and '.join(exclusive)}: leave one out")
    if "--resolve" in words and not words & {"--cfg", "-c", "--help", "-h"}:
        raise InputError("--resolve must go with --cfg, whose values it fills in, found it without: add --cfg job")
    if words & {"--shell-completion", "-sc"} and "query" in words and "COMP_LINE" not in os.environ:
        raise InputError("--shell-completion must be called by a shell, found no COMP_LINE: leave it out")
    names = groups(arguments)
    for number, word in enumerate(arguments):
        key, _, value = word.strip().partition("=")
        key = key.strip()
        if key.startswith("-"):
            if key not in FLAGS:
                raise InputError(_no_flag(arguments[number:], name, names))
            behind = value if "=" in word else next(iter(arguments[number + 1 : number + 2]), "")
            bare = key in ("--info", "-i") and "=" not in word and (not behind or behind.startswith("-"))
            if key in _WORDS_OF and not bare:
                one_of(key, behind, _WORDS_OF[key])
            continue
        if key.startswith("~"):
            if of_path := explain_path(word):
                raise InputError(of_path)
            gone = key.lstrip("~").strip()
            raise InputError(
                f"{OVERRIDE}, found {word!r}, which takes a key away: leave it out for the default, "
                f"or give {gone or 'KEY'}=…"
            )
        key = key.lstrip("+").strip()
        if not key and word.startswith("+"):  # at which Hydra itself fails
            raise InputError(without_key(word))
        if re.split(r"[./@=]", key)[0].strip() == "hydra" or "@" in key:
            raise InputError(
                f"an override must not set Hydra's own settings or packages, which may name code to call, found "
                f"{word}: leave it out"
            )
        if value.strip() == "???":  # for which OmegaConf would take another value
            raise InputError(f"{key} must have a value, found ???, which leaves it open: give one, or leave it out")
        if whole := next((known for known in _LISTS if key.startswith((f"{known}.", f"{known}["))), None):
            raise InputError(f"{whole} must be given as a whole list, found {key!r}: give {whole}=[…]")
        if key in names or "/" in key:
            _check_choice(key, value.strip(), arguments)


def without_key(word: str) -> str:
    """Return a sentence for a word of the command line that has no key, such as a lone `=`."""
    return f"{OVERRIDE} without blanks, found a lone {word!r}: give it as one word, in quotes if the value has blanks"


def explain_path(word: str) -> str | None:
    """Return a sentence for a word that is a path instead of KEY=VALUE; None where nothing is there."""
    path = Path(os.path.expanduser(word) if "/" in word else word)  # ~slurm is a key that is taken away
    if not os.path.exists(path):  # False also for a name that no file can have
        return None
    if (path / "manifest.json").is_file():
        again = f"`{typed('report', [str(path)])}` writes its report again"
        resume = f"give {shell_override('out', str(path))} to resume it"
        return f"{OVERRIDE}, found the run directory {word!r}: {resume}; {again}"
    weights = path.suffix in (".safetensors", ".ckpt", ".pt", ".bin")
    keys = ("model.path", "out") if path.is_dir() else ("model.path",) if weights else ("prompts.path",)
    given = " or ".join(shell_override(key, str(path)) for key in keys)
    return f"{OVERRIDE}, found the path {word!r}: give {given}"


def _no_flag(words: Sequence[str], name: str, names: Collection[str]) -> str:
    """Return a sentence for the first of these words, which is no flag: often a key, as other programs take them."""
    flag, _, value = words[0].strip().partition("=")
    long_flags = [known for known in FLAGS if known.startswith("--")]
    close = next((known for known in long_flags if len(flag) > len("--") and known.startswith(flag)), None)
    if not close and (keys := meant(flag.lstrip("-").replace("-", "_"), name, names)):
        behind = words[1] if len(words) > 1 and "=" not in words[1] and words[1][:1] != "-" else ""
        given = " or ".join(f"{key}={value or behind or '…'}" for key in keys)
        return f"a key must be given as KEY=VALUE, found {f'{words[0]} {behind}'.strip()}: give {given}"
    close = close or nearest(flag, long_flags)
    do = f"did you mean {close}?" if close else f"give keys as KEY=VALUE, and your own configs with {FLAG} FOLDER"
    return f"a flag must be one of {', '.join(FLAGS)}, found {words[0]}: {do}"


def _check_choice(group: str, value: str, arguments: Sequence[str]) -> None:
    """Refuse a value that is not the name of a choice, because its configuration could be anywhere."""
    own, sweep = _own_names(config_dir(arguments), group), bool(set(arguments) & set(MULTIRUN))
    several = [part.strip() for part in value.split(",")]
    for choice in [value] if value in own or not sweep else several:
        quoted = choice[:1] in ("'", '"') and choice[:1] == choice[-1:]  # as in the words of a sweep's job
        name = choice[1:-1].replace("\\'", "'") if quoted else choice
        if choice == "null":
            raise InputError(f"{group} must be a name, found null: leave it out for the default")
        if choice and name not in own and not _CHOICE.fullmatch(name):
            if len(several) > 1 and all(map(_CHOICE.fullmatch, several)):
                return  # Hydra's error about several values applies
            raise InputError(
                f"{group} must be a name, or with -m several separated by commas, found {value!r}: give {group}=NAME, "
                "one of those that --help lists"
            )


def _own_names(folder: Path | None, group: str) -> set[str]:
    """Return the names of a group's configurations in the user's folder, with paths for those in subfolders."""
    if folder is None:
        return set()
    root = folder / group
    return {path.relative_to(root).with_suffix("").as_posix() for path in yaml_files(folder) if root in path.parents}
