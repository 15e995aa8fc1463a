"""The command line as Hydra reads it, with this project's errors and exit codes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

from omegaconf import DictConfig

from eval.cli import exit_code_of
from eval.errors import InputError
from eval.overrides import check_arguments


def compose_and_call(name: str, command: Callable[[DictConfig], int]) -> int:
    """Compose `conf/NAME.yaml` with the command line and call `command` with it; return its exit code.

    Raises:
        InputError: a key, group or value that does not exist, brackets that do not match, or what Hydra itself
            would act on (`eval.overrides`).
    """
    check_arguments(sys.argv[1:])
    import hydra
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting with 1
    codes = [0]

    def task(config: DictConfig) -> None:
        # Here, not around Hydra: it would print the error of a job in its own way first.
        codes.append(exit_code_of(lambda: command(config)))

    try:
        hydra.main(version_base="1.3", config_path="pkg://conf", config_name=name)(task)()
    except OverrideParseException as error:
        raise InputError(
            f"expected KEY=VALUE as Hydra reads it, found {error.override!r}: check its brackets"
        ) from error
    except (HydraException, OmegaConfBaseException) as error:
        sentence = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{sentence}: see `python -m eval.{name} --help` for the groups and keys there are") from error
    return max(codes)


def override(key: str, value: str) -> str:
    """Return KEY=VALUE as Hydra reads it back, quoted where the value holds more than letters, digits and the like."""
    if re.fullmatch(r"[A-Za-z0-9_./+@%:-]+", value):
        return f"{key}={value}"
    # Before a quote, Hydra takes a backslash as an escape, and elsewhere as itself.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"{key}='{escaped}'"
