"""What a run would find: `python -m eval.doctor` with the overrides of a run. It writes nothing and loads little.

Nothing but Python itself is imported before the packages are looked at, for one of them may be what is missing.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from eval.base.errors import BAD_INPUT, COMPLETE, InputError
from eval.base.printing import prepare_printing, say
from eval.doctor.check import MISSING, OK, REINSTALL, SKIPPED, WARNING, Check, examine, packages, python, show, verdict

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from eval.config.settings import Settings
    from eval.config.sources import Source
    from eval.doctor.run_directory import Done
    from eval.plan.plan import Plan


def main() -> None:
    """Look, print a table and exit: 0 a run would start, 2 something is missing."""
    sys.exit(_main())


def _main() -> int:
    prepare_printing()
    try:
        for name in ("hydra", "numpy"):
            importlib.import_module(name)
        from eval.base.cli import exit_code_of
        from eval.config.compose import compose_and_call
    except Exception as error:  # a package that is there and broken raises what it likes
        checks = [*examine("python", python), *examine("packages", packages, REINSTALL)]
        gap = Check("import", MISSING, " ".join(str(error).split()), REINSTALL)
        say("\n".join([*map(show, [*checks, gap]), "", verdict([*checks, gap])]))
        return BAD_INPUT
    return exit_code_of(lambda: compose_and_call("doctor", _doctor))


def _doctor(config: DictConfig) -> int:
    from omegaconf import OmegaConf

    from eval.config.settings import read_settings

    own = ("measure", "digests")
    for key in own:
        if not isinstance(config[key], bool):
            raise InputError(f"{key} must be true or false, found {config[key]!r}")
    settings = read_settings(OmegaConf.masked_copy(config, [key for key in config if key not in own]))
    checks = []
    for check in _look(settings, config.measure, config.digests):
        checks.append(check)
        say(show(check))  # at once, for the next may take seconds
    say(f"\n{verdict(checks)}")
    code = BAD_INPUT if any(check.state == MISSING for check in checks) else COMPLETE
    if any(check.name == "time" and check.state == WARNING for check in checks):
        os._exit(code)  # a measurement that took too long is still at it, and can't be called back
    return code


def _look(settings: Settings, measure: bool, digests: bool) -> Iterator[Check]:
    """Yield every check in turn; one that fails is a line, and takes no other along."""
    from eval.config.checks import check_settings
    from eval.config.sources import SOURCES
    from eval.judges import JUDGES, judge_class
    from eval.plan.make import make_plan
    from eval.store.rundir import RunDir

    gaps: list[str] = []

    def seen(name: str, look, mend: str = "") -> Iterator[Check]:
        for check in examine(name, look, mend):
            if check.state == MISSING or check.pending:
                gaps.append(check.name)
            yield check

    yield from seen("python", python)
    yield from seen("packages", packages, REINSTALL)
    yield from seen("settings", lambda: check_settings(settings) or Check("settings", OK, "make sense together"))
    yield from seen("cpu", lambda: _of("machine", "host"))
    if settings.model.kind not in SOURCES:
        yield Check("run directory", SKIPPED, "not known without the settings")
        return
    source, model = SOURCES[settings.model.kind], settings.model
    unneeded = "" if source.needs_device else source.no_model(model)
    device = unneeded, settings.device, settings.workers, settings.engine.attention
    yield from seen("device", lambda: _of("machine", "devices", *device), "device=cpu   or device=auto")
    yield from seen("model", lambda: _of("model", "model", model, digests))
    for name in sorted(settings.judges, key=lambda name: JUDGES.index(name) if name in JUDGES else len(JUDGES)):
        look = partial(_of, "judges", "look", name, getattr(settings, name, None), digests)  # None: it is unknown
        # A judge of another package may be broken.
        yield from seen(name, look, judge_class(name).reinstall if name in JUDGES else "")
    yield from seen("prompts", lambda: _of("prompts", "prompts", settings.prompts, model))
    if "prompts" in gaps:
        yield Check("run directory", SKIPPED, "not known without the prompts")
        return
    plans: list = []
    yield from seen("selection", lambda: plans.append(make_plan(settings)) or _of("prompts", "selection", plans[0]))
    if not plans:
        return
    done = cache(RunDir(settings.out).done)  # seconds, where there are many
    here = source.draws and not {"model", "unet"} & set(gaps)
    # None where they can't be read; a replay and a folder have none.
    weights = partial(_of, "model", "weights", model, digests) if here else lambda: None if source.draws else {}
    if here:
        yield from seen("scheduler", lambda: _of("model", "scheduler", model, plans[0].protocol))
    if "settings" in gaps:
        yield Check("run directory", SKIPPED, "not known without the settings")
    else:
        look = partial(_of, "run_directory", "run_directory", settings, plans[0], done, weights)
        yield from seen("run directory", look, "out=FOLDER")
    if "run directory" in gaps:
        done = set  # what is there is not of this run
    kept = settings.images if source.draws else "none", settings.images_sample
    yield from seen("disk", lambda: _of("run_directory", "disk", RunDir(settings.out), plans[0], done, *kept))
    yield from _time(settings, source, plans[0], done, gaps, measure)


def _time(settings: Settings, source: Source, plan: Plan, done: Done, gaps: list[str], measure: bool) -> list[Check]:
    """How long the run takes, and what loading the model for that says of its weights."""
    if not measure:
        checks = [Check("time", SKIPPED, "not measured: measure=false")]
    elif gaps:
        checks = [Check("time", SKIPPED, f"not measured: it needs {', '.join(gaps)}")]
    else:
        say("measuring (measure=false leaves it out) …", sys.stderr)
        checks = examine("time", lambda: _of("duration", "measured", settings, plan, done))
    if source.draws and all(check.name != "weights" for check in checks):
        said = "not read: loading checks that all are numbers and that another UNet's differ from the base's"
        checks.append(Check("weights", SKIPPED, f"{said} (measure=true)" if not measure else said))
    return checks


def _of(part: str, name: str, *arguments):
    """Call a function of `eval.doctor.PART`, which is imported only now: it may lack a package."""
    return getattr(importlib.import_module(f"eval.doctor.{part}"), name)(*arguments)


if __name__ == "__main__":
    main()
