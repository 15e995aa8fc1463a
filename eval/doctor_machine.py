"""The machine under a run: its cores, memory, GPUs, inference providers, network, disk, and the run directory there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import sld
from eval.doctor_checks import MISSING, OK, SKIPPED, WARNING, Check
from eval.doctor_files import size_in_words
from eval.errors import InputError, first_of
from eval.folder import Picture
from eval.load import device_of
from eval.memory import GIB, free_memory
from eval.originals import check_unchanged
from eval.plan import Plan
from eval.rerun import check_rerun, check_weights, other_files, other_versions
from eval.rundir import RunDir
from eval.settings import AUTO, Settings
from eval.values import shell_override

PNG_BYTES = 1.6  # a pixel, of a photograph as this project writes it: 235,150 pictures of 512×512 are some 100 GB
SCORE_BYTES = 400  # an image, detections included
Done = Callable[[], set[tuple[str, int, int]]]  # (method, row, image) of what need not be made again


def host() -> Check:
    """Cores and memory that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check("cpu", OK, f"{cores} of {os.cpu_count()} cores usable, {_memory()}")


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "memory unknown"
    with contextlib.suppress(OSError, ValueError):  # of a container; "max" where it has no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    free = free_memory()
    return f"{total / GIB:.0f} GiB memory" + ("" if free is None else f" ({free / GIB:.0f} GiB unused)")


def devices(settings: Settings) -> list[Check]:
    """The GPUs, and the device that the run would take."""
    import torch

    from eval.engine import check_attention
    from eval.workers import count_workers

    checks = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            found = f"{torch.cuda.get_device_name(number)}, {free / GIB:.1f} of {total / GIB:.1f} GiB free"
            checks.append(Check(f"cuda:{number}", OK, found))
    elif Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        found = f"an NVIDIA driver is here, but torch {torch.__version__} finds no GPU"
        checks.append(Check("gpu", WARNING, found, "nvidia-smi; then a torch built for its CUDA: see pytorch.org"))
    if settings.model.kind == "published":
        return [*checks, Check("device", SKIPPED, "none is needed: the dataset's own results are replayed")]
    device = device_of(settings.device)
    check_attention(settings.engine.attention, device)
    count = count_workers(settings)
    said = f"{device}" + (f", {count} processes" if count > 1 else "")
    if device.type == "cpu" and settings.device == AUTO and not checks:
        said += " (no GPU found)"
    return [*checks, Check("device", OK, said)]


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
        return Check("run directory", OK, f"{run.root}: goes on, {left:,} pictures are left to judge")
    said = f"{run.root}: goes on, {total - left:,} of {total:,} images are done"
    if found is None:
        said += "; its weights are not read here (digests=true compares them)"
    if changed := other_versions(run, manifest):
        said += f"; it goes on by other versions, which its report will list: {first_of(changed)}"
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
    source = "as those that are there" if here else "estimated"
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
