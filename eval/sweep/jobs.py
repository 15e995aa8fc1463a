"""The jobs of a sweep: Hydra makes the combinations.

Each has a run directory of its own, named by what sets it apart: the same command goes on, and more values add to what
is there.
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
        raise InputError(f"the jobs must differ, found that {again} repeats another in other words: leave it out")
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
