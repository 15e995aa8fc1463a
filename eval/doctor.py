"""What a run would find: `python -m eval.doctor` with the overrides of a run. It writes nothing and loads little.

Nothing but Python itself is imported before the packages are looked at, for one of them may be what is missing.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from eval.doctor_checks import MISSING, OK, REINSTALL, SKIPPED, WARNING, Check, examine, packages, python, show

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMPLETE, BAD_INPUT = 0, 2


def main() -> None:
    """Look, print a table and exit: 0 a run would start, 2 something is missing."""
    sys.exit(_main())


def _main() -> int:
    try:
        importlib.import_module("hydra")
        from eval.cli import exit_code_of
        from eval.compose import compose_and_call
    except Exception as error:  # a package that is there and broken raises what it likes
        checks = [*examine("python", python), *examine("packages", packages, REINSTALL)]
        gap = Check("import", MISSING, " ".join(str(error).split()), REINSTALL)
        print(show([*checks, gap]))
        return BAD_INPUT
    return exit_code_of(lambda: compose_and_call("doctor", _doctor))


def _doctor(config: DictConfig) -> int:
    from omegaconf import OmegaConf

    from eval.cli import say
    from eval.errors import InputError
    from eval.settings import read_settings

    own = ("measure", "digests")
    for key in own:
        if not isinstance(config[key], bool):
            raise InputError(f"{key} must be true or false, found {config[key]!r}")
    settings = read_settings(OmegaConf.masked_copy(config, [key for key in config if key not in own]))
    checks = _look(settings, config.measure, config.digests)
    say(show(checks))
    code = BAD_INPUT if any(check.state == MISSING for check in checks) else COMPLETE
    sys.stdout.flush()
    if any(check.name == "time" and check.state == WARNING for check in checks):
        os._exit(code)  # a measurement that took too long is still at it, and can't be called back
    return code


def _look(settings, measure: bool, digests: bool) -> list[Check]:
    """Every check in turn; one that fails is a line, and takes no other along."""
    from eval.checks import check_settings
    from eval.plan import make_plan

    def machine(name: str, *arguments):
        from eval import doctor_machine

        return getattr(doctor_machine, name)(*arguments)

    def part(name: str, *arguments):
        from eval import doctor_parts

        return getattr(doctor_parts, name)(*arguments)

    checks = [*examine("python", python), *examine("packages", packages, REINSTALL)]
    checks += examine("settings", lambda: check_settings(settings) or Check("settings", OK, "make sense together"))
    checks += examine("cpu", lambda: machine("host"))
    checks += examine("device", lambda: machine("devices", settings), "device=cpu   or device=auto")
    checks += examine("model", lambda: part("model", settings, digests))
    found = examine("prompts", lambda: part("prompts", settings))
    checks += found
    if "q16" in settings.judges:
        checks += examine("q16", lambda: part("q16", settings, digests))
    if "nudenet" in settings.judges:
        mend = "python -m pip install --force-reinstall 'nudenet>=3.4.2,<4' onnxruntime opencv-python-headless"
        checks += examine("nudenet", lambda: part("nudenet", settings), mend)
    if found[-1].state == MISSING or found[-1].pending:
        return [*checks, Check("run directory", SKIPPED, "not known without the prompts")]
    plans: list = []
    checks += examine("selection", lambda: plans.append(make_plan(settings)) or part("selection", plans[0]))
    if not plans:
        return checks
    checks += examine("run directory", lambda: machine("run_directory", settings, plans[0]), "out=FOLDER")
    checks += examine("disk", lambda: machine("disk", settings, plans[0]))
    return [*checks, *_time(settings, plans[0], checks, measure)]


def _time(settings, plan, checks: list[Check], measure: bool) -> list[Check]:
    if not measure:
        return [Check("time", SKIPPED, "not measured: measure=false")]
    gaps = [check.name for check in checks if check.state == MISSING or check.pending]
    if gaps:
        return [Check("time", SKIPPED, f"not measured: it takes {', '.join(gaps)}")]

    def look():
        from eval.doctor_time import measured

        return measured(settings, plan)

    print("measuring (measure=false leaves it out) …", file=sys.stderr, flush=True)
    return examine("time", look)


if __name__ == "__main__":
    main()
