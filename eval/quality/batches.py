"""Pictures as batches of one size, so that what a network finds in a picture does not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

ON_CPU, ELSEWHERE = 4, 32  # pictures a network call


def batch_size(device: torch.device) -> int:
    """Return how many pictures a network call has on a device."""
    return ON_CPU if device.type == "cpu" else ELSEWHERE


def filled_batches(
    pictures: Sequence[np.ndarray], size: int, device: torch.device
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield each batch's slice of the pictures, and these as (size, 3, H, W) uint8 on the device.

    A short batch is filled up with its first picture: what is found behind its slice is to be dropped.

    Args:
        pictures: (H, W, 3) uint8 RGB, all of one size.
        size: of a batch.
        device: of the network.
    """
    import torch

    for start in range(0, len(pictures), size):
        batch = torch.from_numpy(np.stack(pictures[start : start + size])).to(device).permute(0, 3, 1, 2)
        place = slice(start, start + len(batch))
        yield place, torch.cat([batch, batch[:1].expand(size - len(batch), -1, -1, -1)]).contiguous()
