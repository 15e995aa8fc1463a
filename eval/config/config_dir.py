"""The folder of the user's own configurations, `--config-dir DIR`, without settings that Hydra itself acts on.

DIR/GROUP/NAME.yaml is a further choice of a group, such as DIR/experiment/mine.yaml. Hydra calls code that its own
settings name, so any file that could change them is refused, chosen or not.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.base.command import expanded
from eval.base.errors import InputError
from eval.config.yaml_nodes import count_values, is_odd_number, is_text, scalars

CONF = Path(__file__).resolve().parents[2] / "conf"
FLAG, SHORT = "--config-dir", "-cd"
MAX_FILES = 10_000  # files and folders; a folder with more is not one of configurations
MAX_VALUES = 100_000  # in a file; ten lines whose aliases repeat one another make thousands of millions
_PARTS = re.compile(r"[\s/@:.$\{\}]+")
_ELSEWHERE = re.compile(r"\.\.|\$|//|/$")  # in a default, may lead out of the folder


def with_config_dir(arguments: Sequence[str]) -> list[str]:
    """Return the command line with the folder as its first word, `--config-dir=/absolute/path`, if it has one.

    Raises:
        InputError: the flag twice or without a folder, or a folder with a file that is refused.
    """
    words_without, folders = [], []
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in (FLAG, SHORT):
            folders.append(value if equals else next(words, ""))
        else:
            words_without.append(word)
    if not folders:
        return words_without
    if len(folders) > 1:
        raise InputError(f"{FLAG} must be given once, found {len(folders)} times: put the files into one folder")
    folder = Path(os.path.abspath(expanded(FLAG, folders[0]))) if folders[0] else None
    if folder is None or not folder.is_dir():
        place = f"none at {folder}" if folder else "no name"
        raise InputError(f"{FLAG} must be followed by a folder of configurations, found {place}: correct it")
    _check(folder)
    return [f"{FLAG}={folder}", *words_without]


def config_dir(arguments: Sequence[str]) -> Path | None:
    """Return the folder of a command line from `with_config_dir`, None without one."""
    folders = (word.partition("=")[2] for word in arguments if word.startswith(f"{FLAG}="))
    return next(map(Path, folders), None)


def completed_config_dir(arguments: Sequence[str]) -> list[str]:
    """Return the folder in the line that a shell completes, as the only word of a list, empty without one."""
    if not any(word.partition("=")[2].startswith("query") or word.startswith("query") for word in arguments):
        return []
    try:
        line = with_config_dir(shlex.split(os.environ.get("COMP_LINE", "")))
    except (InputError, ValueError):  # half typed
        return []
    return [word for word in line if word.startswith(FLAG)]


def choices(folder: Path) -> dict[str, list[str]]:
    """Return group → names of its configurations in a folder, without files outside of groups."""
    names: dict[str, list[str]] = {}
    for path in sorted(yaml_files(folder)):
        if (group := path.relative_to(folder).parent.as_posix()) != ".":
            names.setdefault(group, []).append(path.stem)
    return names


def _check(folder: Path) -> None:
    """Refuse a folder without configurations, or with one that hides a key or a file, or reaches Hydra's settings."""
    files = list(yaml_files(folder))
    if not any(path.parent != folder for path in files):
        raise InputError(
            f"{FLAG} must hold GROUP/NAME.yaml such as experiment/mine.yaml, found none in {folder}: put one there"
        )
    keys, _ = _keys_of_a_run()
    for path in files:
        inside = path.relative_to(folder)
        if inside.parts[0] == "hydra":
            raise InputError(f"{FLAG} must not hold Hydra's own configuration, found {path}: remove it")
        if inside.parts[0] in keys:
            raise InputError(
                f"{FLAG} must not hold a group with the name of a key, found {folder / inside.parts[0]}, which would "
                f"hide the key {inside.parts[0]}: rename the folder"
            )
        if (CONF / inside).exists():
            raise InputError(
                f"{path} must not have the name of a file that ships with i2p-bench, found {inside.as_posix()}, which "
                "would be used instead: rename it"
            )
        _check_file(path)


@functools.cache
def _keys_of_a_run() -> tuple[set[str], set[str]]:
    """Return the keys of a run that hold values, and those that hold further keys."""
    import yaml

    content = yaml.safe_load((CONF / "run.yaml").read_text(encoding="utf-8"))
    parts = {key for key, value in content.items() if isinstance(value, dict)}
    return {*content} - parts, {*parts, *choices(CONF), "slurm"}


