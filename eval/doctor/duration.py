"""How long a run will take: a few denoiser calls and a batch of the judges, timed, times what a run needs of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import numpy as np
import torch

import sld
from eval.base.errors import Unreadable
from eval.base.pictures import encode_png, read_picture
from eval.base.words import duration
from eval.config.settings import AUTO, Settings, judge_settings
from eval.config.sources import SOURCES
from eval.doctor.check import MISSING, OK, SKIPPED, WARNING, Check
from eval.doctor.run_directory import Done
from eval.generate.engine import two_calls
from eval.generate.models import load_judges, load_model
from eval.generate.pool import count_workers
from eval.judges.inputs import shape_fault
from eval.plan.memory import filled_batch, fitting_batch
from eval.plan.plan import FolderPlan, Plan
from eval.report.description.facts import replacements
from eval.store.records import ModelRecord
from sld.decoding import decode_images
from sld.models import LoadedModel
from sld.stepping import start
from sld.trajectories import count_evaluations
from sld.tuning import out_of_memory

LONGEST = 60.0  # seconds that loading and measuring may take
CALL = 5.0  # seconds that a denoiser call may take to be measured with a full batch
GPU_BATCH = 8  # where the run would find its own
FOLDER_BATCH = 8  # pictures made elsewhere that are read and judged


def measured(settings: Settings, plan: Plan, done: Done) -> list[Check]:
    """The time that the run, or what is left of it, will take; measured within `LONGEST`, or not at all.

    With it what loading says of the model's weights, where it is loaded.
    """
    source = SOURCES[settings.model.kind]
    if not source.judged:
        return [Check("time", SKIPPED, "seconds: nothing is drawn")]
    if not plan.count_to_make(done()):
        return [Check("time", SKIPPED, "nothing is left to do but the report")]
    look = _measure_folder if source.folder else _measure_drawn
    answer: list[list[Check] | Exception] = []

    def measure() -> None:
        try:
            answer.append(look(settings, plan, done))
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=measure, daemon=True)
    thread.start()
    thread.join(LONGEST)
    if not answer:
        said = f"not measured: loading and a few calls take more than {LONGEST:.0f} seconds here"
        return [Check("time", WARNING, said, "measure=false   or a GPU")]
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def _measure_drawn(settings: Settings, plan: Plan, done: Done) -> list[Check]:
    began = time.perf_counter()
    judges = load_judges(judge_settings(settings), settings.device)
    try:
        model, description = load_model(settings.model, plan.protocol, settings.device, settings.dtype)
    except sld.InputError as error:
        return [Check("time", SKIPPED, "not measured: it needs the model"), Check("weights", MISSING, str(error))]
    loading = time.perf_counter() - began
    gpu = model.device.type != "cpu"
    evaluation, rows, pictures = _denoiser(model, settings.batch_size, plan)
    decoding = _timed(model, lambda: decode_images(model, pictures, len(pictures))) / len(pictures)
    pixels = decode_images(model, pictures, len(pictures))[0].cpu().numpy()
    shown = np.concatenate([pixels] * (32 if gpu else 4))[: 32 if gpu else 4]
    judging = sum(_timed(model, lambda one=one: one.judge(shown)) for one in judges.values()) / len(shown)
    judging += _timed(model, lambda: encode_png(shown[0])) if settings.images != "none" else 0.0

    protocol, methods = plan.protocol, len(plan.methods)
    calls = len(start(model.scheduler, protocol.steps).timesteps)
    evaluations = count_evaluations(plan.methods, calls, protocol.reuse)
    drawing, judged = evaluations * evaluation + methods * decoding, methods * judging
    beside = gpu if settings.engine.background == AUTO else settings.engine.background
    each = max(drawing, judged) if beside else drawing + judged
    left, workers = plan.count_to_make(done()), count_workers(settings.workers, settings.device)
    total = left / methods * each / workers + loading
    height, width = plan.usual_size
    told = Check(
        "time",
        OK,
        f"about {duration(total)} for {left:,} images: {evaluations} denoiser evaluations of {1e3 * evaluation:.3g} ms "
        f"for {methods} pictures of {height}×{width}, {1e3 * decoding:.3g} ms to decode and {1e3 * judging:.3g} ms to "
        f"judge and write each, {loading:.0f} s to load; measured on {model.device} with {rows} rows a call, untuned"
        + (f", shared by {workers} processes" if workers > 1 else ""),
    )
    finite = f"all are numbers, in {description['dtype']} too"
    return [told, Check("weights", OK, "; ".join([finite, *replacements(ModelRecord(description))]))]


def _measure_folder(settings: Settings, plan: FolderPlan, done: Done) -> list[Check]:
    """Of pictures made elsewhere: some that are left are read and judged as the run will."""
    left = plan.pictures_left(done())
    began = time.perf_counter()
    judges = load_judges(judge_settings(settings), settings.device)
    loading = time.perf_counter() - began
    began, shown = time.perf_counter(), []
    for picture in left[:FOLDER_BATCH]:
        with contextlib.suppress(Unreadable):  # the run counts them
            shown.append(read_picture(plan.folder.root / picture.path))
    shown = [pixels for pixels in shown if shape_fault(pixels.shape) is None]
    alike = [pixels for pixels in shown if pixels.shape == shown[0].shape]
    if not alike:
        unusable = f"not measured: of {len(left):,} pictures left none of the first can be judged"
        return [Check("time", SKIPPED, unusable)]
    for one in judges.values():
        one.judge(np.stack(alike))
    each = (time.perf_counter() - began) / len(alike)
    height, width = alike[0].shape[:2]
    measured_time = (
        f"about {duration(each * len(left) + loading)} for {len(left):,} pictures: {1e3 * each:.3g} ms to read and "
        f"judge each, {loading:.0f} s to load; measured on {len(alike)} of {height}×{width}"
    )
    return [Check("time", OK, measured_time)]


def _denoiser(model: LoadedModel, batch_size: int | str, plan: Plan) -> tuple[float, int, torch.Tensor]:
    """Seconds an evaluation, the rows of a call that was measured, and latents (B, C, h, w) to decode."""
    full = GPU_BATCH if batch_size == AUTO else batch_size
    full = fitting_batch(model, plan, filled_batch(plan, full))
    _, first = _sample(model, plan, 1)  # whatever is done once, compiling of kernels say
    made, seconds = _timed_sample(model, plan, 1)
    per_call = seconds / made * full
    if full == 1 or per_call > CALL:
        return seconds / made, 1, first
    try:
        _sample(model, plan, full)
        made, seconds = _timed_sample(model, plan, full)
    except Exception as error:
        if not out_of_memory(error):
            raise
        return seconds / made, 1, first
    return seconds / made, full, first


def _timed_sample(model: LoadedModel, plan: Plan, rows: int) -> tuple[float, float]:
    made: list[float] = []
    seconds = _timed(model, lambda: made.append(_sample(model, plan, rows)[0]))
    return made[0], seconds


def _sample(model: LoadedModel, plan: Plan, rows: int) -> tuple[float, torch.Tensor]:
    """Denoiser evaluations of two steps of the baseline, and the first latents."""
    result = two_calls(model, plan, [sld.METHODS["baseline"]], rows)
    return result.evaluations * rows, result.latents["baseline"][:1]


def _timed(model: LoadedModel, call: Callable[[], object]) -> float:
    """Seconds that a call takes, with all that it left to the device."""
    began = time.perf_counter()
    call()
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    return time.perf_counter() - began
