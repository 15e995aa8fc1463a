"""Many runs by one command: `python -m eval.run -m model=sd14,sd15 protocol.steps=20,50`, and one table over them.

Each is a process of its own, so that one that dies takes no other along.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import sld
from eval.base.command import command_line
from eval.base.errors import COMPLETE, InputError
from eval.base.printing import say
from eval.base.quoting import override
from eval.base.signals import SIGNALS, Stop
from eval.config.checks import check_settings
from eval.config.compose import compose_jobs
from eval.config.config_dir import FLAG
from eval.config.overrides import asks
from eval.config.settings import Settings, read_settings
from eval.config.values import typed_again
from eval.store.rundir import RunDir
from eval.sweep.jobs import WORST, Done, plan_jobs

GRACE = 10  # seconds that a job has to hear a terminal's ctrl-C by itself


def run_jobs(methods: Sequence[sld.Method] = ()) -> int:
    """Run every job of the command line, then compare; return the worst exit code.

    A signal ends the job at work, and those behind it are not begun: they can be gone on with, and no more than that.

    Args:
        methods: of the script that is the command, which then makes the jobs too.

    Raises:
        InputError: a job that could not start, before any has, or there is none.
    """
    with Stop(at_once=True) as stop:
        stop.check()
        jobs, root = plan_jobs(compose_jobs("run", lambda config: _checked(config, methods)))
    if not jobs and asks(sys.argv[1:]):  # --help and the like
        return COMPLETE
    if not jobs:
        raise InputError("expected one or more values for a key that varies, found none: give some, as in KEY=1,2")
    _check_root(root)
    program = [sys.executable, sys.argv[0]] if methods else command_line("run")
    folder = [word for word in sys.argv[1:] if word.startswith(f"{FLAG}=")]
    done, asked = [], ""
    with Stop() as stop:  # a signal between two jobs, whose processes hear it themselves
        for number, job in enumerate(jobs, 1):
            say(f"\njob {number} of {len(jobs)}: {job.name}, in {job.folder}", sys.stderr)
            words = [*map(typed_again, job.overrides), override("out", str(job.folder))]
            code, asked = _run([*program, *folder, *words])
            done.append(Done(job, code))
            if asked := asked or stop.reason or "":
                break
    from eval.sweep.table import compare_jobs

    done += [Done(job, None) for job in jobs[len(done) :]]
    code = min((each.exit_code for each in done), key=WORST.index)
    compare_jobs(root, done)
    if asked and code != COMPLETE:
        say(
            f"stopped: {asked} arrived; everything done so far is stored: run the same command again to resume",
            sys.stderr,
        )
    return code


def _checked(config, methods: Sequence[sld.Method]) -> Settings:
    from eval.config.paths import check_paths
    from eval.plan.make import make_plan

    settings = read_settings(config)
    check_settings(settings)
    check_paths(settings)
    make_plan(settings, methods)  # rows, methods and protocol too, before hours of the jobs in front
    return settings


def _check_root(root: Path) -> None:
    run = RunDir(root)
    if run.read_manifest() is not None:
        raise InputError(f"out={root} must be a folder for all jobs, found the run directory of one: name another")
    run.check_writable()


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run a job; return its exit code and the signal that came, which is the job's to hear and ends those behind it."""
    asked: list[str] = []
    process = subprocess.Popen(command)

    def forward(number: int, frame) -> None:
        asked.append(signal.Signals(number).name)
        process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        while process.returncode is None:
            try:
                process.wait(timeout=GRACE if "SIGINT" in asked else None)
            except KeyboardInterrupt:  # a terminal gives it to the job too, and twice would be another thing
                asked.append("SIGINT")
            except subprocess.TimeoutExpired:  # it came from elsewhere, to this process only
                process.send_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return process.returncode, asked[0] if asked else ""
