"""The run directory: whether it is of this run, what is left to do, and room on the disk."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import sld
from eval.base.errors import InputError
from eval.base.image_key import ImageKey
from eval.base.quoting import shell_override
from eval.base.words import first_clauses, size
from eval.config.settings import Settings
from eval.doctor.check import MISSING, OK, WARNING, Check
from eval.plan.plan import Plan
from eval.plan.same_run import check_rerun, check_weights, other_files, other_versions
from eval.store.rundir import RunDir

PNG_BYTES = 1.6  # a pixel, of a photograph as this project writes it: 235,150 pictures of 512×512 are some 100 GB
SCORE_BYTES = 400  # an image, detections included
Done = Callable[[], set[ImageKey]]  # what need not be made again


def run_directory(settings: Settings, plan: Plan, done: Done, weights: Callable[[], dict[str, str] | None]) -> Check:
    """Whether the run directory is new, goes on, or holds another run, by weights too where these are read."""
    run = RunDir(settings.out)
    elsewhere, found = shell_override("out", _free_name(run.root)), {}
    try:
        manifest = check_rerun(run, settings, plan)
        run.check_writable()
        if manifest is not None and (found := weights()):
            check_weights(run, manifest, found)
        if manifest is not None:
            plan.check_pictures(run, done())
    except (InputError, sld.InputError) as error:
        return Check("run directory", MISSING, str(error), elsewhere)
    if manifest is None:
        return Check("run directory", OK, f"{run.root}: new")
    total, left = len(plan.shard_images), plan.shard_images.missing(done())
    said = f"{run.root}: resumes, {total - len(left):,} of {total:,} images are done"
    if found is None:
        said += "; its weights are not read here (digests=true compares them)"
    if changed := other_versions(run, manifest):
        said += f"; it resumes with other versions, which its report will list: {first_clauses(changed)}"
        return Check("run directory", WARNING, said, f"the versions of that run, or {elsewhere}")
    if other := list(other_files(manifest, settings, weights=found is None)):
        said += f"; a run compares the files by their digests, for {first_clauses(other)}"
        return Check("run directory", WARNING, said, f"the names of that run, or {elsewhere}")
    return Check("run directory", OK, said)


def _free_name(root: Path) -> str:
    with contextlib.suppress(OSError):  # a name that is too long, say
        return next(name for n in range(2, 1000) if not Path(name := f"{root}-{n}").exists())
    return "FOLDER"


def disk(run: RunDir, plan: Plan, done: Done, images: str, sample: int) -> Check:
    """Free space where the run directory is, against what the images and scores that are left will take.

    Args:
        run: the directory.
        plan: of the run.
        done: what is done.
        images: which pictures are kept: all, sample, flagged or none.
        sample: of how many prompts a sample is.
    """
    left = plan.count_to_make(done())
    place = next(p for p in [run.root.absolute(), *run.root.absolute().parents] if p.exists())
    free = shutil.disk_usage(place).free
    if not left:
        return Check("disk", OK, f"{size(free)} free at {place}; nothing is left to store but the report")
    kept, how = _kept(images, sample, plan, left)
    height, width = plan.usual_size
    here = [path.stat().st_size for path in islice(run.root.glob("images/*/*.png"), 200)]
    each = sum(here) / len(here) if here else PNG_BYTES * height * width
    source = "like those already stored" if here else "estimated"
    need = kept * each + left * SCORE_BYTES
    said = (
        f"{size(free)} free at {place}, about {size(need)} needed: {kept:,.0f} pictures ({how}) of "
        f"{size(each)} ({source}), scores of {left:,}"
    )
    if need > free:
        return Check("disk", MISSING, said, "images=sample   or out=FOLDER on a larger disk")
    return Check("disk", OK, said)


def _kept(images: str, sample: int, plan: Plan, left: int) -> tuple[int, str]:
    """How many pictures will be kept, and by which choice."""
    if images == "none":
        return 0, "images=none"
    if images == "sample":
        return min(left, min(sample, len(plan.prompts)) * len(plan.methods)), "images=sample"
    return left, "images=all" if images == "all" else "images=flagged, at most"
