"""The command that runs a benchmark as SLURM jobs: `python -m eval.submit … slurm.partition=gpu shard.count=64`.

It writes the scripts of the shards' array and of the report into the run directory, has SLURM test both, and submits
them. It checks all that it can without a model, so that a mistake shows before a job has waited a night for its node.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from eval.base.cli import exit_code_of
from eval.base.command import SUBMITTED, command_line, typed
from eval.base.errors import COMPLETE, InputError
from eval.base.layout import paragraphs
from eval.base.printing import say
from eval.base.quoting import override
from eval.base.values import whole_number
from eval.config.checks import check_settings
from eval.config.compose import compose_and_call
from eval.config.mistyped import shown
from eval.config.overrides import key_of
from eval.config.settings import Settings, read_settings
from eval.config.slurm import SlurmSettings
from eval.config.unused import log_unused
from eval.submit import slurm
from eval.submit.jobs import plan_jobs, typed_commands
from eval.submit.queue import check_accepted, check_not_queued, locked, queue_jobs
from eval.submit.scripts import report_options, report_script, shard_options, shard_script, write_scripts
from eval.submit.settings import check_default_time, read_slurm

# Keys that the command of a shard must not repeat: it has none of them, or its own value.
OWN_KEYS = ("slurm", "dry_run", "shard", "out")


def main() -> None:
    """Run the command; exit 0 submitted or nothing to do, 2 bad input or refused by SLURM, 3 interrupted."""
    sys.exit(exit_code_of(lambda: compose_and_call("submit", _submit)))


def _submit(config: DictConfig) -> int:
    chosen = read_slurm(config.slurm)
    if not isinstance(config.dry_run, bool):
        raise InputError(f"dry_run must be true or false, found {shown(config.dry_run)}: correct it")
    settings = read_settings(OmegaConf.masked_copy(config, [key for key in config if key not in ("slurm", "dry_run")]))
    check_settings(settings)
    log_unused(settings)
    _warn_of_idle_gpus(chosen, settings)
    run = Path(settings.out).absolute()
    shard = shard_options(chosen, run)
    report = report_options(chosen.report, run) if chosen.report else None
    if _missing_images(settings) == 0 and not settings.verify:
        command = f"`{typed('report', [str(run)])}`"
        say(paragraphs(f"Nothing to submit: every image of {run} is made and judged. To report again: {command}"))
        return COMPLETE
    size = _array_size() if config.dry_run else slurm.largest_array_size()
    jobs = plan_jobs(run / SUBMITTED, settings.shard.count, size, chosen.at_once, shard, report)
    if config.dry_run:
        _write(chosen, settings, run, shard, report)
        scripts = ", ".join(dict.fromkeys(str(job.script) for job in jobs))
        say(paragraphs(f"Written, not submitted: {scripts}. To submit them:"))
        say("\n".join(typed_commands(jobs)))
        return COMPLETE
    check_default_time(chosen)
    with locked(run / SUBMITTED):
        check_not_queued(run / SUBMITTED)
        _write(chosen, settings, run, shard, report)
        check_accepted(jobs)
        queue_jobs(jobs, run / SUBMITTED)
    if report is None:
        command = typed("report", [str(run)])
        say(paragraphs(f"No job writes the report. To write it when the shards have ended: `{command}`"))
    say(paragraphs(f"Logs: {run}/slurm. To see the progress: `{typed('status', [str(run)])}`"))
    return COMPLETE


def _warn_of_idle_gpus(chosen: SlurmSettings, settings: Settings) -> None:
    count = str(chosen.gpus).rpartition(":")[2]
    if settings.workers == 1 and (whole_number(count) or 0) > 1:
        say(f"warning: a shard has {count} GPUs and uses only one: workers=auto uses them all", sys.stderr)


def _missing_images(settings: Settings) -> int | None:
    """Return the number of images that the run still lacks, None for a run that has not begun.

    Raises:
        InputError: no shard could run these settings, or the run directory holds another run.
    """
    from eval.config.paths import check_paths
    from eval.plan.make import make_plan
    from eval.plan.same_run import check_rerun
    from eval.store.rundir import RunDir

    check_paths(settings)
    plan = make_plan(settings)
    if settings.shard.count > len(plan.prompts):
        raise InputError(
            f"shard.count must be at most the number of prompts, {len(plan.prompts):,}, found {settings.shard.count}: "
            "lower it"
        )
    if settings.shard.index:
        raise InputError(f"shard.index must be left to the jobs, found {settings.shard.index}: leave it out")
    directory = RunDir(settings.out)
    begun = check_rerun(directory, settings, plan) is not None
    return len(plan.images.missing(directory.done())) if begun else None


def _write(chosen: SlurmSettings, settings: Settings, run: Path, shard: list[str], report: list[str] | None) -> None:
    words = [word for word in sys.argv[1:] if not _is_own(word)]
    words += [override("out", str(run)), f"shard.count={settings.shard.count}"]
    write_scripts(
        run,
        shard_script(shard, chosen.setup, command_line("run", words), command_line("requeue")),
        None if report is None else report_script(report, chosen.setup, command_line("report", [str(run)])),
    )


def _is_own(word: str) -> bool:
    return "=" in word and key_of(word).strip().partition(".")[0] in OWN_KEYS  # the value of a flag has no =


def _array_size() -> int:
    """Return the cluster's MaxArraySize, or SLURM's default where there is no cluster to ask."""
    try:
        return slurm.largest_array_size()
    except InputError as error:
        say(f"warning: assuming MaxArraySize={slurm.USUAL_ARRAY_SIZE}, SLURM's default: {error}", sys.stderr)
        return slurm.USUAL_ARRAY_SIZE


if __name__ == "__main__":
    main()
