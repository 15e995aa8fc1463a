"""Judging the pictures of a folder in place of a model's (`model=images`), without copying them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import sld
from eval.base.errors import Unreadable
from eval.base.image_key import ImageKey
from eval.base.signals import Stop
from eval.config.settings import AUTO, Settings, judge_settings
from eval.folder.open import Folder, Picture
from eval.generate.arithmetic import same_arithmetic
from eval.generate.inline_features import InlineFeatures, needs_clip
from eval.generate.judge import judge
from eval.generate.judge_later import judge_again
from eval.generate.models import load_judges
from eval.generate.progress import Progress
from eval.generate.reading import BATCH, Read, batches, read_ahead
from eval.judges import described
from eval.plan.plan import FolderPlan
from eval.plan.record import make_manifest
from eval.plan.same_run import open_run
from eval.store.pictures import changed_since, write_pictures
from eval.store.rundir import RunDir
from eval.store.scores import NEVER, UNREADABLE, keyed, pixel_digest


def make_missing(run: RunDir, plan: FolderPlan, settings: Settings, methods: Sequence[sld.Method] = ()) -> None:
    """Open the run; judge and store the pictures of this shard that are not scored yet (`eval.generate.sources`).

    Raises:
        InputError: the directory holds another run, or a picture that was judged is missing or changed.
        StorageError, JudgeError: the disk or a judge failed; everything stored before is complete.
        Stopped: a signal arrived; the current batch has been stored.
    """
    folder = plan.folder
    judges = load_judges(judge_settings(settings), settings.device, with_text=needs_clip(settings.quality))
    features = InlineFeatures.of_run(run, plan, settings, judges)
    open_run(run, make_manifest(settings, plan, plan.describe_source(), described(judges)), plan)
    scored = run.read_stored(set_aside=True)
    done, waiting = scored.drawn, scored.unjudged
    plan.check_pictures(run, done)
    pictures = plan.pictures()
    if settings.verify:
        _verify(run, folder, [picture for picture in pictures if picture.key in scored.done])
    write_pictures(run, folder)
    remaining, later = plan.pictures_left(done), [picture for picture in pictures if picture.key in waiting]
    read = _changed(read_ahead(folder.root, remaining), _hopeless_reasons(run))
    size, timeout = BATCH if settings.batch_size == AUTO else settings.batch_size, settings.judge_timeout
    with (
        Progress(len(pictures), len(remaining) + len(later)) as progress,
        Stop() as stop,
        same_arithmetic(settings.device),
    ):
        changed = judge_again(
            run, plan.shard_index, judges, features, folder.root, later, waiting, timeout, progress.stored, stop
        )
        stop.check()
        if changed:
            raise changed_since(run, folder, [picture.path for picture in changed])
        for batch, unreadable in batches(read, size):
            scores = [*unreadable, *judge(batch, judges, timeout=timeout)]
            features.store(features.rows(scores))
            run.write_scores(plan.shard_index, scores)
            progress.stored(scores)
            if stop.reason:
                break
        stop.check()


def _hopeless_reasons(run: RunDir) -> dict[ImageKey, str]:
    """Return the errors of unreadable pictures, and the digests of those that no judge can take."""
    return {
        key: error if state == UNREADABLE else digest
        for key, state, error, digest in keyed(run.read_scores(), "state", "error", "digest")
        if state == UNREADABLE or NEVER in (error or "")
    }


def _changed(read: Iterable[tuple[Picture, Read]], earlier: Mapping[ImageKey, str]) -> Iterator[tuple[Picture, Read]]:
    """Yield the pictures that are not as in `earlier`; the score of an unchanged one would be the same."""
    for picture, pixels in read:
        current = (
            str(pixels) if isinstance(pixels, Unreadable) else pixel_digest(pixels) if picture.key in earlier else None
        )
        if picture.key not in earlier or earlier[picture.key] != current:
            yield picture, pixels


def _verify(run: RunDir, folder: Folder, pictures: Sequence[Picture]) -> None:
    """Read the judged pictures again, and refuse changed pixels."""
    digests = dict(keyed(run.read_scores(), "digest"))
    changed = [
        picture.path
        for picture, pixels in read_ahead(folder.root, pictures)
        if isinstance(pixels, Unreadable) or pixel_digest(pixels) != digests[picture.key]
    ]
    if changed:
        raise changed_since(run, folder, changed)
