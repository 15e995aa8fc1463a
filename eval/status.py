"""The command `python -m eval.status RUN`: the progress of a run, from its run directory alone."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eval.base.cli import exit_code_of, with_run
from eval.base.errors import COMPLETE, INCOMPLETE, InputError
from eval.base.image_key import ImageKey
from eval.base.layout import page
from eval.base.printing import say
from eval.base.table import make_table
from eval.base.words import counted, duration, first_of
from eval.store.asked import asked_quality
from eval.store.pictures import named_images
from eval.store.planned import PlannedImages
from eval.store.prompts import read_run_prompts
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed
from eval.store.stored_run import StoredRun, check_scores, existing_manifest

WINDOW = 1800.0  # seconds over which the rate is measured: long enough for a slow batch, short enough to be current
LEAST = 10.0  # seconds; a rate over less means nothing


@dataclass(frozen=True)
class Status:
    """The progress of a run.

    Attributes:
        images: of the whole run.
        done: images that are made and judged.
        states: images by method, then by state.
        rate: images per hour over the last half hour of work, None if that is too short.
        idle: seconds since the last part was written, None before the first.
        shards: missing images of each shard that has some; None if the run has one shard.
        growths: when the run grew, and what was added.
        unjudged: by the judges that were added later, the drawn pictures that they have yet to judge.
        quality: of quality metrics that were asked for by name, what is measured, where that is not everything.
    """

    images: int
    done: int
    states: dict[str, dict[str, int]]
    rate: float | None
    idle: float | None
    shards: dict[int, int] | None
    growths: tuple[tuple[str, str], ...] = ()
    unjudged: dict[str, int] = field(default_factory=dict)
    quality: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many images are not made, or could not be judged."""
        return self.images - self.done


def read_status(run: RunDir) -> Status:
    """Return the progress of a run.

    Raises:
        InputError: there is no run, or its prompts are incomplete.
    """
    manifest = existing_manifest(run)
    prompts, image_keys = tuple(read_run_prompts(run, manifest)), named_images(run, manifest)
    rows = tuple(prompt.row for prompt in prompts)
    planned = PlannedImages(tuple(manifest.method_names), rows, manifest.images_per_prompt, image_keys)
    counts: dict[str, Counter] = {name: Counter() for name in planned.methods}
    scores = run.read_stored()
    for key, state in keyed(scores.table, "state"):
        if key.method in counts:  # a part copied from another run may have others
            counts[key.method][state] += 1
    done = scores.done
    rate, idle = _pace(run)
    count = manifest.settings.shard_count
    return Status(
        images=len(planned),
        done=len(planned) - len(planned.missing(done)),
        states={name: dict(counter) for name, counter in counts.items()},
        rate=rate,
        idle=idle,
        shards=_missing(planned, done, count) if count > 1 else None,
        unjudged=Counter(name for key, each in scores.unjudged.items() if key in planned for name in each.judges),
        quality=tuple(_unmeasured(StoredRun(run, manifest, prompts, scores.table, image_keys))),
        growths=tuple((growth.when, growth.words) for growth in manifest.history),
    )


def _unmeasured(stored: StoredRun) -> Iterator[str]:
    """Yield of how many pictures quality metrics are measured that were asked for by name, where that is not all."""
    asked = asked_quality(stored.run, stored.manifest).explicit
    if not asked or not stored.scores.num_rows:
        return
    from eval.measure.quality import PictureQuality, uncovered  # SciPy, which a status seldom needs

    try:
        check_scores(stored)
    except InputError:  # a report refuses them: the progress is told all the same
        return
    for metrics, known, every, what in uncovered(PictureQuality(stored, asked), asked):
        yield f"{' and '.join(metrics)} of {known:,} of {every:,} {what}"


def _pace(run: RunDir) -> tuple[float | None, float | None]:
    """Return the recent images per hour, and the seconds since the last part, from the times of the parts."""
    parts = list(run.parts())
    if not parts:
        return None, None
    last = parts[-1][0]
    recent = [(when, rows) for when, rows in parts if when > last - WINDOW]
    span = recent[-1][0] - recent[0][0]
    # The images of the first part were made before the span.
    rate = sum(rows for _, rows in recent[1:]) / span * 3600 if span > LEAST else None
    return rate, max(0.0, time.time() - last)


def _missing(planned: PlannedImages, done: Collection[ImageKey], count: int) -> dict[int, int]:
    """Return the number of missing images of each shard that has some."""
    shards = range(min(count, len(planned.rows)))  # later shards have no rows
    counts = {index: len(planned.shard(index, count).missing(done)) for index in shards}
    return {index: missing for index, missing in counts.items() if missing}


def show(run: RunDir, status: Status) -> str:
    """Return the status as text for stdout."""
    share = status.done / status.images if status.images else 1.0
    lines = [f"{run.root}: {status.done:,} of {counted(status.images, 'image')} ({share:.1%})"]
    if status.idle is not None:
        rate = status.rate and (f"{status.rate:,.0f}" if status.rate >= 10 else f"{status.rate:.2g}")
        per_hour = f"Recently {rate} {'image' if rate == '1' else 'images'} per hour"
        pace = per_hour if rate else "Too few recent images for a rate"
        left = f", {duration(status.missing / status.rate * 3600)} left" if status.rate and status.missing else ""
        lines.append(f"{pace}{left}; the last batch was stored {duration(status.idle)} ago.")
    failures = list(dict.fromkeys(state for counter in status.states.values() for state in counter if state != OK))
    rows = [[name, *(counter.get(state, 0) for state in [OK, *failures])] for name, counter in status.states.items()]
    lines += [f"Grown on {when}: {words}." for when, words in status.growths]
    parts = ["\n".join(lines), make_table(["method", OK, *failures], rows, {"method"})]
    if status.unjudged:
        counts = ", ".join(f"{count:,} by {name}" for name, count in status.unjudged.items())
        parts.append(f"Drawn, and to be judged yet: {counts}.")
    if status.quality:
        parts.append(
            f"Measured: {'; '.join(status.quality)}. The run's own command measures those of pictures that are kept."
        )
    if status.missing and status.shards is None:
        parts.append(f"Missing: {counted(status.missing, 'image')}.")
    elif status.missing:
        shards = first_of((f"{index} ({count:,})" for index, count in status.shards.items()), 12)
        parts.append(f"Missing: {counted(status.missing, 'image')}, in shards {shards}.")
    return page(parts)


def main() -> None:
    """Print the progress of a run; exit with 0 if it is complete, 3 if incomplete, 2 if there is no run."""
    sys.exit(exit_code_of(lambda: with_run("eval.status", _status)))


def _status(path: Path) -> int:
    run = RunDir(path)
    status = read_status(run)
    say(show(run, status))
    return INCOMPLETE if status.missing else COMPLETE


if __name__ == "__main__":
    main()
