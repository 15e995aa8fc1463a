"""A run as SLURM jobs: `python -m eval.submit … slurm.partition=gpu shard.count=64`.

Writes a script for an array of shards and one for the report into the run directory, submits both, and says so. Nothing
is loaded here but the prompts, so that a mistake is found before a job waits a night for its node.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from eval import slurm
from eval.checks import check_settings
from eval.cli import COMPLETE, exit_code_of, say
from eval.compose import compose_and_call, override
from eval.errors import InputError
from eval.settings import Settings, read_settings
from eval.slurm import SlurmSettings

OWN = ("slurm.", "dry_run", "shard.", "out=")  # not for the shards, or said to them in another way


def main() -> None:
    """Submit from the command line; exit 0 submitted, 2 bad input or refused by SLURM."""
    sys.exit(exit_code_of(lambda: compose_and_call("submit", _submit)))


def _submit(config: DictConfig) -> int:
    own = ("slurm", "dry_run")
    chosen = _slurm_settings(config.slurm)
    settings = read_settings(OmegaConf.masked_copy(config, [key for key in config if key not in own]))
    check_settings(settings)
    _check(settings)
    run = Path(settings.out).absolute()
    count = settings.shard.count
    arguments = [word for word in sys.argv[1:] if not word.lstrip("+~").startswith(OWN)]
    shard = slurm.shard_script(chosen, run, [*arguments, override("out", str(run)), f"shard.count={count}"])
    paths = slurm.write_scripts(run, shard, slurm.report_script(chosen, run))
    if config.dry_run:
        say(f"Written, not submitted: {paths[0]} and {paths[1]}; without dry_run they would be, {count} shards")
        return COMPLETE
    jobs = []
    for offset, tasks in slurm.array_ranges(count, slurm.largest_array_index()):
        limit = f"%{chosen.at_once}" if chosen.at_once else ""
        jobs.append(slurm.submit(paths[0], str(offset), options=[f"--array=0-{tasks - 1}{limit}"]))
        say(f"Submitted job {jobs[-1]}: shards {offset} to {offset + tasks - 1} of {count}, {paths[0]}")
    # afterany: a broken afterok would wait for ever, and the report looks for itself what is there.
    report = slurm.submit(paths[1], options=[f"--dependency=afterany:{':'.join(jobs)}"])
    say(f"Submitted job {report}: the report, when they have ended, {paths[1]}")
    say(f"Logs: {run}/slurm. How far it is: {Path(sys.executable).name} -m eval.status {run}")
    return COMPLETE


def _slurm_settings(config: DictConfig) -> SlurmSettings:
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(SlurmSettings), config))
    except OmegaConfBaseException as error:
        said = " ".join(str(error.msg or error).splitlines()[0].split()).rstrip(".")
        raise InputError(f"slurm.{error.full_key}: {said}; see `python -m eval.submit --help`") from error


def _check(settings: Settings) -> None:
    from eval.plan import make_plan

    prompts = len(make_plan(settings).prompts)
    if settings.shard.count > prompts:
        raise InputError(
            f"shard.count must be at most the number of prompts, {prompts:,}, found {settings.shard.count}: take fewer"
        )
    if settings.shard.index:
        raise InputError(f"shard.index is each job's own, found {settings.shard.index}: leave it out")


if __name__ == "__main__":
    main()
