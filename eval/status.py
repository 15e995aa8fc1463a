"""How far a run is, while its jobs work: `python -m eval.status RUN`. Reads the run directory and nothing else."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

import i2p
from eval.base.cli import exit_code_of, say, with_run
from eval.base.command import typed
from eval.base.errors import COMPLETE, INCOMPLETE, InputError
from eval.store.pictures import planned_images
from eval.store.prompts import read_run_prompts
from eval.store.rundir import RunDir
from eval.store.scores import OK, RETRIED

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
    prompts = sorted(read_run_prompts(run, manifest), key=lambda prompt: prompt.row)  # as the shards take them
    methods, each = manifest.method_names, manifest.images_per_prompt
    scores, planned = run.read_scores(), planned_images(run, manifest)
    columns = (scores[name].to_pylist() for name in ("method", "row", "image", "state"))
    counts: dict[str, Counter] = {name: Counter() for name in methods}
    done, rows = set(), {prompt.row for prompt in prompts}
    for method, row, image, state in zip(*columns, strict=True):
        if method not in counts:  # a part that came from another run: no row of this one
            continue
        counts[method][state] += 1
        if state not in RETRIED and row in rows and image < each:
            done.add((method, row, image))
    rate, idle = _pace(run)
    count = manifest.settings.shard_count
    return Status(
        images=len(prompts) * len(methods) * each if planned is None else len(planned),
        done=len(done),
        states={name: dict(counter) for name, counter in counts.items()},
        rate=rate,
        idle=idle,
        shards=_missing(prompts, methods, each, done, count, planned) if count > 1 else None,
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


def _missing(
    prompts: list[i2p.Prompt], methods: list[str], each: int, done: set, count: int, planned: set | None
) -> dict[int, int]:
    missing = {}
    for index in range(min(count, len(prompts))):  # shards beyond have none
        mine = i2p.shard(prompts, index, count)
        if planned is None:
            keys = {(m, p.row, k) for p in mine for m in methods for k in range(each)}
        else:
            rows = {p.row for p in mine}
            keys = {key for key in planned if key[1] in rows}
        if left := len(keys - done):
            missing[index] = left
    return missing


def show(run: RunDir, status: Status) -> str:
    """Return the status as text for a terminal."""
    share = status.done / status.images if status.images else 1.0
    lines = [f"{run.root}: {status.done:,} of {status.images:,} images ({share:.1%})"]
    if status.idle is not None:
        pace = f"{status.rate:,.0f} images per hour" if status.rate else "too few images for a rate"
        left = f", {status.missing / status.rate:.1f} hours left" if status.rate and status.missing else ""
        lines.append(f"Recently {pace}{left}; the last batch was stored {_ago(status.idle)} ago.")
    others = list(dict.fromkeys(state for counter in status.states.values() for state in counter if state != OK))
    rows = [[name, *(counter.get(state, 0) for state in [OK, *others])] for name, counter in status.states.items()]
    lines += ["", tabulate(rows, ["method", OK, *others], tablefmt="simple")]
    if status.missing and status.shards is None:
        lines += ["", f"Missing: {status.missing:,} images."]
    elif status.missing:
        first = ", ".join(f"{index} ({left:,})" for index, left in list(status.shards.items())[:12])
        more = f" and {len(status.shards) - 12} more" if len(status.shards) > 12 else ""
        lines += ["", f"Missing: {status.missing:,} images, in shards {first}{more}."]
    return "\n".join(lines)


def _ago(seconds: float) -> str:
    for name, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"


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
