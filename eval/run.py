"""The one command: `python -m eval.run`. Plan, generate, judge, measure, report; run it again and it goes on.

Nothing heavy is imported before it is needed, so that `--help` and a mistyped key answer at once.
"""

from __future__ import annotations

from eval.base.errors import COMPLETE, INCOMPLETE, Stopped, StoppedAtOnce, first_of
from eval.base.signals import Stop, end_listening, listen

if __name__ == "__main__":
    listen()  # a signal may come before the imports below are done

import logging
import sys
from collections.abc import Collection, Sequence

import sld
from eval.base.cli import exit_code_of, say
from eval.base.escape import terminal
from eval.config.checks import check_settings
from eval.config.compose import compose_and_call, is_multirun
from eval.config.settings import ELSEWHERE, Settings, read_settings
from eval.report.trackers import track
from eval.submit.requeue import requeue_this_job

log = logging.getLogger(__name__)


def main(methods: Sequence[sld.Method] = ()) -> None:
    """Run from the command line; exit 0 complete, 2 bad input, 3 incomplete, 1 a bug.

    `methods` are methods of the caller's own (see scripts/example_method.py): they can be named like sld's, and run
    behind the others if they are not.
    """
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
    """Do what is left of a run, then report; return the exit code.

    Raises:
        Stopped, StoppedAtOnce: a signal ended it early; under SLURM its job is back in the queue.
    """
    directory, before = None, set()
    with Stop(at_once=True) as stop:
        try:
            stop.check()
            check_settings(settings)
            from eval.store.rundir import RunDir

            directory = RunDir(settings.out)
            before = directory.part_names(settings.shard.index)
            return _run(settings, methods, directory, stop)
        except (Stopped, StoppedAtOnce):
            _requeue(directory, settings, before)
            raise
        except Exception as error:
            if not stop.raised:
                raise
            _requeue(directory, settings, before)  # some library made an error of its own of it
            raise Stopped(stop.sentence) from error


def _requeue(directory, settings: Settings, before: Collection[str]) -> None:
    """Under SLURM put this job back into the queue; `before` are the shard's parts of scores that it began with."""
    now = directory.part_names(settings.shard.index) if directory is not None else set()
    requeue_this_job(stored=any(name.endswith(".parquet") for name in now.difference(before)))


def _run(settings: Settings, methods: Sequence[sld.Method], directory, stop: Stop) -> int:
    from eval.config.paths import check_paths
    from eval.plan.make import make_plan
    from eval.plan.prompts import log_remarks
    from eval.plan.same_run import check_rerun, other_versions
    from eval.report.files import finish
    from eval.report.make import make_report
    from eval.report.sheet import write_sheet

    check_paths(settings)
    plan = make_plan(settings, methods)
    log_remarks(plan)
    standing = check_rerun(directory, settings, plan)  # another run's is said before a model is loaded
    directory.check_writable()
    if standing and (changed := other_versions(directory, standing)):
        log.warning(
            "%s resumes with other versions, which its report will list: %s.", directory.root, first_of(changed)
        )
    _make(settings, methods, plan, directory)
    if plan.shard_count > 1:
        with Stop():  # a shard that is complete is not to be queued again
            code = _say_shard(directory, plan)
        if code is not None:
            return code
    stop.check()
    report = make_report(directory, settings.model.published_as, options=settings.report)
    with Stop():  # the report is whole, or as it was
        code = finish(directory, report, write_sheet(directory, plan) if settings.sheet else None)
        track(settings.track, report, directory.root)
        return code or _shard_code(directory, plan)


def _say_shard(directory, plan) -> int | None:
    """Say how far this shard and the others are; return its exit code, None where it is the last and reports."""
    from eval.report.description.unjudged import remedy_of_shard

    done = directory.done()
    ours, all_missing = plan.missing_images(done), plan.image_count - len(done)
    if ours:
        say(f"{remedy_of_shard(directory, plan, directory.read_scores(), ours)}.")
        return INCOMPLETE
    if all_missing:
        shard = f"Shard {plan.shard_index} of {plan.shard_count}"
        say(f"{shard} is complete; the others lack {all_missing:,} images; the last shard to finish writes the report.")
        return _shard_code(directory, plan)
    return None


def _shard_code(directory, plan) -> int:
    """The exit code of a shard that is complete: it is no success where none of its pictures could be judged."""
    from eval.report.description.unjudged import nothing_judged_of

    if plan.shard_count > 1 and (sentence := nothing_judged_of(directory.read_scores(), plan)):
        print(terminal(sentence), file=sys.stderr)
        return INCOMPLETE
    return COMPLETE


def _make(settings: Settings, methods: Sequence[sld.Method], plan, directory) -> None:
    """Make what is left: replayed, judged where it lies, or drawn, in processes of their own or here."""
    if settings.model.kind == "published":
        from eval.generate.replay import write_missing

        write_missing(directory, settings, plan)
        return
    if settings.model.kind == ELSEWHERE:
        from eval.generate.judge_folder import judge_missing

        judge_missing(directory, settings, plan)
        return
    from eval.generate.pool import count_workers, make_with_workers

    count = count_workers(settings)
    if count > 1:
        make_with_workers(directory, plan, settings, methods, count)
        return
    from eval.generate.engine import choose_engine
    from eval.generate.loop import make_missing
    from eval.generate.models import open_models

    model, judges = open_models(settings, plan, directory)
    make_missing(directory, plan, model, judges, settings, choose_engine(settings, model, plan, directory))


if __name__ == "__main__":
    main()
