"""Composition of configurations in the tests' own process: what Hydra does again for each command is done once.

Reading files and parsing words, choosing the files of a command, and merging them are two thirds of a composition, and
thousands of commands compose the same files. A file that changes, and any other beside it, is read anew.
"""

import copy
import functools
import os
import pickle

import pytest
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import _utils, base, grammar_parser

READ, PARSE, CHOOSE = ConfigRepository.load_config, OverridesParser.parse_rule, defaults_list._create_defaults_list
MERGE, PARSE_VALUE = ConfigLoaderImpl._compose_config_from_defaults_list, grammar_parser.parse


def read_once(patch: pytest.MonkeyPatch) -> None:
    """Have Hydra keep what it has read, chosen and merged, until a file changes, and each word that it has parsed."""
    kept, chosen, merged = {}, {}, {}

    def load_config(repository, config_path):
        key = (config_path, *(_state(source, config_path) for source in repository.sources))
        if key not in kept:
            kept[key] = READ(repository, config_path)
        result = copy.copy(kept[key])  # Hydra replaces its fields
        if result is not None:
            result.config = copy.deepcopy(result.config)  # whose nodes become those of the configuration
        return result

    @functools.lru_cache(4096)
    def parse(word, rule):
        return PARSE(OverridesParser.create(), word, rule)

    def choose(repository, config_name, overrides, **options):
        """The files of a command, and what Hydra notes of its words that choose files meanwhile."""
        words = {name: value for name, value in vars(overrides).items() if name != "config_overrides"}
        key = (config_name, repr(words), repr(options), *_states(repository))
        if key not in chosen:
            found = CHOOSE(repository, config_name, overrides, **options)
            chosen[key] = pickle.dumps((found, words))
        found, words = pickle.loads(chosen[key])
        vars(overrides).update(words)
        return found

    def merge(loader, defaults, repo):
        key = (repr(defaults), *_states(repo))
        if key not in merged:
            merged[key] = pickle.dumps(MERGE(loader, defaults, repo))
        return pickle.loads(merged[key])

    patch.setattr(ConfigRepository, "load_config", load_config)
    patch.setattr(OverridesParser, "parse_rule", lambda _, word, rule: copy.copy(parse(word, rule)))
    patch.setattr(defaults_list, "_create_defaults_list", choose)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", merge)
    parse_value = functools.lru_cache(4096)(PARSE_VALUE)
    for module in (_utils, base):
        patch.setattr(module, "parse", parse_value)


def _states(repository) -> list[tuple]:
    """What tells the folders of a repository, as they are now, from any others."""
    return [_folder_state(source) for source in repository.get_sources()]


def _folder_state(source) -> tuple:
    place = (source.scheme(), source.path)
    if source.scheme() != "file":
        return place
    files = (os.path.join(folder, name) for folder, _, names in os.walk(source.path) for name in ("", *names))
    return (*place, *((file, _stat(file)) for file in files))


def _state(source, config_path: str) -> tuple:
    """What tells a source's file, as it is now, from any other; those of packages and of the store stay as they are."""
    place = (source.scheme(), source.path)
    if source.scheme() != "file":
        return place
    return (*place, _stat(os.path.join(source.path, source._normalize_file_name(config_path))))


def _stat(file: str) -> tuple[int, ...]:
    """What tells a file from others of its path; nothing of one that is not there."""
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns
