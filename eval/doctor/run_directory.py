"""The run directory: whether it is this run's, what remains to be done, and room on the disk."""

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
from eval.base.words import counted, counted_of, first_clauses, size
from eval.config.settings import Settings
from eval.doctor.check import MISSING, OK, WARNING, Check
from eval.plan.later_judges import pictures_to_judge
from eval.plan.plan import Plan
from eval.plan.same_groups import ignored_column
from eval.plan.same_run import changed_files, changed_versions, check_rerun, check_weights
from eval.store.manifest import Manifest
from eval.store.prompts import read_run_prompts
from eval.store.rundir import RunDir

PNG_BYTES = 1.6  # per pixel of a photograph as this project writes it: 235,150 pictures of 512×512 are some 100 GB
SCORE_BYTES = 400  # per image, detections included
Done = Callable[[], set[ImageKey]]  # returns what need not be made again


def run_directory(settings: Settings, plan: Plan, done: Done, weights: Callable[[], dict[str, str] | None]) -> Check:
    """Check whether the run directory is new, resumes, or holds another run, by its weights too where they are read."""
    run = RunDir(settings.out)
    elsewhere, digests = shell_override("out", _free_name(run.root)), {}
    try:
        both = check_rerun(run, settings, plan)
        manifest = both and both.stored
        run.check_writable()
        if manifest is not None and (digests := weights()):
            check_weights(run, manifest, digests)
        if manifest is not None:
            plan.check_pictures(run, done())
            has_prompts = both.read_prompts or _has_prompts(run, manifest)
    except (InputError, sld.InputError) as error:
        return Check("run directory", MISSING, str(error), elsewhere)
    if manifest is None:
        return Check("run directory", OK, f"{run.root}: new")
    total, remaining = len(plan.shard_images), plan.shard_images.missing(done())
    finding = f"{run.root}: resumes, {counted_of(total - len(remaining), total, 'image', 'is')} done"
    if both.growth:
        finding += f"; it grows: {both.growth}"
    if waiting := waiting_pictures(run, manifest, settings):
        finding += f"; {counted(waiting, 'kept picture')} to be judged by judges that were added"
    if not has_prompts:
        finding += "; its prompts.jsonl is missing, damaged or of other prompts, and the run writes it again"
    if digests is None:
        finding += "; its weights are not read here (digests=true compares them)"
    if ignored := ignored_column(manifest, plan):
        finding += f"; {ignored}"
    if changed := changed_versions(run, manifest):
        finding += f"; it resumes with other versions, which its report will list: {first_clauses(changed)}"
        return Check("run directory", WARNING, finding, f"the versions of that run, or {elsewhere}")
    if renamed := list(changed_files(manifest, settings, weights=digests is None)):
        finding += f"; a run compares the files by their digests, for {first_clauses(renamed)}"
        return Check("run directory", WARNING, finding, f"the names of that run, or {elsewhere}")
    return Check("run directory", OK, finding)


def _has_prompts(run: RunDir, manifest: Manifest) -> bool:
    """Whether a run's prompts can be read; while another process lets it grow they are in another file."""
    try:
        read_run_prompts(run, manifest)
    except InputError:
        return False
    return True


def waiting_pictures(run: RunDir, manifest: Manifest | None, settings: Settings) -> int:
    """Return how many drawn pictures have yet to be judged by judges that were added to a run."""
    return len(pictures_to_judge(manifest, run.read_stored(), settings.judges)) if manifest else 0


def _free_name(root: Path) -> str:
    with contextlib.suppress(OSError):  # such as a name that is too long
        return next(name for n in range(2, 1000) if not Path(name := f"{root}-{n}").exists())
    return "FOLDER"


def disk(run: RunDir, plan: Plan, done: Done, images: str, sample: int, features: int) -> Check:
    """Check free space on the disk of the run directory against what the remaining images and scores will take.

    Args:
        run: the directory.
        plan: of the run.
        done: returns what is done.
        images: which pictures are kept: all, sample, flagged or none.
        sample: how many prompts a sample has.
        features: bytes of the features of a picture.
    """
    remaining = plan.count_to_make(done())
    place = next(p for p in [run.root.absolute(), *run.root.absolute().parents] if p.exists())
    free = shutil.disk_usage(place).free
    if not remaining:
        return Check("disk", OK, f"{size(free)} free at {place}; nothing is left to store but the report")
    count, choice = _count_kept(images, sample, plan, remaining)
    height, width = plan.usual_size
    sizes = [path.stat().st_size for path in islice(run.root.glob("images/*/*.png"), 200)]
    per_picture = sum(sizes) / len(sizes) if sizes else PNG_BYTES * height * width
    source = "like those already stored" if sizes else "estimated"
    need = count * per_picture + remaining * (SCORE_BYTES + features)
    finding = (
        f"{size(free)} free at {place}, about {size(need)} needed: {counted(count, 'picture')} ({choice}) of "
        f"{size(per_picture)} ({source}), scores{' and features' if features else ''} of {remaining:,}"
    )
    if need > free:
        return Check("disk", MISSING, finding, "images=sample   or out=FOLDER on a larger disk")
    return Check("disk", OK, finding)


def _count_kept(images: str, sample: int, plan: Plan, remaining: int) -> tuple[int, str]:
    """How many pictures will be kept, and by which choice."""
    if images == "none":
        return 0, "images=none"
    if images == "sample":
        return min(remaining, min(sample, len(plan.prompts)) * len(plan.methods)), "images=sample"
    return remaining, "images=all" if images == "all" else "images=flagged, at most"
