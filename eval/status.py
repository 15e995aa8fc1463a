"""How far a run is, while its jobs work: `python -m eval.status RUN`. Reads the run directory and nothing else."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from eval.base.cli import exit_code_of, with_run
from eval.base.command import typed
from eval.base.errors import COMPLETE, INCOMPLETE, InputError
from eval.base.image_key import ImageKey
from eval.base.printing import say
from eval.base.words import duration, first_of
from eval.store.pictures import named_images
from eval.store.planned import PlannedImages
from eval.store.prompts import read_run_prompts
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed, keys_done

WINDOW = 1800.0  # seconds that the rate is taken over: long enough for a slow batch, short enough for what is now
LEAST = 10.0  # seconds below which a rate says nothing


@dataclass(frozen=True)
class Status:
    """Counts are of images. `rate` is images an hour over the last half hour of work, None for too little of it."""

    images: int
    done: int
    states: dict[str, dict[str, int]]
    """By method, then by state."""
    rate: float | None
    idle: float | None
    """Seconds since the last part was written."""
    shards: dict[int, int] | None
    """Missing images per shard; None if the run has one shard."""

    @property
    def missing(self) -> int:
        """Images that are not made, or on which a judge failed."""
        return self.images - self.done


def read_status(run: RunDir) -> Status:
    """Return what the scores say.

    Raises:
        InputError: there is no run, or its prompts are not whole.
    """
    manifest = run.read_manifest()
    if manifest is None:
        raise InputError(f"{run.root} is no run directory: expected a manifest.json in it; `{typed('run')}` makes one")
    rows = tuple(prompt.row for prompt in read_run_prompts(run, manifest))
    named = named_images(run, manifest)
    planned = PlannedImages(tuple(manifest.method_names), rows, manifest.images_per_prompt, named)
    counts: dict[str, Counter] = {name: Counter() for name in planned.methods}
    scores = run.read_scores()
    for key, state in keyed(scores, "state"):
        if key.method in counts:  # else a part that came from another run: no row of this one
            counts[key.method][state] += 1
    done = keys_done(scores)
    rate, idle = _pace(run)
    count = manifest.settings.shard_count
    return Status(
        images=len(planned),
        done=len(planned) - len(planned.left(done)),
        states={name: dict(counter) for name, counter in counts.items()},
        rate=rate,
        idle=idle,
        shards=_missing(planned, done, count) if count > 1 else None,
    )


def _pace(run: RunDir) -> tuple[float | None, float | None]:
    """Images an hour lately, and seconds since the last part, by the parts' own times."""
    parts = list(run.parts())
    if not parts:
        return None, None
    last = parts[-1][0]
    recent = [(when, rows) for when, rows in parts if when > last - WINDOW]
    span = recent[-1][0] - recent[0][0]
    # The first part's images were made before the span.
    rate = sum(rows for _, rows in recent[1:]) / span * 3600 if span > LEAST else None
    return rate, max(0.0, time.time() - last)


def _missing(planned: PlannedImages, done: Collection[ImageKey], count: int) -> dict[int, int]:
    """How many images each shard lacks, of those that lack any."""
    shards = range(min(count, len(planned.rows)))  # those beyond have none
    lacking = {index: len(planned.shard(index, count).left(done)) for index in shards}
    return {index: left for index, left in lacking.items() if left}


def show(run: RunDir, status: Status) -> str:
    """Return the status as text for a terminal."""
    share = status.done / status.images if status.images else 1.0
    lines = [f"{run.root}: {status.done:,} of {status.images:,} images ({share:.1%})"]
    if status.idle is not None:
        pace = f"{status.rate:,.0f} images per hour" if status.rate else "too few images for a rate"
        left = f", {duration(status.missing / status.rate * 3600)} left" if status.rate and status.missing else ""
        lines.append(f"Recently {pace}{left}; the last batch was stored {duration(status.idle)} ago.")
    others = list(dict.fromkeys(state for counter in status.states.values() for state in counter if state != OK))
    rows = [[name, *(counter.get(state, 0) for state in [OK, *others])] for name, counter in status.states.items()]
    lines += ["", tabulate(rows, ["method", OK, *others], tablefmt="simple")]
    if status.missing and status.shards is None:
        lines += ["", f"Missing: {status.missing:,} images."]
    elif status.missing:
        shards = first_of((f"{index} ({left:,})" for index, left in status.shards.items()), 12)
        lines += ["", f"Missing: {status.missing:,} images, in shards {shards}."]
    return "\n".join(lines)


def main() -> None:
    """`python -m eval.status RUN`: print how far a run is; exit 0 complete, 3 incomplete, 2 no run."""
    sys.exit(exit_code_of(lambda: with_run("eval.status", _status)))


def _status(path: Path) -> int:
    run = RunDir(path)
    status = read_status(run)
    say(show(run, status))
    return INCOMPLETE if status.missing else COMPLETE


if __name__ == "__main__":
    main()
