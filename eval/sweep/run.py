"""A sweep: many runs by one command, `python -m eval.run -m model=sd14,sd15 protocol.steps=20,50`, and their table.

Each is a process of its own, so that the others survive if one dies.
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
from eval.base.words import counted
from eval.config.checks import check_settings
from eval.config.compose import compose_jobs
from eval.config.config_dir import FLAG
from eval.config.overrides import asks
from eval.config.settings import Settings, read_settings
from eval.config.values import typed_again
from eval.store.rundir import RunDir
from eval.sweep.job_log import FOLDER, JobLog
from eval.sweep.jobs import WORST, Done, plan_jobs

LOOK = 1  # seconds between two looks at what a job prints
GRACE = 10  # seconds within which a job receives a ctrl-C from its terminal


def run_jobs(methods: Sequence[sld.Method] = ()) -> int:
    """Run every job of the command line, then compare; return the worst exit code.

    A signal ends the current job, and the later ones are not started; the same command resumes them.

    Args:
        methods: of the script that is the command, which is then the command of the jobs too.

    Raises:
        InputError: a job has bad input, before any is started, or there is no job.
    """
    with Stop(at_once=True) as stop:
        stop.check()
        jobs, root = plan_jobs(compose_jobs("run", lambda config: _checked(config, methods)))
    if not jobs and asks(sys.argv[1:]):  # --help and the like
        return COMPLETE
    if not jobs:
        raise InputError("a key that varies must have one or more values, found none: give some, as in KEY=1,2")
    _check_root(root)
    program = [sys.executable, sys.argv[0]] if methods else command_line("run")
    folder = [word for word in sys.argv[1:] if word.startswith(f"{FLAG}=")]
    done, signal_name = [], ""
    say(f"{counted(len(jobs), 'job')} in {root}; what each prints goes to {root / FOLDER}", sys.stderr)
    with Stop() as stop:  # for a signal between two jobs; during a job, `_run` forwards it
        for number, job in enumerate(jobs, 1):
            log = JobLog(root, job.name, f"job {number} of {len(jobs)}: {job.name}")
            words = [*map(typed_again, job.overrides), override("out", str(job.folder))]
            code, signal_name = _run([*program, *folder, *words], log)
            done.append(Done(job, code))
            log.end(done[-1])
            if signal_name := signal_name or stop.reason or "":
                break
    from eval.sweep.table import compare_jobs

    done += [Done(job, None) for job in jobs[len(done) :]]
    code = min((result.exit_code for result in done), key=WORST.index)
    compare_jobs(root, done)
    if signal_name and code != COMPLETE:
        say(
            f"stopped: {signal_name} arrived; everything done so far is stored: run the same command again to resume",
            sys.stderr,
        )
    return code


def _checked(config, methods: Sequence[sld.Method]) -> Settings:
    from eval.config.paths import check_paths
    from eval.plan.make import make_plan

    settings = read_settings(config)
    check_settings(settings)
    check_paths(settings)
    make_plan(settings, methods)  # checks rows, methods and protocol before hours of earlier jobs
    return settings


def _check_root(root: Path) -> None:
    run = RunDir(root)
    if run.read_manifest() is not None:
        raise InputError(f"out={root} must be a folder for all jobs, found the run directory of one: name another")
    run.check_writable()


def _run(command: Sequence[str], log: JobLog) -> tuple[int, str]:
    """Run a job, which prints to its log.

    Returns:
        Its exit code, and the name of the signal that arrived, which was forwarded to it.
    """
    signal_names: list[str] = []
    with log.open() as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)

    def forward(number: int, frame) -> None:
        signal_names.append(signal.Signals(number).name)
        process.send_signal(number)

    previous = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        while process.returncode is None:
            try:
                process.wait(timeout=GRACE if "SIGINT" in signal_names else LOOK)
            except KeyboardInterrupt:  # the terminal sends it to the job too, and a second one would kill it
                signal_names.append("SIGINT")
            except subprocess.TimeoutExpired:
                if "SIGINT" in signal_names:  # it came from elsewhere and only to this process
                    process.send_signal(signal.SIGINT)
                else:
                    log.show()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return process.returncode, signal_names[0] if signal_names else ""
