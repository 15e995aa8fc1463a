"""Composition of configurations in the tests' own process: what Hydra reads again for each command is read once.

That is a quarter of a composition, and thousands of commands compose the same files and parse the same words.
"""

import copy
import functools
import os

import pytest
from hydra._internal.config_repository import ConfigRepository
from hydra.core.override_parser.overrides_parser import OverridesParser

READ, PARSE = ConfigRepository.load_config, OverridesParser.parse_rule


def read_once(patch: pytest.MonkeyPatch) -> None:
    """Have Hydra keep each file that it has read, until the file changes, and each word that it has parsed."""
    kept = {}

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

    patch.setattr(ConfigRepository, "load_config", load_config)
    patch.setattr(OverridesParser, "parse_rule", lambda _, word, rule: copy.copy(parse(word, rule)))


def _state(source, config_path: str) -> tuple:
    """What tells a source's file, as it is now, from any other; those of packages and of the store stay as they are."""
    place = (source.scheme(), source.path)
    if source.scheme() != "file":
        return place
    try:
        found = os.stat(os.path.join(source.path, source._normalize_file_name(config_path)))
    except OSError:
        return place
    return (*place, found.st_ino, found.st_size, found.st_mtime_ns)
