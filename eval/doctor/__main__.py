"""What a run would find: `python -m eval.doctor` with the overrides of a run. It writes nothing but temporary files.

Only Python's own modules are imported before the packages are checked, since one of them may be what is missing.
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
from eval.doctor.check import (
    INDENT,
    MISSING,
    OK,
    REINSTALL,
    SKIPPED,
    WARNING,
    Check,
    examine,
    packages,
    python,
    show,
    verdict,
)

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from eval.config.settings import Settings
    from eval.config.sources import Source
    from eval.doctor.run_directory import Done
    from eval.plan.plan import Plan


def main() -> None:
    """Check everything that a run needs, print a table and exit: 0 a run would start, 2 something is missing."""
    sys.exit(_main())


def _main() -> int:
    prepare_printing()
    try:
        for name in ("hydra", "numpy", "wcwidth"):
            importlib.import_module(name)
        from eval.base.cli import exit_code_of
        from eval.config.compose import compose_and_call
    except Exception as error:  # a package that is installed but broken may raise anything
        checks = [*examine("python", python), *examine("packages", packages, REINSTALL)]
        gap = Check("import", MISSING, " ".join(str(error).split()), REINSTALL)
        say("\n".join([*map(show, [*checks, gap]), "", verdict([*checks, gap])]))
        return BAD_INPUT
    return exit_code_of(lambda: compose_and_call("doctor", _doctor))


def _doctor(config: DictConfig) -> int:
    from omegaconf import OmegaConf

    from eval.base.layout import paragraphs
    from eval.config.mistyped import shown
    from eval.config.settings import read_settings

    own_keys = ("measure", "digests")
    for key in own_keys:
        if not isinstance(config[key], bool):
            raise InputError(f"{key} must be true or false, found {shown(config[key])}: correct it")
    settings = read_settings(OmegaConf.masked_copy(config, [key for key in config if key not in own_keys]))
    checks = []
    for check in _checks(settings, config.measure, config.digests):
        checks.append(check)
        line, *remedy = show(check).split("\n")
        say("\n".join([paragraphs(line, INDENT), *remedy]))  # at once, since the next may take seconds
    say(f"\n{verdict(checks)}")
    code = BAD_INPUT if any(check.state == MISSING for check in checks) else COMPLETE
    if any(check.name == "time" and check.state == WARNING for check in checks):
        os._exit(code)  # a measurement that took too long is still running in its thread, and can't be stopped
    return code


def _settings(settings: Settings) -> list[Check]:
    from eval.config.unused import unused_settings

    unused = [Check("settings", WARNING, sentence) for sentence in unused_settings(settings)]
    return unused or [Check("settings", OK, "make sense together")]


def _checks(settings: Settings, measure: bool, digests: bool) -> Iterator[Check]:
    """Yield every check in turn; one that fails is a line, and the others are still made."""
    from eval.config.checks import check_settings
    from eval.config.sources import SOURCES
    from eval.judges import JUDGES, judge_class
    from eval.plan.make import make_plan
    from eval.store.rundir import RunDir

    gaps: list[str] = []

    def examined(name: str, inspect, remedy: str = "", reinstall: str = REINSTALL) -> Iterator[Check]:
        for check in examine(name, inspect, remedy, reinstall):
            if check.state == MISSING or check.pending:
                gaps.append(check.name)
            yield check

    yield from examined("python", python)
    yield from examined("packages", packages, REINSTALL)
    yield from examined("settings", lambda: check_settings(settings) or _settings(settings))
    yield from examined("cpu", lambda: _of("machine", "host"))
    if settings.model.kind not in SOURCES:
        yield Check("run directory", SKIPPED, "not known without the settings")
        return
    source, model = SOURCES[settings.model.kind], settings.model
    unneeded = "" if source.needs_device else source.no_model(model)
    device = unneeded, settings.device, settings.workers, settings.engine.attention
    yield from examined("device", lambda: _of("machine", "devices", *device), "device=cpu   or device=auto")
    yield from examined("model", lambda: _of("model", "model", model, digests))
    for name in sorted(settings.judges, key=lambda name: JUDGES.index(name) if name in JUDGES else len(JUDGES)):
        # The settings of an unknown judge are None.
        inspect = partial(_of, "judges", "judge_checks", name, getattr(settings, name, None), digests)
        # A judge of another package may be broken.
        reinstall = judge_class(name).reinstall if name in JUDGES else ""
        yield from examined(name, inspect, reinstall, reinstall or REINSTALL)
    if source.judged and "settings" not in gaps:
        yield from examined("quality", lambda: _of("quality", "quality_checks", settings, digests))
    yield from examined("prompts", lambda: _of("prompts", "prompts", settings.prompts, model))
    if "prompts" in gaps:
        yield Check("run directory", SKIPPED, "not known without the prompts")
        return
    plans: list = []

    def planned() -> Check:
        plans.append(make_plan(settings, local=True))
        return _of("prompts", "selection", plans[0])

    yield from examined("selection", planned)
    if not plans:
        return
    done = cache(lambda: RunDir(settings.out).read_stored().drawn)  # takes seconds for many images
    from sld.checkpoints.family import TITLES

    has_model = source.draws and not {"model", "lora", *TITLES} & set(gaps)
    # None where they can't be read; a replay and a folder have no weights.
    weights = partial(_of, "model", "weights", model, digests) if has_model else lambda: None if source.draws else {}
    if has_model:
        yield from examined("scheduler", lambda: _of("model", "scheduler", model, plans[0].protocol))
    if "settings" in gaps:
        yield Check("run directory", SKIPPED, "not known without the settings")
    else:
        inspect = partial(_of, "run_directory", "run_directory", settings, plans[0], done, weights)
        yield from examined("run directory", inspect, "out=FOLDER")
    if "run directory" in gaps:
        done = set  # what the folder holds is another run's
    pictures = settings.images if source.draws else "none", settings.images_sample
    features = 0 if "settings" in gaps or not source.judged else _of("quality", "feature_bytes", settings)
    kept = *pictures, features
    yield from examined("disk", lambda: _of("run_directory", "disk", RunDir(settings.out), plans[0], done, *kept))
    yield from _time(settings, source, plans[0], done, gaps, measure)


def _time(settings: Settings, source: Source, plan: Plan, done: Done, gaps: list[str], measure: bool) -> list[Check]:
    """How long the run takes, and what loading the model shows about its weights."""
    if not measure:
        checks = [Check("time", SKIPPED, "not measured: measure=false")]
    elif gaps:
        checks = [Check("time", SKIPPED, f"not measured: it needs {', '.join(gaps)}")]
    else:
        say("measuring (measure=false leaves it out) …", sys.stderr)
        checks = examine("time", lambda: _of("duration", "measured", settings, plan, done))
    if source.draws and all(check.name != "weights" for check in checks):
        finding = "not read: loading checks that all are numbers and that replacing parts differ from the base's"
        checks.append(Check("weights", SKIPPED, f"{finding} (measure=true)" if not measure else finding))
    return checks


def _of(part: str, name: str, *arguments):
    """Call a function of `eval.doctor.PART`, imported only now, since a package that it needs may be missing."""
    return getattr(importlib.import_module(f"eval.doctor.{part}"), name)(*arguments)


if __name__ == "__main__":
    main()
