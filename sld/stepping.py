"""A scheduler in a run: its start, after a dry pass that finds what steps would raise or ruin later, and its steps."""

import copy
import functools
import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sld.errors import InputError, counted, first_line
from sld.schedulers import NAMES, numpy_2_quiet, parameters

_OF_A_PIPELINE = ("set_timesteps", "step")
# Not named in a sentence: they belong to the model, and are long.
_NOT_NAMED = {"beta_start", "beta_end", "trained_betas", "num_train_timesteps", "prediction_type"}

# Any other scheduler is assumed to draw noise at its steps, so an unknown one asks for seeds rather than ignoring them.
_DETERMINISTIC = {
    "DDIMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
}


def start(scheduler, steps: int, **shift: float):
    """Return a copy of the scheduler at the start of a run of `steps` steps.

    A pass over all steps with one latent checks that they work: milliseconds for 50 steps, but 0.2 s with LMS, which
    integrates its coefficients numerically. It runs once per configuration and number of steps.

    Args:
        scheduler: of diffusers.
        steps: of denoising.
        shift: `mu` for a scheduler whose schedule is shifted by the size of the picture.

    Raises:
        InputError: the scheduler cannot take all steps.
    """
    longest = scheduler.config.get("num_train_timesteps", steps)
    if steps > longest:
        raise InputError(f"steps must be at most {longest}, found {steps}: take fewer steps")
    lacking = [name for name in _OF_A_PIPELINE if not hasattr(scheduler, name)]
    if lacking:
        raise InputError(
            f"the scheduler must be one that steps latents, found {type(scheduler).__name__}, which has no "
            f"{lacking[0]}: choose another scheduler or checkpoint"
        )
    is_stochastic(scheduler)
    kind = _Kind(type(scheduler), scheduler.to_json_string(), tuple(shift.items()), scheduler)
    if error := _dry_pass(kind, steps):
        possible = _largest_possible(kind, steps)
        raise InputError(
            f"steps must be a number that {_in_words(scheduler)} can take, found {steps}, at which {error}: "
            + (f"take at most {counted(possible, 'step')}, or " if possible else "")
            + f"name another scheduler ({', '.join(NAMES)})"
        )
    return _begun(scheduler, steps, shift)


def check_steps(scheduler, steps: int) -> None:
    """Raise `InputError` unless the scheduler can take so many steps, whatever the size of the pictures."""
    dynamic = scheduler.config.get("use_dynamic_shifting")
    start(scheduler, steps, **({"mu": scheduler.config.get("base_shift", 0.5)} if dynamic else {}))


@dataclass(frozen=True)
class _Kind:
    """A scheduler, equal to any other of its class and configuration."""

    cls: type
    config: str
    shift: tuple[tuple[str, float], ...]
    scheduler: Any = field(compare=False)


def _begun(scheduler, steps: int, shift: Mapping[str, float]):
    scheduler = copy.deepcopy(scheduler)
    # On the host, like the scheduler's tables: a timestep on the device would make every step wait for the device.
    with numpy_2_quiet():
        scheduler.set_timesteps(steps, **shift)
    return scheduler


@functools.lru_cache(maxsize=64)
def _dry_pass(kind: _Kind, steps: int) -> str | None:
    """Return what goes wrong in a run of `steps` steps, as a clause; None if nothing does."""
    try:
        scheduler = _begun(kind.scheduler, steps, dict(kind.shift))
        generators = [torch.Generator().manual_seed(0)] if is_stochastic(scheduler) else None
        # Different numbers, or a difference that a scheduler divides and clips could be 0 / 0 here alone.
        latents, prediction = torch.ones(1, 4, 1, 1) * initial_scale(scheduler), torch.full((1, 4, 1, 1), 0.5)
        for timestep in scheduler.timesteps:
            scaled(scheduler, latents, timestep)
            latents = step(scheduler, prediction, timestep, latents, generators)
            if not torch.isfinite(latents).all():
                return f"its step from timestep {float(timestep):g} gives NaN or infinity, whatever the picture"
    except Exception as error:  # each scheduler fails in its own way
        message = f": {first_line(error)}" if str(error) else ""
        return f"it fails ({type(error).__name__}{message})"
    return None


def _largest_possible(kind: _Kind, steps: int) -> int | None:
    """Return the largest possible number below `steps`, by bisection; None if it is less than half of them."""
    works, fails = steps // 2, steps
    if works < 1 or _dry_pass(kind, works):
        return None
    while fails - works > 1:
        # One less is the usual answer, so it is tried first.
        between = fails - 1 if fails == steps else (works + fails) // 2
        works, fails = (works, between) if _dry_pass(kind, between) else (between, fails)
    return works


def _in_words(scheduler) -> str:
    """Return its class, with the settings that differ from the class's defaults or determine the timesteps."""
    config = scheduler.config
    settings = [
        f"{name} {config[name]}"
        for name, default in parameters(type(scheduler)).items()
        if name in config and name not in _NOT_NAMED and (config[name] != default or name == "timestep_spacing")
    ]
    return f"{type(scheduler).__name__} ({', '.join(settings)})" if settings else type(scheduler).__name__


def is_stochastic(scheduler) -> bool:
    """Return whether the scheduler's steps draw noise.

    Raises:
        InputError: they do, and no generator could make that reproducible.
    """
    sde = str(scheduler.config.get("algorithm_type", "")).startswith("sde")
    sde = sde or bool(scheduler.config.get("stochastic_sampling"))
    if type(scheduler).__name__ in _DETERMINISTIC and not sde:
        return False
    if "generator" not in inspect.signature(scheduler.step).parameters:
        raise InputError(
            f"the scheduler must be deterministic or take a generator, found {type(scheduler).__name__}, whose steps "
            f"cannot be reproduced: choose one of {', '.join(NAMES)}"
        )
    return True


def scaled(scheduler, latents: Tensor, timestep: Tensor) -> Tensor:
    """Return latents as the network takes them at a timestep; flow schedulers leave them as they are."""
    return scheduler.scale_model_input(latents, timestep) if hasattr(scheduler, "scale_model_input") else latents


def initial_scale(scheduler) -> Any:
    """Return by what unit normal noise is multiplied to become the first latents; 1 for flow schedulers."""
    return getattr(scheduler, "init_noise_sigma", 1.0)


def step(scheduler, prediction: Tensor, timestep: Tensor, latents: Tensor, generators: list | None) -> Tensor:
    """Return the latents after one scheduler step, in their dtype.

    The step is diffusers' own, including its loss of precision: Euler and DPM++ round the latents to float32 first.

    Args:
        scheduler: changed by the step.
        prediction: (B, C, h, w), guided.
        timestep: () on the host.
        latents: (B, C, h, w).
        generators: one per row for a stochastic scheduler, otherwise None.
    """
    noise = {} if generators is None else {"generator": generators}
    return scheduler.step(prediction, timestep, latents, **noise, return_dict=False)[0]


def describe(scheduler: Any) -> dict[str, Any]:
    """Return a manifest's entries about a scheduler, as JSON values: its class and its configuration."""
    config = json.loads(scheduler.to_json_string())
    # Names with an underscore are diffusers' own bookkeeping, its version among them.
    own = {key: _json(value) for key, value in config.items() if not key.startswith("_")}
    return {"scheduler": type(scheduler).__name__, "scheduler_config": own}


def _json(value: Any) -> Any:
    """Return a value for JSON, which has no infinity, unlike DPM++'s `lambda_min_clipped`."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
