"""From units to pictures: one call of the sampler per batch, all methods from the same noise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

import sld
from eval.base.image_key import ImageKey
from eval.config.keys import MODEL, as_keys
from eval.plan.batches import Rows, most_units
from eval.plan.memory import too_large
from eval.plan.plan import Plan, Size, Unit, kind_of, size_of
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
    batches: Iterable[Sequence[Unit]],
    plan: Plan,
    rows: Rows,
    on_halved: Callable[[], None] = lambda: None,
    at_call: Callable[[float], None] = lambda drawn: None,
) -> Iterator[Batch]:
    """Draw every unit with each of its methods.

    Args:
        model: from `sld.load_model`.
        batches: units of one kind each, which are drawn at a time, or in parts if there are more of them than
            `most_units`.
        plan: of the run. The methods of a batch share the common parts of their trajectories.
        rows: samples per denoiser call; halved, at a size and from then on, where the device has too little memory.
        on_halved: called after that.
        at_call: called after each denoiser call with how many pictures are drawn, of which those at work count by
            their share of calls; an error that it raises ends the batch.

    Raises:
        InputError: a single sample per call needs more memory than is free.
    """
    drawn = 0
    for batch in batches:
        left, size = list(batch), size_of(batch[0])
        while left:
            batch_size = rows.at(size)
            part = left[: most_units(batch_size, plan.guided)]
            try:
                pictures = _generate(model, part, plan, batch_size, partial(_count, at_call, drawn))
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if batch_size == 1:
                    raise too_large(size, str(model.device)) from error
                pictures = None  # handled outside this block, because the error's traceback keeps the memory
            if pictures is None:
                _halve(rows, size, model.device)
                on_halved()
                continue
            left = left[len(part) :]
            drawn += len(pictures.images)
            yield pictures


def _count(at_call: Callable[[float], None], drawn: int, more: float) -> None:
    at_call(drawn + more)


def _halve(rows: Rows, size: Size, device: torch.device) -> None:
    rows.halve(size)
    at = "" if size == rows.usual_size else f" for pictures of {size[0]}×{size[1]}"
    log.warning("%s is out of memory: continuing with batch_size=%d%s.", device, rows.at(size), at)
    if device.type == "cuda":
        torch.cuda.empty_cache()


@as_keys(MODEL)
def _generate(
    model: Model, units: Sequence[Unit], plan: Plan, batch_size: int, at_call: Callable[[float], None]
) -> Batch:
    first, methods = units[0].prompt, plan.methods_of(kind_of(units[0]))
    result = sld.sample(
        model,
        [u.prompt.text for u in units],
        methods=methods,
        guidance_scale=[u.prompt.guidance_scale for u in units],
        steps=plan.protocol.steps,
        reuse=plan.protocol.reuse,
        height=first.height,
        width=first.width,
        seeds=[u.prompt.seed for u in units],
        indices=[u.image for u in units],
        batch_size=batch_size,
        decode=False,
        on_step=lambda done, calls: at_call(len(units) * len(methods) * done / calls),
    )
    # Methods with identical trajectories share their latents, which are decoded once.
    distinct = {id(latents): latents for latents in result.latents.values()}
    decoded = {key: decode_images(model, latents, batch_size) for key, latents in distinct.items()}
    keys = [id(result.latents[method.name]) for method in methods]
    on_device = torch.cat([decoded[key][0] for key in keys])
    # Copied to the host last: after that, other streams may read the pixels on the device too.
    decoded_finite = torch.cat([decoded[key][1] for key in keys]).cpu().numpy()
    host = on_device.cpu().numpy()
    images = []
    for number, method in enumerate(methods):
        rows = slice(number * len(units), (number + 1) * len(units))
        pixels, finite = host[rows], decoded_finite[rows] & result.finite[method.name]
        images += [Image(method.name, u.prompt.row, u.image, pixels[i], bool(finite[i])) for i, u in enumerate(units)]
    return Batch(tuple(images), None if model.device.type == "cpu" else on_device, batch_size)
