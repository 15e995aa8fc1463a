"""CLIP's preprocessing on the device of the pictures, bit for bit that of open_clip's transform with Pillow.

Pillow resizes 8-bit channels in two passes, one per axis. Each is a sum of pixels times weights of 22 binary places,
rounded to a byte. Here a pass is a matrix product in float64: all terms are multiples of 2^-22 and the sums stay below
2^10, so no order of additions loses a bit, and the byte is that of Pillow.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import PIL
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import Compose

from eval.base.errors import InputError

WEIGHT_BITS = 22  # binary places of a weight: Pillow's PRECISION_BITS
CHUNK = 2**23  # float64 values at a time, 64 MiB; a single picture may need more
PILLOW_13 = int(PIL.__version__.split(".")[0]) >= 13


@dataclass(frozen=True, slots=True)
class _Axis:
    """The part of a resized axis that the crop keeps.

    Attributes:
        pixels: of the picture, those with a weight.
        weights: (pixels, S) float64.
    """

    pixels: slice
    weights: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Resize:
    """The axes of pictures of one size, and whether Pillow resizes the rows first."""

    rows: _Axis
    columns: _Axis
    rows_first: bool


def reproducible(preprocessing: Mapping[str, Any]) -> bool:
    """Return whether `ClipInput` equals open_clip's transform for these fields of PreprocessCfg on this machine."""
    return _is_known(preprocessing) and _agrees_here()


class ClipInput:
    """Pictures to the input of CLIP's image encoder: shorter side resized, centre cropped, scaled and normalised.

    Args:
        preprocessing: fields of open_clip's PreprocessCfg; the others have its defaults.
        device: of the pictures and the computation; it must support float64.

    Raises:
        InputError: fields that aren't `reproducible`.

    Source: open_clip `image_transform_v2`, torchvision `Resize` and `CenterCrop`, Pillow `Resample.c`.
    """

    def __init__(self, preprocessing: Mapping[str, Any], device: str | torch.device):
        if not _is_known(preprocessing):
            raise InputError(
                f"preprocessing must have a square size, interpolation bicubic and resize_mode shortest, found "
                f"{dict(preprocessing)}: use open_clip's transform"
            )
        config = PreprocessCfg(**preprocessing)
        self.device = torch.device(device)
        self.side = _square(config.size)
        self._plan = lru_cache(maxsize=16)(partial(_plan, side=self.side, device=self.device))
        # A table computed on the CPU, because CUDA multiplies with a reciprocal, which differs in the last bit.
        scale = Compose(image_transform_v2(config, is_train=False).transforms[-2:])  # ToTensor and Normalize
        every_byte = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
        self._table = scale(every_byte)[:, 0].to(self.device)  # (3, 256) float32
        self._channels = torch.arange(3, device=self.device)[:, None, None]

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return (N, 3, S, S) float32 from (N, H, W, 3) uint8 RGB, both on the device; S is CLIP's input size.

        The call does not wait for the device.
        """
        plan = self._plan(*pictures.shape[1:3])
        visible = pictures[:, plan.rows.pixels, plan.columns.pixels]
        inputs = self._table.new_empty((len(visible), 3, self.side, self.side))
        count = max(1, CHUNK // visible.shape[1:].numel())
        for part, target in zip(visible.split(count), inputs.split(count), strict=True):
            target.copy_(self._table[self._channels, _resized(part, plan).long()])
        return inputs


def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return the tensor on the device; a copy from the CPU to CUDA does not wait for the device."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _resized(visible: torch.Tensor, plan: _Resize) -> torch.Tensor:
    """Return (n, 3, S, S) float64, whole numbers 0 to 255, from the pixels (n, h, w, 3) that the crop depends on."""
    values = visible.permute(0, 3, 1, 2).to(torch.float64, memory_format=torch.contiguous_format)
    if plan.rows_first:
        return _to_bytes(_to_bytes(plan.rows.weights.T @ values) @ plan.columns.weights)
    return _to_bytes(plan.rows.weights.T @ _to_bytes(values @ plan.columns.weights))


def _to_bytes(sums: torch.Tensor) -> torch.Tensor:
    """Round in place as Pillow does, halves up."""
    return sums.add_(0.5).floor_().clamp_(0, 255)


def _plan(height: int, width: int, side: int, device: torch.device) -> _Resize:
    new_height, new_width = _new_size(height, width, side)
    # Pillow 13 resizes the rows of a tall picture first, to do less work, and so rounds in another order.
    rows_first = PILLOW_13 and height - new_height > max(0, 2 * (width - new_width))
    return _Resize(_axis(height, new_height, side, device), _axis(width, new_width, side, device), rows_first)


def _new_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return (height, width) as torchvision's Resize does, which truncates the longer side."""
    longer = int(side * max(height, width) / min(height, width))
    return (side, longer) if height <= width else (longer, side)