def yaml_files(folder: Path) -> Iterator[Path]:
    """Yield the configurations in a folder and its subfolders, links included.

    Raises:
        InputError: a name that Hydra would not read, or too many files.
    """
    seen, count = set(), 0
    for root, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        real, count = os.path.realpath(root), count + len(folders) + len(names)
        if count > MAX_FILES:
            raise InputError(
                f"{FLAG} must be a folder of configurations, found more than {MAX_FILES:,} files in {folder}: give "
                "another"
            )
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            if name.endswith(".yml"):
                raise InputError(f"{Path(root, name)} must have a name that ends in .yaml, found .yml: rename it")
            if name.endswith(".yaml"):
                yield Path(root, name)


def _raise(error: OSError) -> None:
    raise error


def _check_file(path: Path) -> None:
    """Refuse a configuration that reaches Hydra's settings, code or files elsewhere."""
    text, content = _read(path)
    packages = re.findall(r"^\s*#+\s*@(.*)$", text, re.MULTILINE)
    defaults = content.get("defaults", [])
    words = [*packages, *_words(defaults), *map(str, content)]
    if any("hydra" in _PARTS.split(word.strip()) for word in words):
        raise InputError(
            f"{path} must not set Hydra's own settings, which may name code to call, found some: leave them out"
        )
    if not isinstance(defaults, list) or not all(isinstance(each, str | dict) for each in defaults):
        found = "nothing" if defaults is None else repr(defaults)
        raise InputError(f"{path} must have a list of GROUP: NAME as its defaults, found {found}: correct it")
    if any(_ELSEWHERE.search(word.split()[-1] if word.split() else "/") for word in _words(defaults)):
        raise InputError(
            f"{path} must name groups and choices in its defaults, found a path or a reference: correct it"
        )
    if "_target_" in _keys(content):
        raise InputError(f"{path} must not name code to call, found _target_: leave it out")
    if isinstance(content.get("methods"), dict):
        raise InputError(f"{path} must have a list as its methods, found a mapping: put it in brackets, [{{…}}]")
    if not isinstance(content.get("quality", {}), dict):
        raise InputError(
            f"{path} must have a mapping as its quality, found a list or a name: write quality: {{metrics: […]}}"
        )
    _, parts = _keys_of_a_run()
    if part := next((key for key, value in content.items() if isinstance(value, list) and key in parts), None):
        raise InputError(f"{path} must have a mapping as its {part}, found a list: write {part}: {{KEY: VALUE}}")


def _read(path: Path) -> tuple[str, dict]:
    """Return the text of a file and its content, read as Hydra does."""
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if os.path.exists(path) and not os.path.isfile(path):  # reading one may never end
        raise InputError(f"{path} must be a file, found a pipe or a device: remove it")
    errors = (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException)
    try:
        text = path.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        too_many = count_values(node, {}) > MAX_VALUES
        values = [] if too_many else [*scalars(node)]
        content = None if too_many or node is None else loader.construct_document(node)
        if isinstance(content, dict):
            OmegaConf.load(path)  # refuses a repeated key, or `${` without an end
    except errors as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path} must be YAML, found a file that can't be read as such ({why}): correct it") from error
    if too_many:
        raise InputError(
            f"{path} must hold at most {MAX_VALUES:,} values, found more with those of its aliases: shorten it"
        )
    for odd in filter(is_odd_number, values):
        raise InputError(
            f"{path} must have numbers in decimal digits, found {odd.value} (line {odd.start_mark.line + 1}), which "
            f"YAML reads as {loader.construct_object(odd)}: write that number, or put a text in quotes"
        )
    for odd in itertools.filterfalse(is_text, values):
        raise InputError(
            f"{path} must have values that a text or a number can be, found {odd.value!a} (line "
            f"{odd.start_mark.line + 1}): write it as it is, without !!binary or \\ud800"
        )
    if text.startswith("\N{BYTE ORDER MARK}"):
        raise InputError(
            f"{path} must be without a byte order mark, which hides the first line, found one: save it without"
        )
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{path} must hold KEY: VALUE, found a {type(content).__name__}: correct it")
    return text, content or {}


def _words(content: object) -> Iterator[str]:
    """Yield every text, keys too."""
    if isinstance(content, dict):
        yield from (word for pair in content.items() for part in pair for word in _words(part))
    elif isinstance(content, list):
        yield from (word for part in content for word in _words(part))
    elif isinstance(content, str):
        yield content


def _keys(content: object) -> set[str]:
    if isinstance(content, dict):
        return {str(key) for key in content}.union(*map(_keys, content.values()))
    return set().union(*map(_keys, content)) if isinstance(content, list) else set()
