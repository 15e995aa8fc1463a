"""Pictures of all kinds and sizes, and what open_clip's own transform makes of them, for tests of `ClipInput`."""

import numpy as np
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from eval.judges.clip.preprocessing import ClipInput

SIZES = [(64, 64), (224, 224), (256, 256), (512, 512), (768, 768), (512, 384), (384, 512), (300, 517), (517, 300)]
# Upscaled; one side already right; one pixel off; elongated, where Pillow 13 takes its passes the other way round.
SIZES += [(8, 8), (1, 1), (1, 9), (9, 1), (224, 300), (300, 224), (223, 225), (225, 224), (900, 300), (300, 900)]


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def gradient(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * y // height, 255 * x // width, 255 * (x + y) // (height + width)], axis=-1).astype(np.uint8)


def checkerboard(height, width, field=1):
    y, x = np.mgrid[:height, :width] // field
    return np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=-1)


def extremes(height, width):
    """Bytes 0 and 255 at random: both ends are clipped, in the first pass and in the second."""
    return noise(height, width) // 128 * 255


PICTURES = [noise, gradient, checkerboard, extremes, lambda *size: checkerboard(*size, field=5)]


def assert_same_bits(preprocessing, pictures, device="cpu"):
    """That the pictures, in one batch, come out as open_clip's transform makes them."""
    transform = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
    expected = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
    found = ClipInput(preprocessing, device)(torch.from_numpy(np.stack(pictures)).to(device)).cpu()
    assert (found.dtype, found.shape) == (torch.float32, expected.shape)
    assert torch.equal(found.view(torch.int32), expected.view(torch.int32))
