"""The command line as Hydra reads it, with this project's errors and exit codes."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf

import i2p
import sld
from eval.base.cli import exit_code_of, says_version
from eval.base.command import typed
from eval.base.errors import COMPLETE, InputError, exits_are_bugs
from eval.base.printing import say
from eval.config.config_dir import CONF, choices, completed_config_dir, config_dir, with_config_dir
from eval.config.hydra_words import explain_hydra_error, explain_word
from eval.config.overrides import HELP, MULTIRUN, asks, check_arguments, flags_last, groups, in_full, replaced
from eval.config.places import check_nothing_open, naming_files, place_of
from eval.config.plugged import help_lines, with_plugged
from eval.config.settings import Settings
from eval.config.texts import CHOICE, text_keys
from eval.config.values import as_typed
from eval.judges import judge_class

T = TypeVar("T")
log = logging.getLogger(__name__)


def compose_and_call(name: str, command: Callable[[DictConfig], int]) -> int:
    """Compose `conf/NAME.yaml` with the command line and call `command` with it; return its exit code.

    Raises:
        InputError: an unknown key, group or value, unbalanced brackets, or an override of Hydra's own settings
            (`eval.config.overrides`).
    """
    if is_multirun():
        raise InputError(f"--multirun must go with `{typed('run')}`, found it with eval.{name}: call it once per job")
    codes = [0]

    def task(config: DictConfig) -> None:
        # Inside Hydra, which would otherwise print the error of a job in its own way first.
        codes.append(exit_code_of(lambda: naming_files(lambda: command(_check_packages(config)), sys.argv[1:])))

    _compose(name, task)
    return max(codes)


def is_multirun() -> bool:
    """Return whether the command line requests a job per combination of values: `-m model=sd14,sd15`."""
    return any(word in MULTIRUN for word in sys.argv[1:])


def compose_jobs(name: str, read: Callable[[DictConfig], T]) -> list[tuple[tuple[str, ...], T]]:
    """Compose `conf/NAME.yaml` once per job of a multirun.

    Args:
        name: of the configuration.
        read: of the configuration of a job.

    Returns:
        The overrides of each job, and the result of `read`.

    Raises:
        InputError: as in `compose_and_call`, or the first of `read`, before any job has run.
    """
    jobs: list[tuple[tuple[str, ...], T]] = []
    errors: list[InputError] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        try:
            # Unresolved, because otherwise an escaped ${ in a text would lose its backslash.
            words = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
            naming_files(lambda: jobs.append((tuple(words), read(_check_packages(config)))), sys.argv[1:])
        except (InputError, i2p.InputError, sld.InputError) as error:
            errors.append(error)  # raised later: another job may be one that Hydra refuses

    _compose(name, task)
    if errors:
        raise errors[0]
    return jobs


def _check_packages(config: DictConfig) -> DictConfig:
    """Return the configuration, unless a file of the user sets keys of its group only.

    Raises:
        InputError: a chosen file in a new group without `# @package _global_`.
    """
    from hydra.core.hydra_config import HydraConfig

    folder, keys = config_dir(sys.argv[1:]), {*(field.name for field in fields(Settings)), "slurm"}
    for group, name in HydraConfig.get().runtime.choices.items() if folder else ():
        own, key = folder / group / f"{name}.yaml", group.partition("/")[0]
        if own.is_file() and key in config and key not in keys:
            raise InputError(
                f"{own} must have # @package _global_ as its first line, found another: add it, because otherwise its "
                f"keys belong to {key} and not to the run"
            )
    check_nothing_open(sys.argv[1:])
    return config


def _compose(name: str, task: Callable[[DictConfig], None]) -> None:
    if says_version():
        raise SystemExit(COMPLETE)
    # From here on the folder of the user's configurations is one word with its absolute path, for other processes too.
    sys.argv = command_line = [sys.argv[0], *with_config_dir(sys.argv[1:])]
    arguments = command_line[1:]
    check_arguments(arguments, name)
    for word, later in replaced(arguments):
        log.warning("%s is not used: %s stands after it.", word, later)
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    running: list[DictConfig] = []

    def run_task(config: DictConfig) -> None:
        running.append(config)
        sys.argv = command_line  # a run records the words as typed
        with exits_are_bugs():
            task(config)
        running.clear()

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting with 1
    words = _for_hydra(arguments)
    sys.argv = [command_line[0], *words]
    try:
        if asks(arguments):
            _answer(name, run_task)
        else:
            _call_with_each(name, words, run_task)
    except OverrideParseException as error:
        word = dict(zip(words, arguments, strict=True)).get(error.override, error.override)
        raise InputError(explain_word(word, name, arguments)) from error
    except (HydraException, OmegaConfBaseException, ValueError, RecursionError) as error:
        # Unless the command raised them, the last two are Hydra's too, for example for invalid defaults in a file.
        if running and not isinstance(error, HydraException | OmegaConfBaseException):
            raise
        sentence = explain_hydra_error(error, name, arguments)
        place = place_of(sentence, arguments)
        raise InputError(f"{sentence} ({place})" if place else sentence) from error
    except SystemExit:  # after a flag such as --help
        if set(HELP) & set(command_line):
            _print_more_help(command_line)
        raise
    finally:
        sys.argv = command_line


def _answer(name: str, task: Callable[[DictConfig], None]) -> None:
    """Have Hydra answer a question such as `--help`, printed as all other output is; some call the task."""
    import hydra

    words = [*completed_config_dir(sys.argv[1:]), *sys.argv[1:]]
    if set(words) & set(MULTIRUN):  # help shows the settings of a single run
        words = [word for word in words if word.startswith("-") and word not in MULTIRUN]
    sys.argv = [sys.argv[0], *flags_last(words)]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(task)()
    finally:
        if text := printed.getvalue():
            say(text.removesuffix("\n"))


def _call_with_each(name: str, words: Sequence[str], task: Callable[[DictConfig], None]) -> None:
    """Call a task with the configuration of each run of a command line; `hydra.main` would compose each twice."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    flags = {word for word in words if word.startswith("-")}
    overrides = [word for word in words if word not in flags]
    jobs = [overrides]
    if flags & set(MULTIRUN):
        with _sources(config_dir(words)):
            jobs = _jobs(overrides)
    for job in jobs:
        with _sources(config_dir(words)):
            config = hydra.compose(name, overrides=job, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
        OmegaConf.set_struct(own, True)
        try:
            task(own)
        finally:
            HydraConfig.instance().cfg = None


@contextlib.contextmanager
def _sources(folder: Path | None) -> Iterator[None]:
    """Have Hydra compose from `conf` and from the user's folder, as `hydra.main` has with `--config-dir`."""
    import hydra
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.global_hydra import GlobalHydra

    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        if folder:
            loader = GlobalHydra.instance().config_loader()
            schema = SearchPathQuery(provider="schema")
            loader.get_search_path().prepend("command-line", f"file://{folder}", anchor=schema)
            loader.repository.initialize_sources(loader.get_search_path())
        yield


def _jobs(overrides: Sequence[str]) -> Sequence[list[str]]:
    """Return the overrides of each job of a sweep, as Hydra's sweeper combines them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    [jobs] = BasicSweeper.split_arguments(parser.parse_overrides([*overrides]), max_batch_size=None)
    return jobs


def _print_more_help(command_line: Sequence[str]) -> None:
    """Print the choices in the user's folder and of installed packages, which Hydra's help lacks."""
    if folder := config_dir(command_line):
        lines = "".join(f"\n  {group:<14}{', '.join(names)}" for group, names in choices(folder).items())
        say(f"\nIn {folder}\n{lines}")
    if lines := help_lines(command_line):
        say(f"\n{lines}")


def _for_hydra(arguments: Sequence[str]) -> list[str]:
    """Return the words of the command line in Hydra's syntax."""
    from eval.config.slurm import SlurmSettings

    arguments, plugged = with_plugged([in_full(word) for word in arguments])
    sweep = any(word in MULTIRUN for word in arguments)
    kinds = dict.fromkeys(groups(arguments), CHOICE)
    kinds |= text_keys(Settings) | text_keys(SlurmSettings, "slurm.")
    for name in plugged:
        kinds |= text_keys(judge_class(name).settings, f"{name}.")
    return [as_typed(word, kinds, sweep=sweep) for word in arguments]
