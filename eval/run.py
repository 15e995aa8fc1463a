"""The command `python -m eval.run`: plan, generate, judge, measure, report; the same command resumes a run.

Nothing heavy is imported before it is needed, so that `--help` and a mistyped key are answered at once.
"""

from __future__ import annotations

from eval.base.signals import Stop, end_listening, listen

if __name__ == "__main__":
    listen()  # a signal may arrive during the imports below

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sld
from eval.base.cli import exit_code_of
from eval.config.checks import check_settings
from eval.config.compose import compose_and_call, is_multirun
from eval.config.overrides import key_of
from eval.config.settings import Settings, read_settings
from eval.config.unused import log_unused
from eval.submit.requeue import requeued_if_stopped

if TYPE_CHECKING:
    from eval.plan.plan import Plan
    from eval.store.rundir import RunDir


def main(methods: Sequence[sld.Method] = (), *, out: str | None = None) -> None:
    """Run from the command line; exit with 0 if complete, 2 for bad input, 3 if incomplete, 1 for a bug.

    Args:
        methods: the caller's own (see scripts/example_method.py). Settings can name them like those of sld; those that
            they don't name run last.
        out: the run directory where the command line names none, so that a script does not add its methods to the runs
            of this command; None for the settings'.
    """
    words = sys.argv[1:]
    if out is not None and not any(key_of(word).strip() == "out" for word in words):
        sys.argv[1:] = [f"out={out}", *words]
    with Stop():
        code = exit_code_of(lambda: _start(methods))
    end_listening()
    sys.exit(code)


def _start(methods: Sequence[sld.Method]) -> int:
    if is_multirun():
        from eval.sweep.run import run_jobs

        return run_jobs(methods)
    return compose_and_call("run", lambda config: run(read_settings(config), methods))


def run(settings: Settings, methods: Sequence[sld.Method] = ()) -> int:
    """Do the missing part of a run, then report; return the exit code.

    Args:
        settings: of the run.
        methods: of the caller's own.

    Raises:
        Stopped, StoppedAtOnce: a signal ended it early; under SLURM its job has been requeued.
        InputError, sld.InputError, i2p.InputError: bad input.
        Incomplete: a disk, a judge or a worker failed.
    """
    with requeued_if_stopped(settings.out, settings.shard.index) as stop:
        check_settings(settings)
        log_unused(settings)
        from eval.config.paths import check_paths
        from eval.generate.sources import maker_of
        from eval.plan.make import make_plan
        from eval.plan.opening import opening_of
        from eval.plan.prompts import log_remarks
        from eval.plan.same_run import check_directory, log_ignored_column
        from eval.quality.extractor import fetch_weights
        from eval.report.shard import end_shard
        from eval.store.asked import record_asked
        from eval.store.rundir import RunDir

        directory = RunDir(settings.out)
        opening = opening_of(directory, settings)
        if not opening.found_paths:
            check_paths(settings)
        plan = make_plan(settings, methods)
        log_remarks(plan)
        if opening.is_complete(plan):  # else the model is loaded, to compare the run with it
            directory.check_writable()
            log_ignored_column(directory, plan)
        else:
            check_directory(directory, settings, plan)  # refused before a model is loaded
            fetch_weights(settings.quality)  # before days of drawing
            maker_of(settings).make_missing(directory, plan, settings, methods)
            opening.keep(plan)
        record_asked(directory, settings.quality)
        if settings.quality.explicit:
            from eval.generate.quality import make_features

            make_features(directory, plan, settings)
        if (code := end_shard(directory, plan)) is not None:
            return code
        stop.check()
        return _report(directory, plan, settings)


def _report(run_directory: RunDir, plan: Plan, settings: Settings) -> int:
    from eval.report.files import finish
    from eval.report.make import make_report
    from eval.report.shard import shard_code
    from eval.report.trackers import track

    report = make_report(run_directory, settings.model.published_as, options=settings.report)
    with Stop():  # so that the report is complete or unchanged
        code = finish(run_directory, report, sheet=settings.sheet)
        track(settings.track, report, run_directory.root)
        return code or shard_code(run_directory, plan)


if __name__ == "__main__":
    main()
