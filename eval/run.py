"""The one command: `python -m eval.run`. Plan, generate, judge, measure, report; run it again and it goes on.

Nothing heavy is imported before it is needed, so that `--help` and a mistyped key answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import sld
from eval.checks import check_settings
from eval.cli import INCOMPLETE, exit_code_of, say
from eval.errors import InputError
from eval.settings import Settings, read_settings


def main(methods: Sequence[sld.Method] = ()) -> None:
    """Run from the command line; exit 0 complete, 2 bad input, 3 incomplete, 1 a bug.

    `methods` are methods of the caller's own (see scripts/example_method.py): they can be named like sld's, and run
    behind the others if they are not.
    """
    sys.exit(exit_code_of(lambda: _compose_and_run(methods)))


def _compose_and_run(methods: Sequence[sld.Method]) -> int:
    import hydra
    from hydra.errors import HydraException, OverrideParseException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting with 1
    codes = [0]

    def task(config) -> None:
        # Here, not around Hydra: it would print the error of a job in its own way first.
        codes.append(exit_code_of(lambda: run(read_settings(config), methods)))

    try:
        hydra.main(version_base="1.3", config_path="pkg://conf", config_name="run")(task)()
    except OverrideParseException as error:
        raise InputError(
            f"expected KEY=VALUE as Hydra reads it, found {error.override!r}: check its brackets"
        ) from error
    except (HydraException, OmegaConfBaseException) as error:
        sentence = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{sentence}: see `python -m eval.run --help` for the groups and keys there are") from error
    return max(codes)


def run(settings: Settings, methods: Sequence[sld.Method] = ()) -> int:
    """Do what is left of a run, then report; return the exit code."""
    check_settings(settings)
    from eval.engine import choose_engine
    from eval.load import describe_judges, load_judges, load_model
    from eval.make import make_missing
    from eval.manifest import make_manifest, open_run
    from eval.plan import make_plan
    from eval.report import finish, make_report
    from eval.rundir import RunDir
    from eval.sheet import write_sheet

    plan = make_plan(settings, methods)
    directory = RunDir(settings.out)
    directory.read_manifest()  # an unusable place is said before a model is loaded
    directory.check_writable()
    if settings.model.kind == "published":
        from eval.replay import describe, write_missing

        open_run(directory, make_manifest(settings, plan, describe(plan), {}), plan)
        write_missing(directory, plan)
    else:
        judges = load_judges(settings)
        model, description = load_model(settings, plan.protocol)
        manifest = make_manifest(settings, plan, description, describe_judges(settings, judges))
        open_run(directory, manifest, plan)
        make_missing(directory, plan, model, judges, settings, choose_engine(settings, model, plan, directory))
    if plan.shard_count > 1:
        done = directory.done()
        ours, all_missing = len(plan.missing(done)), plan.image_count - len(done)
        shard = f"Shard {plan.shard_index} of {plan.shard_count}"
        if ours:
            say(f"{shard} has {ours:,} prompts × images that could not be judged; the same command tries them again.")
            return INCOMPLETE
        if all_missing:
            say(f"{shard} is complete; the others still miss {all_missing:,} images; the last to end reports.")
            return 0
    report = make_report(directory, settings.model.published_as)
    return finish(directory, report, write_sheet(directory, plan) if settings.sheet else None)


if __name__ == "__main__":
    main()
