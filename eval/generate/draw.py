"""From units to pictures: one call of the sampler per batch, all methods from the same noise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

import sld
from eval.base.image_key import ImageKey
from eval.config.keys import MODEL, as_keys
from eval.plan.memory import too_large
from eval.plan.plan import Plan, Unit, next_batch
from sld.decoding import decode_images
from sld.models import Model
from sld.tuning import out_of_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Image:
    """A picture: `pixels` (H, W, 3) uint8 RGB, exactly the bytes that are judged, digested and saved.

    `finite` is False where latents or decoded pixels held NaN or infinity, which uint8 can't show.
    """

    method: str
    row: int
    image: int
    pixels: np.ndarray
    finite: bool

    @property
    def key(self) -> ImageKey:
        """Its image."""
        return ImageKey(self.method, self.row, self.image)


@dataclass(frozen=True)
class Batch:
    """Pictures of one size. `on_device` (N, H, W, 3) uint8 are their pixels on a GPU that drew them, else None.

    `batch_size` is the denoiser's, on which the pixels' last bits depend; None for pictures made elsewhere.
    """

    images: tuple[Image, ...]
    on_device: torch.Tensor | None
    batch_size: int | None


def draw(
    model: Model,
    units: Sequence[Unit],
    plan: Plan,
    batch_size: int,
    on_halved: Callable[[int], None] = lambda size: None,
    at_call: Callable[[], None] = lambda: None,
) -> Iterator[Batch]:
    """Draw every unit with every method of the plan, a batch of units at a time.

    Args:
        model: from `sld.load_model`.
        units: grouped by picture size.
        plan: its methods share the common parts of their trajectories.
        batch_size: samples per denoiser call, and units per batch; halved for all later batches where the device has
            too little memory.
        on_halved: called with the new batch size.
        at_call: called after each denoiser call; an error that it raises ends the batch.

    Raises:
        InputError: even a batch of one needs more memory than is free.
    """
    done = 0
    while done < len(units):
        batch = next_batch(units, done, batch_size)
        try:
            pictures = _generate(model, batch, plan, batch_size, at_call)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if batch_size == 1:
                raise too_large((batch[0].prompt.height, batch[0].prompt.width), str(model.device)) from error
            pictures = None  # handled outside this block, because the error's traceback keeps the memory
        if pictures is None:
            batch_size //= 2
            log.warning("%s is out of memory: continuing with batch_size=%d.", model.device, batch_size)
            if model.device.type == "cuda":
                torch.cuda.empty_cache()
            on_halved(batch_size)
            continue
        done += len(batch)
        yield pictures


@as_keys(MODEL)
def _generate(model: Model, units: Sequence[Unit], plan: Plan, batch_size: int, at_call: Callable[[], None]) -> Batch:
    first = units[0].prompt
    result = sld.sample(
        model,
        [u.prompt.text for u in units],
        methods=plan.methods,
        guidance_scale=[u.prompt.guidance_scale for u in units],
        steps=plan.protocol.steps,
        reuse=plan.protocol.reuse,
        height=first.height,
        width=first.width,
        seeds=[u.prompt.seed for u in units],
        indices=[u.image for u in units],
        batch_size=batch_size,
        decode=False,
        on_step=lambda done, calls: at_call(),
    )
    # Methods with identical trajectories share their latents, which are decoded once.
    distinct = {id(latents): latents for latents in result.latents.values()}
    decoded = {key: decode_images(model, latents, batch_size) for key, latents in distinct.items()}
    keys = [id(result.latents[method.name]) for method in plan.methods]
    on_device = torch.cat([decoded[key][0] for key in keys])
    # Copied to the host last: after that, other streams may read the pixels on the device too.
    decoded_finite = torch.cat([decoded[key][1] for key in keys]).cpu().numpy()
    host = on_device.cpu().numpy()
    images = []
    for number, method in enumerate(plan.methods):
        rows = slice(number * len(units), (number + 1) * len(units))
        pixels, finite = host[rows], decoded_finite[rows] & result.finite[method.name]
        images += [Image(method.name, u.prompt.row, u.image, pixels[i], bool(finite[i])) for i, u in enumerate(units)]
    return Batch(tuple(images), None if model.device.type == "cpu" else on_device, batch_size)
