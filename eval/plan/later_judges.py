"""The pictures of a run that a judge which was added later has yet to judge, and whether they are still there."""

from __future__ import annotations

from collections.abc import Collection

from eval.base.errors import InputError
from eval.base.image_key import ImageKey
from eval.base.words import first_of
from eval.config.settings import Settings
from eval.plan.plan import Plan
from eval.store.manifest import Manifest
from eval.store.merged import StoredScores, Unjudged
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed


def pictures_to_judge(
    stored: Manifest | None, scores: StoredScores, judges: Collection[str]
) -> dict[ImageKey, Unjudged]:
    """Return the pictures that some of a run's judges have not judged, as they are drawn.

    Args:
        stored: the manifest of the run; None before it has begun.
        scores: of the run.
        judges: the names of those that are to judge, all of the run's or more.
    """
    waiting = dict(scores.unjudged)
    new = tuple(name for name in judges if name not in stored.identity.judges) if stored else ()
    if new:
        waiting = {key: Unjudged(each.digest, (*each.judges, *new)) for key, each in waiting.items()}
        for key, state, digest in keyed(scores.table, "state", "digest"):
            if state == OK and key not in waiting:
                waiting[key] = Unjudged(digest, new)
    return waiting


def gone_pictures(run: RunDir, waiting: Collection[ImageKey]) -> list[ImageKey]:
    """Return those of a run's own pictures that are not kept."""
    return [key for key in sorted(waiting) if not run.image_path(*key).is_file()]


def check_kept(run: RunDir, stored: Manifest, settings: Settings, plan: Plan) -> None:
    """Refuse to add a judge to a run without all pictures that it is to judge, unless these may be drawn again.

    Raises:
        InputError: some are not there; nothing has been drawn.
    """
    added = set(settings.judges) - set(stored.identity.judges) or any(growth.judges for growth in stored.history)
    if not added or settings.verify or plan.describe_source() is not None:  # a folder's are looked at with its others
        return
    waiting = pictures_to_judge(stored, run.read_stored(), settings.judges)
    waiting = {key: each for key, each in waiting.items() if key in plan.images}
    if gone := gone_pictures(run, waiting):
        names = sorted({name for key in gone for name in waiting[key].judges})
        raise InputError(
            f"{run.root} must have kept every picture that {' and '.join(names)} is to judge now, found "
            f"{len(gone):,} of {len(waiting):,} gone ({first_of(map(str, gone), 3)}): put them back, have them drawn "
            "again, and judged by all, with verify=true, or set out= to a new folder"
        )
