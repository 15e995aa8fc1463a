"""The decoding of latents to the pixels that are saved, judged and compared."""

import torch
from torch import Tensor

from sld.models import Model
from sld.threads import even_threads

# Larger chunks would save little time and cost gigabytes: in float32 a picture of 1024 x 1024 takes four of them.
LARGEST_CHUNK = 8
_CHUNK_PIXELS = LARGEST_CHUNK * 512 * 512


def pictures_per_chunk(batch_size: int, height: int, width: int) -> int:
    """Return how many pictures of this size in pixels are decoded at once, of `batch_size` at most."""
    most = max(1, _CHUNK_PIXELS // (height * width))
    # A power of two of large ones: a network fills up three, five or six rows to a multiple of four.
    return min(batch_size, LARGEST_CHUNK, 1 << (most.bit_length() - 1))


@torch.no_grad()
def decode_images(model: Model, latents: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Decode latents to pictures.

    Latents go through the decoder in chunks of one fixed shape, the last one padded, so that a picture depends on no
    neighbour. Values are quantised as in diffusers' VaeImageProcessor: clamped to [0, 1], times 255, rounded to even.

    Args:
        model: decodes on its device.
        latents: (B, C, h, w).
        batch_size: upper limit of a chunk; see `pictures_per_chunk`.

    Returns:
        Pictures (B, H, W, 3) uint8, and whether each is finite, (B,) bool, both on the device. The pixels that are NaN
        or infinite in a picture that is not finite are 0 and mean nothing.
    """
    size = pictures_per_chunk(batch_size, *model.picture_size(*latents.shape[2:]))
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
    """Return (N, 3, H, W) in [-1, 1] as (N, H, W, 3) uint8: clamped, times 255, rounded to even; NaN becomes 0."""
    pixels = (decoded * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float()
    # Equal to numpy's (x * 255).round(), where NaN would warn, since it has no uint8.
    return (pixels * 255).round().nan_to_num(0.0).to(torch.uint8, memory_format=torch.contiguous_format)