def _axis(size: int, resized: int, side: int, device: torch.device) -> _Axis:
    """Return an axis of `size` pixels, resized and cropped to its middle `side` ones, with Pillow's bicubic weights.

    The steps are those of `precompute_coeffs` and `normalize_coeffs_8bpc`, in double precision; another order of the
    formula would move a weight by 2^-22. At an unchanged size, which Pillow does not resize, the weights are 0 and 1.
    """
    first = round((resized - side) / 2)  # halves to even, as in torchvision's CenterCrop
    scale = size / resized
    widening = max(scale, 1.0)  # the filter covers more pixels when it shrinks
    support = 2.0 * widening
    centres = (np.arange(first, first + side) + 0.5) * scale
    starts = np.maximum((centres - support + 0.5).astype(int), 0)
    stops = np.minimum((centres + support + 0.5).astype(int), size)
    pixels = np.arange(starts[0], stops[-1])[:, None]
    weights = _bicubic(np.abs((pixels - centres + 0.5) * (1.0 / widening)))
    weights[(pixels < starts) | (pixels >= stops)] = 0.0
    weights /= weights.cumsum(axis=0)[-1]  # cumsum adds sequentially, as Pillow does; sum adds in pairs
    units = np.trunc(weights * 2**WEIGHT_BITS + np.copysign(0.5, weights))
    return _Axis(slice(int(starts[0]), int(stops[-1])), upload(torch.from_numpy(units / 2**WEIGHT_BITS), device))


def _bicubic(x: np.ndarray) -> np.ndarray:
    """Return Pillow's filter at distances x >= 0, the cubic convolution with a = -0.5."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _is_known(preprocessing: Mapping[str, Any]) -> bool:
    fields = asdict(PreprocessCfg())
    complete = fields | dict(preprocessing)
    # This mode fills no borders, and torchvision itself applies mean and std, so these fields may have any value.
    required = {"mode": "RGB", "interpolation": "bicubic", "resize_mode": "shortest"}
    same_fields = complete.keys() == fields.keys()
    return same_fields and required.items() <= complete.items() and _square(complete["size"]) is not None


def _square(size: Any) -> int | None:
    sides = tuple(size) if isinstance(size, list | tuple) else (size, size)
    return sides[0] if len(sides) == 2 and sides[0] == sides[1] and isinstance(sides[0], int) else None


@lru_cache(maxsize=1)
def _agrees_here() -> bool:
    """Return whether this machine's Pillow resizes like `ClipInput`; a later version or another build may not."""
    small = {"size": 16}
    clip_input, transform = ClipInput(small, "cpu"), image_transform_v2(PreprocessCfg(**small), is_train=False)
    rng = np.random.default_rng(0)
    pictures = [rng.choice(np.array([0, 255], np.uint8), shape) for shape in ((40, 90, 3), (90, 40, 3), (7, 9, 3))]
    return all(torch.equal(clip_input(torch.from_numpy(p)[None])[0], transform(Image.fromarray(p))) for p in pictures)
