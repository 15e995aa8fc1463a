"""From units to pictures: one call of the sampler a batch, all methods from the same noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

import sld
from eval.errors import InputError
from eval.plan import Unit


@dataclass(frozen=True)
class Image:
    """A picture: `pixels` (H, W, 3) uint8 RGB, the very bytes that are judged, digested and saved.

    `finite` is False where latents or decoded pixels held NaN or infinity, which uint8 can't show.
    """

    method: str
    row: int
    image: int
    pixels: np.ndarray
    finite: bool


def generate(
    model, units: Sequence[Unit], methods: Sequence[sld.Method], *, steps: int, batch_size: int
) -> list[Image]:
    """Draw every unit with every method.

    Args:
        model: from `sld.load_model`.
        units: up to a batch of units of one picture size.
        methods: they share what their trajectories have in common.
        steps: denoising steps.
        batch_size: samples a denoiser call; short batches are padded to it, so an image depends on no neighbour.

    Raises:
        InputError: the device has too little memory for the batch.
    """
    first = units[0].prompt
    try:
        result = sld.sample(
            model,
            [u.prompt.text for u in units],
            methods=list(methods),
            guidance_scale=[u.prompt.guidance_scale for u in units],
            steps=steps,
            height=first.height,
            width=first.width,
            seeds=[u.prompt.seed for u in units],
            indices=[u.image for u in units],
            batch_size=batch_size,
        )
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"a batch must fit the device's memory, found none left for batch_size={batch_size} at {first.height}×"
            f"{first.width} pixels: run the same command with a smaller batch_size; what is done is kept"
        ) from error
    return [
        Image(m.name, u.prompt.row, u.image, result.images[m.name][i], bool(result.finite[m.name][i]))
        for i, u in enumerate(units)
        for m in methods
    ]
