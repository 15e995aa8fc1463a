"""The sampler: many prompts, seeds and methods through one denoiser, shared where the mathematics is shared.

At every denoiser call each method is on a trajectory. Methods whose safety guidance does not act yet are on a common
one; a method leaves it at the end of its warm-up with a copy of its state. All evaluations of a call run together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sld import stepping
from sld.decoding import decode_images
from sld.errors import InputError, counted
from sld.evaluation import Evaluator
from sld.methods import Method, resolve_methods
from sld.models import Model
from sld.models.sizes import chosen_size
from sld.noise import checked_seeds, step_generators, unit_noise
from sld.threads import even_threads
from sld.trajectories import Trajectory, common_trajectories, plan_courses


@dataclass(frozen=True, repr=False)
class Result:
    """The result of sampling, by method name.

    Attributes:
        latents: (B, C, h, w) tensors on the model's device, float64 for a float64 model, otherwise float32.
        images: (B, H, W, 3) uint8 arrays; empty without decoding.
        finite: (B,) bool arrays, False if latents or pixels are NaN or infinite: such a picture is no result and must
            not be judged.
        evaluations: denoiser evaluations without padding, divided by B; an int if it is whole.
    """

    latents: dict[str, Tensor]
    images: dict[str, np.ndarray]
    finite: dict[str, np.ndarray]
    evaluations: int | float

    def __repr__(self) -> str:
        count = len(next(iter(self.finite.values()), ()))
        size = next((f" of {images.shape[2]} × {images.shape[1]} pixels" for images in self.images.values()), "")
        broken = sum(int((~finite).sum()) for finite in self.finite.values())
        what = f"{counted(count, 'picture')}{size}" if size else f"latents of {count}, not decoded"
        state = f", {broken} of them not finite" if broken else ""
        each = " each" if len(self.finite) > 1 else ""
        return f"<{', '.join(self.finite)}: {what}{each}{state}; {self.evaluations:g} denoiser evaluations per prompt>"


@torch.no_grad()
def sample(
    model: Model,
    prompts: Sequence[str],
    methods: str | Method | Sequence[str | Method] = ("baseline",),
    guidance_scale: float | Sequence[float] = 7.5,
    steps: int = 50,
    height: int | None = None,
    width: int | None = None,
    seeds: Sequence[int] | None = None,
    noise: Tensor | None = None,
    indices: Sequence[int] | None = None,
    batch_size: int = 16,
    share: bool = True,
    reuse: int = 1,
    decode: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> Result:
    """Sample B prompts with every method, from the same noise.

    Source: arXiv 2211.05105; diffusers' StableDiffusionPipelineSafe for what the paper leaves open.

    Args:
        model: from `load_model`, or any other `sld.models.Model`.
        prompts: B texts.
        methods: keys of `METHODS`, or methods.
        guidance_scale: a number, or B of them. A row with 1 or less is not guided at all, so a negative prompt and
            safety guidance do not act on it, as in diffusers.
        steps: denoising steps.
        height: of the pictures, in pixels; by default the model's own.
        width: of the pictures, in pixels; by default the model's own.
        seeds: B seeds of the initial noise.
        noise: (B, C, h, w) unit normal noise, in place of seeds.
        indices: B image indices, 0 by default; see `unit_noise`.
        batch_size: the rows of all denoiser calls, which are padded to it. Results depend on it in the last bits, but
            neither on what shares a batch with a row nor on `share`.
        share: False evaluates every branch of every method at every call, like a pipeline per method.
        reuse: above 1, lossy and faster: unconditional and safety predictions are made at every `reuse`-th call only.
        decode: whether to decode the latents to pictures.
        on_step: called with (done, calls) after each denoiser call.

    Raises:
        InputError: an argument cannot be used.
    """
    prompts = _checked_prompts(prompts)
    methods = resolve_methods(methods)
    for name, value in (("steps", steps), ("batch_size", batch_size), ("reuse", reuse)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number from 1 up, found {value!r}: correct it")
    scales = _checked_scales(guidance_scale, len(prompts))
    shape, size = _checked_size(model, height, width, noise)
    scheduler = model.start(steps, *size)
    noise, generators = _initial_noise(scheduler, len(prompts), shape, seeds, noise, indices)

    # Guidance and schedulers never compute in half precision: the masks of safety guidance amplify rounding.
    work = torch.float64 if model.dtype == torch.float64 else torch.float32
    latents = noise.to(model.device, work) * stepping.initial_scale(scheduler)
    scale = torch.tensor(scales, dtype=work, device=model.device).view(-1, 1, 1, 1)
    # Schedulers look their tables up on the host; a timestep on the device would make each step wait for the device.
    timesteps = scheduler.timesteps
    denoiser_timesteps = timesteps.to(model.device)
    gains = [model.noise_gain(float(timestep)) for timestep in timesteps]

    courses = plan_courses(methods, len(timesteps), share, model.space)
    trajectories = common_trajectories(courses, share, latents, scheduler, generators)
    with even_threads(model.device):
        evaluate = Evaluator(model, prompts, courses, size, [value > 1 for value in scales], batch_size, share, reuse)
        for call, timestep in enumerate(timesteps):
            predictions = evaluate(trajectories, call, timestep, denoiser_timesteps[call])
            trajectories = [
                state
                for trajectory, (e_0, e_p, e_s) in zip(trajectories, predictions, strict=True)
                for state in trajectory.advance(call, timestep, e_0, e_p, e_s, scale, gains[call])
            ]
            if on_step is not None:
                on_step(call + 1, len(timesteps))
        results = _finish(model, trajectories, decode, batch_size)

    evaluations = evaluate.count / len(prompts)
    return Result(
        latents={method.name: results[method.name][0] for method in methods},
        images={method.name: results[method.name][1] for method in methods} if decode else {},
        finite={method.name: results[method.name][2] for method in methods},
        evaluations=int(evaluations) if evaluations.is_integer() else evaluations,
    )


def _finish(
    model: Model, trajectories: Sequence[Trajectory], decode: bool, batch_size: int
) -> dict[str, tuple[Tensor, np.ndarray | None, np.ndarray]]:
    """Return latents, pictures (None without decoding) and whether they are finite, for each method."""
    results = {}
    for trajectory in trajectories:
        images, finite = None, torch.isfinite(trajectory.latents).flatten(1).all(1).cpu().numpy()
        if decode:
            pixels, decoded = decode_images(model, trajectory.latents, batch_size)
            images, finite = pixels.cpu().numpy(), finite & decoded.cpu().numpy()
        for course in trajectory.courses:
            results.update(dict.fromkeys(course.names, (trajectory.latents, images, finite)))
    return results


def _checked_prompts(prompts: Sequence[str]) -> list[str]:
    if isinstance(prompts, str):
        raise InputError("prompts must be a list of texts, found one text: put it in a list")
    prompts = list(prompts)
    if not prompts:
        raise InputError("prompts must hold at least one prompt, found none: give a list of texts")
    for row, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            raise InputError(f"a prompt must be a text, found {prompt!r} in row {row}: give a str")
    return prompts


def _checked_scales(guidance_scale: float | Sequence[float], rows: int) -> list[float]:
    try:
        single = not hasattr(guidance_scale, "__len__")
        scales = [float(guidance_scale)] * rows if single else [float(value) for value in guidance_scale]
    except (TypeError, ValueError):
        raise InputError(
            f"guidance_scale must be a number or one per prompt, found {guidance_scale!r}: give numbers"
        ) from None
    if len(scales) != rows:
        raise InputError(
            f"guidance_scale must be a number or one per prompt, found {len(scales)} for "
            f"{counted(rows, 'prompt')}: give as many"
        )
    for row, value in enumerate(scales):
        if not math.isfinite(value):
            raise InputError(f"guidance_scale must be finite, found {value} in row {row}: correct it")
    return scales


def _checked_size(
    model: Model, height: int | None, width: int | None, noise: Tensor | None
) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Return the shape of one picture's latents, and the picture's (height, width) in pixels."""
    if noise is not None and (not isinstance(noise, Tensor) or noise.ndim != 4):
        raise InputError(f"noise must be a tensor (B, C, h, w), found {getattr(noise, 'shape', noise)!r}: change it")
    default = model.default_size if noise is None else model.picture_size(*noise.shape[2:])
    size = chosen_size(height, width, default)
    return model.latent_shape(*size), size


def _initial_noise(scheduler, rows, shape, seeds, noise, indices):
    """Return unit normal noise (B, C, h, w) and, for a scheduler that draws noise, a generator per row."""
    stochastic = stepping.is_stochastic(scheduler)
    if seeds is None and (noise is None or stochastic):
        problem = "neither" if noise is None else f"only noise with {type(scheduler).__name__}, which draws more"
        raise InputError(f"seeds, one per prompt, or initial noise must be given, found {problem}: give seeds")
    generators = None
    if seeds is not None:
        seeds, indices = checked_seeds(seeds, indices, rows)
        generators = step_generators(seeds, indices) if stochastic else None
    if noise is None:
        noise = unit_noise(seeds, indices, shape)
    if tuple(noise.shape) != (rows, *shape):
        raise InputError(
            f"noise must have the shape {(rows, *shape)} (prompts and latents), found {tuple(noise.shape)}: change the "
            "noise, or the height and width"
        )
    return noise, generators
