"""From latents to the bytes that are saved, judged and compared."""

import torch
from torch import Tensor

from sld.models import Model
from sld.threads import even_threads

# More would save little time and, at 512 x 512 pixels, cost gigabytes.
LARGEST_CHUNK = 8


@torch.no_grad()
def decode_images(model: Model, latents: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Decode (B, C, h, w) latents: pictures (B, H, W, 3) uint8 and whether each is finite, (B,) bool, on the device.

    Latents go through the decoder in chunks of one fixed shape, the last one padded, so a picture depends on no
    neighbour. Values are quantised as diffusers' VaeImageProcessor does: clamped to [0, 1], times 255, rounded to even.
    A picture that holds NaN or infinity is reported as not finite; its broken pixels are 0 and mean nothing.
    """
    size = min(batch_size, LARGEST_CHUNK)
    images, finite = [], []
    with even_threads(model.device):
        for start in range(0, len(latents), size):
            chunk = latents[start : start + size]
            rows = len(chunk)
            chunk = torch.cat([chunk, chunk[-1:].expand(size - rows, *chunk.shape[1:])])
            decoded = model.decode(chunk)[:rows]
            finite.append(torch.isfinite(decoded).flatten(1).all(1))
            images.append(quantise(decoded))
    return torch.cat(images), torch.cat(finite)


def quantise(decoded: Tensor) -> Tensor:
    """(N, 3, H, W) of [-1, 1] as (N, H, W, 3) uint8, on its device: clamped, times 255, rounded to even; NaN is 0."""
    pixels = (decoded * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float()
    # The arithmetic of numpy's (x * 255).round(); NaN has no uint8 and would warn there.
    return (pixels * 255).round().nan_to_num(0.0).to(torch.uint8, memory_format=torch.contiguous_format)
