"""The command line as Hydra reads it, with this project's errors and exit codes."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from typing import TypeVar

from omegaconf import DictConfig

import i2p
import sld
from eval.cli import exit_code_of
from eval.errors import InputError
from eval.overrides import CONF, HELP, MULTIRUN, check_arguments

T = TypeVar("T")


def compose_and_call(name: str, command: Callable[[DictConfig], int]) -> int:
    """Compose `conf/NAME.yaml` with the command line and call `command` with it; return its exit code.

    Raises:
        InputError: a key, group or value that does not exist, brackets that do not match, or what Hydra itself
            would act on (`eval.overrides`).
    """
    if is_multirun():
        raise InputError(f"--multirun is for python -m eval.run, found it with eval.{name}: call it job by job")
    codes = [0]

    def task(config: DictConfig) -> None:
        # Here, not around Hydra: it would print the error of a job in its own way first.
        codes.append(exit_code_of(lambda: command(config)))

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
            jobs.append((tuple(HydraConfig.get().overrides.task), read(config)))
        except (InputError, i2p.InputError, sld.InputError) as error:
            errors.append(error)  # Hydra would print it in its own way

    # Hydra's sweeper leaves a file in its folder, which is not the sweep's: nothing is written before all is right.
    with tempfile.TemporaryDirectory() as folder:
        _compose(name, task, override("hydra.sweep.dir", folder))
    if errors:
        raise errors[0]
    return jobs


def _compose(name: str, task: Callable[[DictConfig], None], *more: str) -> None:
    check_arguments(sys.argv[1:])
    import hydra
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting with 1
    given = sys.argv
    if more:  # Hydra takes overrides from one place only, so a flag between them goes to the front
        flags = [word for word in given[1:] if word.startswith("-")]
        words = [word for word in given[1:] if word not in flags]
        if set(flags) & set(HELP):  # whose settings are those of one run
            flags, words, more = [flag for flag in flags if flag not in MULTIRUN], [], ()
        sys.argv = [given[0], *flags, *words, *more]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(task)()
    except OverrideParseException as error:
        raise InputError(
            f"expected KEY=VALUE as Hydra reads it, found {error.override!r}: check its brackets, and put a value with "
            "other letters, blanks or signs in quotes that reach Hydra, as in \"out='my café'\""
        ) from error
    except (HydraException, OmegaConfBaseException) as error:
        sentence = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{sentence}: see `python -m eval.{name} --help` for the groups and keys there are") from error
    finally:
        sys.argv = given


def override(key: str, value: str) -> str:
    """Return KEY=VALUE as Hydra reads it back, quoted where the value holds more than letters, digits and the like."""
    if re.fullmatch(r"[A-Za-z0-9_./+@%:-]+", value):
        return f"{key}={value}"
    # Before a quote, Hydra takes a backslash as an escape, and elsewhere as itself.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", escaped)  # or it would name another key
    return f"{key}='{escaped}'"
