"""The run directory: whether it is of this run, what is left to do, and room on the disk."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import sld
from eval.base.errors import InputError, first_of
from eval.base.quoting import shell_override
from eval.config.settings import Settings
from eval.doctor.check import MISSING, OK, WARNING, Check
from eval.doctor.files import size_in_words
from eval.folder.open import Picture
from eval.plan.plan import Plan
from eval.plan.same_run import check_rerun, check_weights, other_files, other_versions
from eval.store.pictures import check_unchanged
from eval.store.rundir import RunDir

PNG_BYTES = 1.6  # a pixel, of a photograph as this project writes it: 235,150 pictures of 512×512 are some 100 GB
SCORE_BYTES = 400  # an image, detections included
Done = Callable[[], set[tuple[str, int, int]]]  # (method, row, image) of what need not be made again


def run_directory(settings: Settings, plan: Plan, done: Done, weights: Callable[[], dict[str, str] | None]) -> Check:
    """Whether the run directory is new, goes on, or holds another run, by weights too where these are read."""
    run = RunDir(settings.out)
    elsewhere, found = shell_override("out", _free_name(run.root)), {}
    try:
        manifest = check_rerun(run, settings, plan)
        run.check_writable()
        if manifest is not None and (found := weights()):
            check_weights(run, manifest, found)
        if manifest is not None and plan.folder is not None:
            check_unchanged(run, plan.folder, done())
    except (InputError, sld.InputError) as error:
        return Check("run directory", MISSING, str(error), elsewhere)
    if manifest is None:
        return Check("run directory", OK, f"{run.root}: new")
    total, left = len(plan.units()) * len(plan.methods), images_left(plan, done)
    if plan.folder is not None:
        return Check("run directory", OK, f"{run.root}: resumes, {left:,} pictures are left to judge")
    said = f"{run.root}: resumes, {total - left:,} of {total:,} images are done"
    if found is None:
        said += "; its weights are not read here (digests=true compares them)"
    if changed := other_versions(run, manifest):
        said += f"; it resumes with other versions, which its report will list: {first_of(changed)}"
        return Check("run directory", WARNING, said, f"the versions of that run, or {elsewhere}")
    if other := list(other_files(manifest, settings, weights=found is None)):
        said += f"; a run compares the files by their digests, for {first_of(other)}"
        return Check("run directory", WARNING, said, f"the names of that run, or {elsewhere}")
    return Check("run directory", OK, said)


def _free_name(root: Path) -> str:
    with contextlib.suppress(OSError):  # a name that is too long, say
        return next(name for n in range(2, 1000) if not Path(name := f"{root}-{n}").exists())
    return "FOLDER"


def images_left(plan: Plan, done: Done) -> int:
    """How many images this run or shard has yet to make, or pictures of a folder to judge."""
    if plan.folder is not None:
        return len(pictures_left(plan, done))
    return len(plan.missing(done())) * len(plan.methods)


def pictures_left(plan: Plan, done: Done) -> list[Picture]:
    """The pictures of a folder that this run or shard has yet to judge."""
    judged, ours = done(), {(unit.prompt.row, unit.image) for unit in plan.units()}
    return [one for one in plan.folder.pictures if one.key not in judged and (one.row, one.image) in ours]


def disk(settings: Settings, plan: Plan, done: Done) -> Check:
    """Free space where the run directory is, against what the images and scores that are left will take."""
    run = RunDir(settings.out)
    left = images_left(plan, done)
    place = next(p for p in [run.root.absolute(), *run.root.absolute().parents] if p.exists())
    free = shutil.disk_usage(place).free
    if not left:
        return Check("disk", OK, f"{size_in_words(free)} free at {place}; nothing is left to store but the report")
    kept, how = _kept(settings, plan, left)
    height, width = plan.usual_size
    here = [path.stat().st_size for path in islice(run.root.glob("images/*/*.png"), 200)]
    each = sum(here) / len(here) if here else PNG_BYTES * height * width
    source = "like those already stored" if here else "estimated"
    need = kept * each + left * SCORE_BYTES
    said = (
        f"{size_in_words(free)} free at {place}, about {size_in_words(need)} needed: {kept:,.0f} pictures ({how}) of "
        f"{size_in_words(each)} ({source}), scores of {left:,}"
    )
    if need > free:
        return Check("disk", MISSING, said, "images=sample   or out=FOLDER on a larger disk")
    return Check("disk", OK, said)


def _kept(settings: Settings, plan: Plan, left: int) -> tuple[float, str]:
    if settings.images == "none" or settings.model.kind == "published":
        return 0, "images=none"
    if settings.images == "sample":
        return min(left, min(settings.images_sample, len(plan.prompts)) * len(plan.methods)), "images=sample"
    return left, "images=all" if settings.images == "all" else "images=flagged, at most"
