"""The command line as Hydra reads it, with this project's errors and exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf

import i2p
import sld
from eval.base.cli import exit_code_of
from eval.base.command import typed
from eval.base.errors import InputError
from eval.base.printing import say
from eval.base.quoting import override
from eval.config.config_dir import CONF, choices, completed_config_dir, config_dir, with_config_dir
from eval.config.hydra_words import in_our_words
from eval.config.overrides import HELP, MULTIRUN, asks, check_arguments, groups
from eval.config.plugged import help_lines, with_plugged
from eval.config.settings import Settings
from eval.config.texts import CHOICE, text_keys
from eval.config.values import as_typed
from eval.judges import judge_class

T = TypeVar("T")


def compose_and_call(name: str, command: Callable[[DictConfig], int]) -> int:
    """Compose `conf/NAME.yaml` with the command line and call `command` with it; return its exit code.

    Raises:
        InputError: a key, group or value that does not exist, brackets that do not match, or what Hydra itself
            would act on (`eval.config.overrides`).
    """
    if is_multirun():
        raise InputError(f"--multirun is for `{typed('run')}`, found it with eval.{name}: call it once per job")
    codes = [0]

    def task(config: DictConfig) -> None:
        # Here, not around Hydra: it would print the error of a job in its own way first.
        codes.append(exit_code_of(lambda: command(_placed(config))))

    _compose(name, task)
    return max(codes)


def is_multirun() -> bool:
    """Whether the command line asks for a job for each combination of values: `-m model=sd14,sd15`."""
    return any(word in MULTIRUN for word in sys.argv[1:])


def compose_jobs(name: str, read: Callable[[DictConfig], T]) -> list[tuple[tuple[str, ...], T]]:
    """Compose `conf/NAME.yaml` once a job of a multirun; return the overrides of each and what `read` makes of it.

    Raises:
        InputError: as in `compose_and_call`, or of `read`: the first there is, before any job has run.
    """
    jobs: list[tuple[tuple[str, ...], T]] = []
    errors: list[InputError] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        try:
            # Unresolved, or a ${ that is part of a text would lose the backslash before it.
            words = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
            jobs.append((tuple(words), read(_placed(config))))
        except (InputError, i2p.InputError, sld.InputError) as error:
            errors.append(error)  # Hydra would print it in its own way

    # Hydra's sweeper leaves a file in its folder, which is not the sweep's: nothing is written before all is right.
    with tempfile.TemporaryDirectory() as folder:
        _compose(name, task, override("hydra.sweep.dir", folder))
    if errors:
        raise errors[0]
    return jobs


def _placed(config: DictConfig) -> DictConfig:
    """The config, of which every key that a file of the user's sets is the run's.

    Raises:
        InputError: a chosen file keeps its keys to itself.
    """
    from hydra.core.hydra_config import HydraConfig

    folder, keys = config_dir(sys.argv[1:]), {*(each.name for each in fields(Settings)), "slurm"}
    for group, name in HydraConfig.get().runtime.choices.items() if folder else ():
        own, key = folder / group / f"{name}.yaml", group.partition("/")[0]
        if own.is_file() and key in config and key not in keys:
            raise InputError(
                f"{own} must have # @package _global_ as its first line, without which its keys are {key}'s and not "
                "the run's: put it there"
            )
    return config


def _compose(name: str, task: Callable[[DictConfig], None], *more: str) -> None:
    # From here on the folder of one's own configurations is one word with its whole path, for other processes too.
    sys.argv = given = [sys.argv[0], *with_config_dir(sys.argv[1:])]
    check_arguments(given[1:])
    import hydra
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    at_work: list[DictConfig] = []

    def as_given(config: DictConfig) -> None:
        at_work.append(config)
        sys.argv = given  # what goes on record is what was typed
        task(config)
        at_work.clear()

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting with 1
    words = _for_hydra(given[1:])
    sys.argv = [given[0], *_in_order(words, more)]
    try:
        with _what_hydra_prints(asks(given[1:])):
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(as_given)()
    except OverrideParseException as error:
        found = dict(zip(words, given[1:], strict=True)).get(error.override, error.override)
        raise InputError(
            f"expected KEY=VALUE as Hydra reads it, found {found!r}: check its brackets and quotes"
        ) from error
    except (HydraException, OmegaConfBaseException, ValueError, RecursionError) as error:
        # The last two are Hydra's too, of a file with defaults that are none, say, unless they are the command's.
        if at_work and not isinstance(error, HydraException | OmegaConfBaseException):
            raise
        raise InputError(in_our_words(error, name, given[1:])) from error
    except SystemExit:  # it has been asked for something else than a run
        if (folder := config_dir(given)) and set(HELP[:2]) & set(given):
            names = "".join(f"\n  {group:<14}{', '.join(found)}" for group, found in choices(folder).items())
            say(f"\nIn {folder}\n{names}")
        if set(HELP[:2]) & set(given) and (brought := help_lines(given)):
            say(f"\n{brought}")
        raise
    finally:
        sys.argv = given


@contextlib.contextmanager
def _what_hydra_prints(anything: bool) -> Iterator[None]:
    """Have Hydra's answer to `--help`, `--cfg`, … printed as everything else is; a run prints by itself."""
    if not anything:
        yield
        return
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        if text := printed.getvalue():
            say(text.removesuffix("\n"))


def _for_hydra(arguments: Sequence[str]) -> list[str]:
    """Each word of the command line as Hydra is to get it."""
    from eval.config.slurm import SlurmSettings

    arguments, plugged = with_plugged(arguments)
    sweep = any(word in MULTIRUN for word in arguments)
    kinds = dict.fromkeys(groups(arguments), CHOICE)
    kinds |= text_keys(Settings) | text_keys(SlurmSettings, "slurm.")
    for name in plugged:
        kinds |= text_keys(judge_class(name).settings, f"{name}.")
    return [as_typed(word, kinds, sweep=sweep) for word in arguments]


def _in_order(words: Sequence[str], more: Sequence[str]) -> Sequence[str]:
    """The words as Hydra takes them, with overrides of our own behind the user's."""
    words = [*completed_config_dir(words), *words]
    if not more:
        return words
    # Hydra takes overrides from one place only, so a flag between them goes to the front.
    flags, others = [word for word in words if word.startswith("-")], [word for word in words if word[:1] != "-"]
    if set(flags) & set(HELP):  # whose settings are those of one run
        return [flag for flag in flags if flag not in MULTIRUN]
    return [*flags, *others, *more]
