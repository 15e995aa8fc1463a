"""Where a refused value stands, if it was not typed: the file of the user's configurations and its line."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from omegaconf import MISSING

import i2p
import sld
from eval.base.errors import InputError
from eval.config.config_dir import config_dir
from eval.config.overrides import in_full, key_of

T = TypeVar("T")
_PATH = re.compile(r"[./\\]")


def naming_files(command: Callable[[], T], arguments: Sequence[str]) -> T:
    """Call a command; its refusals name the file and line of the user's configurations that hold what is refused.

    Args:
        command: of which the result is returned.
        arguments: the command line, with the folder of the user's configurations.

    Raises:
        InputError: as the command raises it, with the place where there is one.
    """
    try:
        return command()
    except (InputError, i2p.InputError, sld.InputError) as error:
        if place := place_of(str(error), arguments):
            raise InputError(f"{error} ({place})") from error
        raise


def place_of(sentence: str, arguments: Sequence[str]) -> str:
    """Return `FILE, line N` of the key or path that a sentence names; empty if no file of the user holds it.

    Args:
        sentence: of a refusal.
        arguments: the command line.
    """
    folder, typed = config_dir(arguments), {key_of(word).strip() for word in arguments}
    typed |= {word.partition("=")[2] for word in arguments}
    for path in _chosen(folder, arguments) if folder else ():
        for key, value, line in _values(path, path.parent.relative_to(folder).as_posix()):
            # A path is named as it is and another text in quotes; a number, of which there are many, only with its key.
            named = (_PATH.search(value) and value in sentence) or f"found {value!r}" in sentence
            if not typed & {key, value} and (named or _is_named(key, sentence)):
                return f"{path}, line {line}"
    return ""


def check_nothing_open(arguments: Sequence[str]) -> None:
    """Refuse a key that a file of the user leaves open with `???`: OmegaConf would take another file's value for it.

    Args:
        arguments: the command line, with the folder of the user's configurations.

    Raises:
        InputError: the first such key that neither the command line nor another file of the user gives.
    """
    folder, typed = config_dir(arguments), {key_of(in_full(word)).strip() for word in arguments}
    files = list(_chosen(folder, arguments)) if folder else []
    values = [each for path in files for each in _values(path, path.parent.relative_to(folder).as_posix())]
    given = typed | {key for key, value, _ in values if value != MISSING}
    mappings = tuple(f"{key_of(word).strip()}." for word in arguments if "={" in word)
    for key, value, _ in values:
        if value == MISSING and key not in given and not key.startswith(mappings):
            raise InputError(f"{key} must be given, because a file leaves it open with ???, found none: give it")


def _is_named(key: str, sentence: str) -> bool:
    """Return whether a sentence is about a key; `out` and `images` are words of many others."""
    before = r"(?<![\w.])" if "." in key else r"(?:^|found )"
    return bool(re.search(rf"{before}{re.escape(key)}(?![\w.]*\w)|(?<![\w.]){re.escape(key)}=", sentence))


def _chosen(folder: Path, arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the files of the folder that the run consists of, as far as its configuration was composed.

    Each is followed by those that it builds on.
    """
    from hydra.core.hydra_config import HydraConfig

    # Of a sweep's words, such as experiment=a,b, each job has one choice, which only the composed ones tell.
    choices = [word.lstrip("+").split("=", 1) for word in arguments if "=" in word]
    choices += HydraConfig.get().runtime.choices.items() if HydraConfig.initialized() else []
    seen: set[Path] = set()
    paths = [folder / str(group) / f"{name}.yaml" for group, name in choices]
    while paths:
        path = paths.pop(0)
        if os.path.isfile(path) and path not in seen:  # Path.is_file raises for a long text in the place of a name
            seen.add(path)
            yield path
            paths = [*_built_on(path, folder), *paths]


def _built_on(path: Path, folder: Path) -> Iterator[Path]:
    """Yield where the folder would have the configurations that a file names in its defaults without their group."""
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in content.get("defaults", []) if isinstance(content, dict) else []:
        if isinstance(name, str):
            inside = name.partition("@")[0].removesuffix(".yaml")
            yield Path(folder if inside.startswith("/") else path.parent, f"{inside.lstrip('/')}.yaml")


def _values(path: Path, group: str) -> Iterator[tuple[str, str, int]]:
    """Yield key, value and line of every value in a file; keys as the command line has them."""
    import yaml

    text = path.read_text(encoding="utf-8")
    package = re.search(r"^\s*#+\s*@package\s+(\S+)", text, re.MULTILINE)
    top = package[1].removeprefix("_global_").lstrip(".") if package else group.replace("/", ".")
    with contextlib.suppress(yaml.YAMLError):
        yield from _of_node(yaml.compose(text), f"{top}." if top else "")


def _of_node(node, key: str) -> Iterator[tuple[str, str, int]]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _of_node(value, f"{key}{name.value}.")
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _of_node(value, key)
    elif isinstance(node, yaml.ScalarNode):
        yield key.rstrip("."), node.value, node.start_mark.line + 1
