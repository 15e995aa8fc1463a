"""What is tried at the run's own shape before it is chosen: rows, kinds of attention, layouts, and compiled code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch

import sld
from eval.base.errors import InputError
from eval.generate.background import DEPTH
from eval.generate.pace import two_calls
from eval.plan.batches import most_units
from eval.plan.plan import Plan
from sld.decoding import LARGEST_CHUNK, decode_images, pictures_per_chunk
from sld.errors import first_line
from sld.models import LoadedModel
from sld.tuning import Tuning, fastest_attention, largest_batch, median_seconds, out_of_memory

log = logging.getLogger(__name__)
T = TypeVar("T")

ROWS = 32  # which keep a GPU busy, so that more would show nothing else


def try_rows(model: LoadedModel, plan: Plan) -> int:
    """Return the largest batch size for which the denoiser, a chunk of the decoder and waiting pictures fit."""
    # The most memory of any call: each method on a trajectory of its own.
    methods = [_without_warm_up(method) for method in plan.methods]
    height, width = plan.usual_size
    return largest_batch(
        lambda rows: two_calls(model, plan, methods, rows),
        model.device,
        fixed=lambda: _decode(model, plan, LARGEST_CHUNK),
        row_bytes=(DEPTH + 2) * len(methods) * height * width * 3,
    )


def try_attention(model: LoadedModel, plan: Plan, batch_size: int, names: Sequence[str]) -> str:
    """Return which of the named kinds of attention is the fastest, "default" if none works."""

    def fastest(rows: int) -> str:
        return fastest_attention(partial(_run, model, plan, rows), model.device, names) or "default"

    return _with_memory(fastest, min(batch_size, ROWS), otherwise="default")


def try_channels_last(model: LoadedModel, plan: Plan, tuning: Tuning, batch_size: int) -> bool:
    """Return whether weights in channels-last make calls faster."""

    def is_faster(rows: int) -> bool:
        seconds = {}
        for layout in (False, True):
            model.tune(replace(tuning, channels_last=layout))
            seconds[layout] = median_seconds(partial(_run, model, plan, rows), model.device)
        return seconds[True] < seconds[False]

    return _with_memory(is_faster, min(batch_size, ROWS), otherwise=False)


def try_compiling(model: LoadedModel, plan: Plan, plain: Tuning, tuning: Tuning, batch_size: int) -> bool:
    """Return whether compiling works here, since its requirements differ between machines, and makes calls faster.

    Args:
        model: on its device.
        plan: of the run.
        plain: without compiling.
        tuning: with what is compiled.
        batch_size: rows of a call, for which the code is.
    """

    def run() -> None:
        _run(model, plan, batch_size)
        _decode(model, plan, batch_size)

    before = None
    try:
        model.tune(plain)
        before = median_seconds(run, model.device)
        model.tune(tuning, *plan.usual_size)
        after = median_seconds(run, model.device)
    except Exception as error:  # compilers and what they make fail in many ways, and the run can do without
        if out_of_memory(error):
            return True  # the batch is too large, and drawing will halve it
        if before is None:
            raise
        if isinstance(error, InputError | sld.InputError):
            log.warning("%s Continuing without it.", error)
        else:
            log.warning("Compiled code fails here (%s): continuing without it.", first_line(error))
        return False
    if after >= before:
        log.warning("Compiled code takes %.2f times as long here: continuing without it.", after / before)
    return after < before


def compile_now(model: LoadedModel, plan: Plan, tuning: Tuning, batch_size: int) -> None:
    """Make the calls at which what a tuning compiles is compiled, or found on the disk.

    Args:
        model: on its device, so tuned.
        plan: of the run.
        tuning: with what is compiled.
        batch_size: rows of a call; halved as drawing will halve them, so that the code for what fits is compiled too.
    """

    def run(rows: int) -> None:
        _run(model, plan, rows)
        if tuning.compiled_decoder:
            _decode(model, plan, rows)

    _with_memory(run, batch_size, otherwise=None)


def _without_warm_up(method: sld.Method) -> sld.Method:
    if method.safety is None:
        return method
    # A known method's name is for its own preset alone.
    return replace(method, name=f"{method.name}_without_warm_up", preset=replace(method.safety, warmup_steps=0))


def _run(model: LoadedModel, plan: Plan, rows: int) -> None:
    prompts = most_units(rows)  # of two evaluations each, so that a step is one call
    two_calls(model, plan, [sld.METHODS["baseline"]], rows, prompts)


def _decode(model: LoadedModel, plan: Plan, rows: int) -> None:
    height, width = plan.usual_size
    chunk = pictures_per_chunk(rows, height, width)
    decode_images(model, torch.zeros(chunk, *model.latent_shape(height, width), device=model.device), chunk)


def _with_memory(trial: Callable[[int], T], rows: int, otherwise: T) -> T:
    """Return the result of a trial with as many rows as there is memory for: drawing will halve a batch just so."""
    while rows:
        try:
            return trial(rows)
        except Exception as error:
            if not out_of_memory(error):
                raise
        rows //= 2
    return otherwise
