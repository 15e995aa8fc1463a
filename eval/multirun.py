"""Many runs by one command: `python -m eval.run -m model=sd14,sd15 protocol.steps=20,50`, and one table over them.

Hydra makes the combinations. Each is a process of its own, so that one that dies takes no other along, and a run
directory of its own, named by what sets it apart: the same command goes on, and more values add to what is there.
"""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sld
from eval.checks import check_settings
from eval.cli import BAD_INPUT, BUG, COMPLETE, INCOMPLETE
from eval.command import command_line
from eval.compose import compose_jobs
from eval.config_dir import FLAG
from eval.errors import InputError
from eval.overrides import asks, key_of
from eval.rundir import RunDir
from eval.settings import Settings, read_settings
from eval.stop import SIGNALS, Stop
from eval.values import override, typed_again

LONGEST = 120  # characters of a folder's name
GRACE = 10  # seconds that a job has to hear a terminal's ctrl-C by itself
WORST = (BUG, BAD_INPUT, INCOMPLETE, COMPLETE)
# Where and how fast a run works: with others the same command goes on.
FREE = ("device", "workers", "batch_size", "images", "sheet", "verify", "track", "judge_timeout", "engine", "report")


@dataclass(frozen=True)
class Job:
    """One run of many: its name, its overrides, those of them that set it apart, its run directory and settings."""

    name: str
    overrides: tuple[str, ...]
    apart: tuple[str, ...]
    folder: Path
    settings: Settings


@dataclass(frozen=True)
class Done:
    """A job and the exit code of its process, negative where a signal killed it, None where there was none."""

    job: Job
    code: int | None

    @property
    def state(self) -> str:
        """What became of it, in words."""
        if self.code is None:
            return "not begun"
        known = {COMPLETE: "complete", INCOMPLETE: "incomplete", BAD_INPUT: "refused", BUG: "failed"}
        return known.get(self.code) or (f"killed by signal {-self.code}" if self.code < 0 else "failed")

    @property
    def exit_code(self) -> int:
        """The code for the whole: one that was killed can be gone on with."""
        if self.code is None or self.code < 0:
            return INCOMPLETE
        return self.code if self.code in WORST else BUG


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
        raise InputError("expected a value or more of what varies, found none, so no job: give some, as in KEY=1,2")
    _check_root(root)
    program = [sys.executable, sys.argv[0]] if methods else command_line("run")
    folder = [word for word in sys.argv[1:] if word.startswith(f"{FLAG}=")]
    done, asked = [], ""
    with Stop() as stop:  # a signal between two jobs, whose processes hear it themselves
        for number, job in enumerate(jobs, 1):
            print(f"\njob {number} of {len(jobs)}: {job.name}, in {job.folder}", file=sys.stderr, flush=True)
            words = [*map(typed_again, job.overrides), override("out", str(job.folder))]
            code, asked = _run([*program, *folder, *words])
            done.append(Done(job, code))
            if asked := asked or stop.asked or "":
                break
    from eval.comparison import compare_jobs

    done += [Done(job, None) for job in jobs[len(done) :]]
    code = min((each.exit_code for each in done), key=WORST.index)
    compare_jobs(root, done)
    if asked and code != COMPLETE:
        print(f"stopped: {asked} asked for it; what is done is stored, and the same command goes on", file=sys.stderr)
    return code


def plan_jobs(composed: Sequence[tuple[tuple[str, ...], Settings]]) -> tuple[list[Job], Path]:
    """Return the jobs, and the folder of all of them: `out` where it is given, else one named by what is varied.

    Args:
        composed: overrides and settings of each job.

    Raises:
        InputError: `out` or `shard` is varied, or two jobs are the same.
    """
    if not composed:
        return [], Path()
    overrides = [tuple(word for word in words if key_of(word) != "out") for words, _ in composed]
    common = set(overrides[0]).intersection(*overrides)
    varied = [sorted(word for word in words if word not in common) for words in overrides]
    keys = sorted({key_of(word) for words in varied for word in words})
    places = {settings.out for words, settings in composed if any(key_of(word) == "out" for word in words)}
    if len(places) > 1:
        raise InputError(f"out names the folder of all jobs, found {len(places)} of them: give one, or none")
    if shards := [key for key in keys if key.startswith("shard.")]:
        raise InputError(f"{shards[0]} can't be varied, for all shards of a run share its folder: see eval.submit")
    names = [folder_name(words or sorted(common)) or "run" for words in varied]
    if again := next((name for number, name in enumerate(names) if name in names[:number]), None):
        raise InputError(f"the jobs must differ, found {again} twice: leave the repeated value out")
    root = Path(places.pop()) if places else Path("runs", _sweep_name(keys, common))
    settings = [each for _, each in composed]
    same = [_without_place(each) for each in settings]
    if again := next((name for number, name in enumerate(names) if same[number] in same[:number]), None):
        raise InputError(f"the jobs must differ, found {again} to be another one in other words: leave it out")
    each = zip(names, overrides, varied, settings, strict=True)
    return [Job(name, words, tuple(apart), root / name, made) for name, words, apart, made in each], root


def folder_name(words: Sequence[str]) -> str:
    """Return overrides as one name that every file system takes, the same every time; a digest where it lacks some.

    Some file systems take A for a.
    """
    whole = "__".join(words)
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", whole).strip("-.")
    return plain if plain == whole.lower() and len(plain) <= LONGEST else _with_digest(plain, whole)


def _sweep_name(keys: Sequence[str], common: set[str]) -> str:
    """By the keys that are varied, not by their values: with more values the same folder is gone on with."""
    name = folder_name(["-".join(["multirun", *keys])])
    fixed = sorted(word for word in common if not key_of(word).startswith((*FREE, "shard.")))
    return _with_digest(name, "\n".join(fixed)) if fixed else name


def _with_digest(name: str, whole: str) -> str:
    return f"{name[: LONGEST - 9].rstrip('-.') or 'run'}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _without_place(settings: Settings) -> Settings:
    """What two jobs that would make the same have in common, however it is said."""
    protocol = replace(settings.protocol, seed_offset=settings.protocol.seed_offset or 0)
    return replace(settings, out="", protocol=protocol)


def _checked(config, methods: Sequence[sld.Method]) -> Settings:
    from eval.paths import check_paths
    from eval.plan import make_plan

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
