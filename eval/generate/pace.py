"""How fast the denoiser is here, tried at the run's own shape, and how many units are drawn at a time by it."""

from __future__ import annotations

from collections.abc import Sequence

import sld
from eval.config.keys import MODEL, as_keys
from eval.plan.batches import Work, calls_per_picture, most_units
from eval.plan.plan import Plan
from sld.models import LoadedModel, Model
from sld.tuning import out_of_memory, seconds_of


@as_keys(MODEL)
def two_calls(
    model: Model, plan: Plan, methods: Sequence[sld.Method], rows: int, prompts: int | None = None
) -> sld.Result:
    """Make two steps with full calls of the denoiser, to measure their memory and time.

    Args:
        model: on its device.
        plan: of the run, whose usual picture size is drawn.
        methods: drawn together.
        rows: of a call.
        prompts: as many as there are rows by default.
    """
    height, width = plan.usual_size
    prompts = prompts or rows
    return sld.sample(
        model,
        [""] * prompts,
        methods,
        steps=2,
        height=height,
        width=width,
        seeds=range(prompts),
        batch_size=rows,
        decode=False,
    )


def measured_units(model: LoadedModel, plan: Plan, batch_size: int, compiled: bool) -> int:
    """Return how many units are drawn at a time, by the time of a denoiser call on this device.

    Args:
        model: on its device, tuned.
        plan: of the run.
        batch_size: rows of a call.
        compiled: whether the first call compiles.
    """
    work = Work(plan, calls_per_picture(model, plan))
    return work.units_per_batch(batch_size, _seconds_per_call(model, plan, batch_size, compiled))


def _seconds_per_call(model: LoadedModel, plan: Plan, batch_size: int, compiled: bool) -> float | None:
    """Return how long a full call of the denoiser takes; None where it does not fit, so that drawing will halve it."""
    prompts, evaluations = most_units(batch_size), 0

    def run() -> None:
        nonlocal evaluations
        evaluations = two_calls(model, plan, [sld.METHODS["baseline"]], batch_size, prompts).evaluations

    try:
        if model.device.type == "cuda" or compiled:
            run()  # compiles, and loads kernels
        seconds = seconds_of(run, model.device)
    except Exception as error:
        if not out_of_memory(error):
            raise
        return None
    # Of two evaluations per prompt, as many calls at each step as hold all prompts.
    return seconds / (evaluations / 2 * -(-2 * prompts // batch_size))
