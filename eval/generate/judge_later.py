"""Judging of pictures that have scores already, by judges that were added to the run since."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path

from eval.base.errors import InputError, Unreadable
from eval.base.image_key import ImageKey
from eval.base.signals import Stop
from eval.base.words import first_of
from eval.folder.open import Picture
from eval.generate.arithmetic import same_arithmetic
from eval.generate.inline_features import InlineFeatures
from eval.generate.judge import judge
from eval.generate.progress import Progress
from eval.generate.reading import BATCH, Read, batches, read_ahead
from eval.judges import Judge
from eval.plan.later_judges import pictures_to_judge
from eval.plan.plan import Plan
from eval.store.merged import Unjudged
from eval.store.rundir import RunDir
from eval.store.scores import Score, pixel_digest


def judge_kept(
    run: RunDir,
    plan: Plan,
    judges: Mapping[str, Judge],
    features: InlineFeatures,
    device: str,
    *,
    timeout: float | None,
    verify: bool,
    share: tuple[int, int] = (0, 1),
    on_stored: Callable[[Sequence[Score]], None] | None = None,
) -> None:
    """Have the kept pictures of this shard judged by the judges that have not seen them.

    Args:
        run: the directory, opened.
        plan: of the run.
        judges: by name, loaded.
        features: that they give too.
        device: on which they judge, or auto.
        timeout: seconds that a judge may spend on one batch; None for no limit.
        verify: whether pictures that have changed will be drawn again.
        share: the index and number of the processes that share the work.
        on_stored: called with the scores of a batch, in a worker.

    Raises:
        InputError: pictures are no longer those that were judged; the others have been judged.
        StorageError, JudgeError: the disk or a judge failed; everything stored before is complete.
        Stopped: a signal arrived; the current batch has been stored.
    """
    waiting = pictures_to_judge(run.read_manifest(), run.read_stored(), judges)
    # Shared out by all images of the shard, because others may already have judged some that were waiting.
    own = islice(plan.shard_images, share[0], None, share[1])
    waiting = {key: waiting[key] for key in own if key in waiting}
    if not waiting:
        return
    pictures = [Picture(*key, run.image_path(*key).relative_to(run.root).as_posix(), 0) for key in waiting]
    stop = Stop()
    with contextlib.ExitStack() as stack:
        if on_stored is None:  # else this is a worker, whose parent shows the progress and handles the signals
            on_stored = stack.enter_context(Progress(len(plan.shard_images), len(waiting))).stored
            stack.enter_context(stop)
        with same_arithmetic(device):
            changed = judge_again(
                run, plan.shard_index, judges, features, run.root, pictures, waiting, timeout, on_stored, stop
            )
        stop.check()
    if changed and not verify:
        raise InputError(
            f"{run.root} must hold every picture as it was judged, found {len(changed):,} gone or changed since "
            f"({first_of((picture.path for picture in changed), 3)}): put them back, have them drawn again, and judged "
            "by all, with verify=true, or set out= to a new folder"
        )


def judge_again(
    run: RunDir,
    shard: int,
    judges: Mapping[str, Judge],
    features: InlineFeatures,
    root: Path,
    pictures: Iterable[Picture],
    waiting: Mapping[ImageKey, Unjudged],
    timeout: float | None,
    on_stored: Callable[[Sequence[Score]], None],
    stop: Stop,
) -> list[Picture]:
    """Have pictures judged by the judges that each lacks; return those that are no longer what was judged.

    Args:
        run: the directory, opened.
        shard: index of the shard.
        judges: by name, loaded.
        features: that they give too.
        root: the folder of the pictures.
        pictures: in it.
        waiting: the digest of each, and the names of the judges that it lacks.
        timeout: seconds that a judge may spend on one batch; None for no limit.
        on_stored: called with the scores of a batch.
        stop: ends the work after a batch.
    """
    changed: list[Picture] = []

    def unchanged(read: Iterable[tuple[Picture, Read]]) -> Iterator[tuple[Picture, Read]]:
        for picture, pixels in read:
            if isinstance(pixels, Unreadable) or pixel_digest(pixels) != waiting[picture.key].digest:
                changed.append(picture)
            else:
                yield picture, pixels

    def lacking(picture: Picture) -> tuple[str, ...]:
        return waiting[picture.key].judges

    for names, group in groupby(sorted(pictures, key=lacking), lacking):
        asked = {name: judges[name] for name in names}
        for batch, _ in batches(unchanged(read_ahead(root, group)), BATCH):
            scores = judge(batch, asked, timeout=timeout)
            features.store(features.rows(scores))
            run.write_scores(shard, scores, later=names)
            on_stored(scores)
            if stop.reason:
                return changed
    return changed
