"""A folder of the user's own configurations, `--config-dir DIR`: more choices, and nothing that Hydra itself acts on.

DIR/GROUP/NAME.yaml is a further choice of a group, DIR/experiment/mine.yaml say. Hydra calls code that its own settings
name, so whatever could reach them is refused, in every file, chosen or not.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.base.command import expanded
from eval.base.errors import InputError

CONF = Path(__file__).resolve().parents[2] / "conf"
FLAG, SHORT = "--config-dir", "-cd"
MOST = 10_000  # files and folders in it: more is no folder of configs
_PARTS = re.compile(r"[\s/@:.$\{\}]+")
_ELSEWHERE = re.compile(r"\.\.|\$|//|/$")  # of a default: what may lead out of the folder


def with_config_dir(arguments: Sequence[str]) -> list[str]:
    """Return a command line on which the folder is one word, `--config-dir=/its/path`, at the front, and checked.

    Raises:
        InputError: it is given twice or without a folder, or is not what it should be.
    """
    rest, folders = [], []
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in (FLAG, SHORT):
            folders.append(value if equals else next(words, ""))
        else:
            rest.append(word)
    if not folders:
        return rest
    if len(folders) > 1:
        raise InputError(f"expected one {FLAG}, found {len(folders)}: put the files into one folder")
    folder = Path(os.path.abspath(expanded(FLAG, folders[0]))) if folders[0] else None
    if folder is None or not folder.is_dir():
        found = f"none at {folder}" if folder else "no name"
        raise InputError(f"{FLAG} must be followed by a folder of configurations, found {found}: correct it")
    _check(folder)
    return [f"{FLAG}={folder}", *rest]


def config_dir(arguments: Sequence[str]) -> Path | None:
    """Return the folder of a command line from `with_config_dir`, None where it has none."""
    found = (word.partition("=")[2] for word in arguments if word.startswith(f"{FLAG}="))
    return next(map(Path, found), None)


def completed_config_dir(arguments: Sequence[str]) -> list[str]:
    """Return the folder in the line that a shell wants completed, as one word; nothing where there is none."""
    if not any(word.partition("=")[2].startswith("query") or word.startswith("query") for word in arguments):
        return []
    try:
        line = with_config_dir(shlex.split(os.environ.get("COMP_LINE", "")))
    except (InputError, ValueError):  # half typed
        return []
    return [word for word in line if word.startswith(FLAG)]


def choices(folder: Path) -> dict[str, list[str]]:
    """Return the names of each group's configurations in a folder; partial ones in no group are left out."""
    found: dict[str, list[str]] = {}
    for path in sorted(yaml_files(folder)):
        if (group := path.relative_to(folder).parent.as_posix()) != ".":
            found.setdefault(group, []).append(path.stem)
    return found


def _check(folder: Path) -> None:
    files = list(yaml_files(folder))
    if not any(path.parent != folder for path in files):
        raise InputError(
            f"{FLAG} must hold GROUP/NAME.yaml such as experiment/mine.yaml, found none in {folder}: put one there"
        )
    keys = _plain_keys()
    for path in files:
        inside = path.relative_to(folder)
        if inside.parts[0] == "hydra":
            raise InputError(f"{path} would be Hydra's own configuration, which can't be set: remove it")
        if inside.parts[0] in keys:
            raise InputError(
                f"{folder / inside.parts[0]} would hide the key {inside.parts[0]}, whose values would be choices: "
                "rename the folder"
            )
        if (CONF / inside).exists():
            raise InputError(
                f"{path} has the name of a file that ships with i2p-bench, which would be used instead: rename it"
            )
        _check_file(path)


def _plain_keys() -> set[str]:
    """The keys of a run that hold values, and no keys in turn."""
    import yaml

    content = yaml.safe_load((CONF / "run.yaml").read_text(encoding="utf-8"))
    return {key for key, value in content.items() if not isinstance(value, dict)}


def yaml_files(folder: Path) -> Iterator[Path]:
    """Yield every configuration in a folder and the folders in it, links followed.

    Raises:
        InputError: a name that Hydra would not read, or far too many files.
    """
    seen, count = set(), 0
    for root, folders, names in os.walk(folder, followlinks=True):
        real, count = os.path.realpath(root), count + len(folders) + len(names)
        if count > MOST:
            raise InputError(f"{FLAG} must be a folder of configurations, found more than {MOST:,} files in {folder}")
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            if name.endswith(".yml"):
                raise InputError(f"{Path(root, name)} would not be read, because its name must end in .yaml: rename it")
            if name.endswith(".yaml"):
                yield Path(root, name)


def _check_file(path: Path) -> None:
    text, content = _read(path)
    places = re.findall(r"^\s*#+\s*@(.*)$", text, re.MULTILINE)
    defaults = content.get("defaults", [])
    words = [*places, *_words(defaults), *map(str, content)]
    if any("hydra" in _PARTS.split(word.strip()) for word in words):
        raise InputError(f"{path} sets something of Hydra's own, which may name code to be called: leave it out")
    if any(_ELSEWHERE.search(word.split()[-1] if word.split() else "/") for word in _words(defaults)):
        raise InputError(f"{path} may name groups and choices in its defaults, but no paths or references: correct it")
    if "_target_" in _keys(content):
        raise InputError(f"{path} names code to be called (_target_), which is not supported: leave it out")
    if isinstance(content.get("methods"), dict):
        raise InputError(f"{path} must have a list as its methods, found a mapping: put it in brackets, [{{…}}]")


def _read(path: Path) -> tuple[str, dict]:
    """A file's text and what it holds, read as Hydra does."""
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    errors = (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException)
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        if isinstance(content, dict):
            OmegaConf.load(path)  # a key that stands twice, `${` without an end
    except errors as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} can't be read as YAML ({why}): correct it") from error
    if text.startswith("\N{BYTE ORDER MARK}"):
        raise InputError(f"{path} begins with a byte order mark, which hides its first line: save the file without it")
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{path} must hold KEY: VALUE, found a {type(content).__name__}: correct it")
    return text, content or {}


def _words(content: object) -> Iterator[str]:
    """Every text in it, keys too."""
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
