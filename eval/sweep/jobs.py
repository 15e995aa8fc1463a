"""The jobs of a sweep, from the combinations that Hydra makes.

Each has its own run directory, named by its varied overrides: the same command resumes the jobs, and more values add
jobs to the same folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.base.errors import BAD_INPUT, BUG, COMPLETE, INCOMPLETE, InputError
from eval.config.overrides import key_of
from eval.config.settings import Settings

LONGEST = 120  # characters of a folder's name
WORST = (BUG, BAD_INPUT, INCOMPLETE, COMPLETE)
# Keys of devices, speed and output: a command with other values resumes the same sweep.
FREE = ("device", "workers", "batch_size", "images", "sheet", "verify", "track", "judge_timeout", "engine", "report")


@dataclass(frozen=True)
class Job:
    """A run of a sweep: its name, its overrides, those that vary, its run directory and settings."""

    name: str
    overrides: tuple[str, ...]
    varied: tuple[str, ...]
    folder: Path
    settings: Settings


@dataclass(frozen=True)
class Done:
    """A job and the exit code of its process: negative if a signal killed it, None if it was not started."""

    job: Job
    code: int | None

    @property
    def state(self) -> str:
        """The outcome, in words."""
        if self.code is None:
            return "not begun"
        names = {COMPLETE: "complete", INCOMPLETE: "incomplete", BAD_INPUT: "refused", BUG: "failed"}
        return names.get(self.code) or (f"killed by signal {-self.code}" if self.code < 0 else "failed")

    @property
    def exit_code(self) -> int:
        """The exit code for the sweep: a job that was killed counts as incomplete, because it can be resumed."""
        if self.code is None or self.code < 0:
            return INCOMPLETE
        return self.code if self.code in WORST else BUG


def plan_jobs(composed: Sequence[tuple[tuple[str, ...], Settings]]) -> tuple[list[Job], Path]:
    """Return the jobs and their common folder: `out` if it is given, else one named by the varied keys.

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
        raise InputError(f"out must be one folder for all jobs, found {len(places)} of them: give one, or none")
    if shards := [key for key in keys if key.startswith("shard.")]:
        raise InputError(
            f"varied keys must not be of shard, because all shards of a run share its folder, found {shards[0]}: see "
            "eval.submit"
        )
    names = [folder_name(words or sorted(common)) or "run" for words in varied]
    if repeated := next((name for number, name in enumerate(names) if name in names[:number]), None):
        raise InputError(f"the jobs must differ, found {repeated} twice: leave the repeated value out")
    root = Path(places.pop()) if places else Path("runs", _sweep_name(keys, common))
    settings = [config for _, config in composed]
    same = [_without_place(config) for config in settings]
    if repeated := next((name for number, name in enumerate(names) if same[number] in same[:number]), None):
        raise InputError(f"the jobs must differ, found that {repeated} repeats another in other words: leave it out")
    rows = zip(names, overrides, varied, settings, strict=True)
    return [
        Job(name, words, tuple(varied_words), root / name, job_settings)
        for name, words, varied_words, job_settings in rows
    ], root


def folder_name(words: Sequence[str]) -> str:
    """Return a folder name for overrides, valid on every file system; with a digest if characters are left out.

    Capitals count as left out, because some file systems do not distinguish them.
    """
    joined = "__".join(words)
    plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", joined).strip("-.")
    return plain if plain == joined.lower() and len(plain) <= LONGEST else _with_digest(plain, joined)


def _sweep_name(keys: Sequence[str], common: set[str]) -> str:
    """Return a name from the varied keys, not their values, so that more values resume in the same folder."""
    name = folder_name(["-".join(["multirun", *keys])])
    fixed = sorted(word for word in common if not key_of(word).startswith((*FREE, "shard.")))
    return _with_digest(name, "\n".join(fixed)) if fixed else name


def _with_digest(name: str, text: str) -> str:
    return f"{name[: LONGEST - 9].rstrip('-.') or 'run'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _without_place(settings: Settings) -> Settings:
    """Return settings that are equal for two jobs that would make the same images."""
    protocol = replace(settings.protocol, seed_offset=settings.protocol.seed_offset or 0)
    return replace(settings, out="", protocol=protocol)
