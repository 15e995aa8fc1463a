"""CLIP's preprocessing where the pictures are, on a GPU or a CPU: the bits of open_clip's transform over Pillow.

Pillow resizes 8-bit channels in two passes, one an axis. Each is a sum of pixels times weights of 22 binary places,
rounded to a byte. Here a pass is a matrix product in float64: all its terms are multiples of 2^-22 and its sums stay
below 2^10, so nothing is lost, in whatever order a device adds them, and the byte is Pillow's byte.
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
CHUNK = 2**23  # values that are held as float64 at a time, 64 MiB; one picture may need more
PILLOW_13 = int(PIL.__version__.split(".")[0]) >= 13


@dataclass(frozen=True, slots=True)
class _Axis:
    """What the crop keeps of one resized axis: the pixels that it is made from, and their weights."""

    pixels: slice
    weights: torch.Tensor  # (pixels, kept) float64


@dataclass(frozen=True, slots=True)
class _Resize:
    """Both axes of pictures of one size, and which of them Pillow resizes first."""

    rows: _Axis
    columns: _Axis
    rows_first: bool


def reproducible(preprocessing: Mapping[str, Any]) -> bool:
    """Whether `ClipInput` gives the bits of open_clip's transform for these fields of its PreprocessCfg, here."""
    return _is_known(preprocessing) and _agrees_here()


class ClipInput:
    """Pictures to what CLIP's image tower takes: shortest side resized, centre cropped, scaled and normalised.

    Args:
        preprocessing: fields of open_clip's PreprocessCfg; those left out have its defaults.
        device: where the pictures are and the work is done; it has to have float64.

    Raises InputError for fields that aren't `reproducible`.
    Source: open_clip `image_transform_v2`, torchvision `Resize` and `CenterCrop`, Pillow `Resample.c`.
    """

    def __init__(self, preprocessing: Mapping[str, Any], device: str | torch.device):
        if not _is_known(preprocessing):
            raise InputError(
                f"expected a square size, interpolation bicubic and resize_mode shortest, found {dict(preprocessing)}: "
                f"use open_clip's transform"
            )
        config = PreprocessCfg(**preprocessing)
        self.device = torch.device(device)
        self.side = _square(config.size)
        self._plan = lru_cache(maxsize=16)(partial(_plan, side=self.side, device=self.device))
        # A table, made on the CPU: CUDA divides by multiplying with a reciprocal, which differs in the last bit.
        scale = Compose(image_transform_v2(config, is_train=False).transforms[-2:])  # ToTensor and Normalize
        every_byte = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
        self._table = scale(every_byte)[:, 0].to(self.device)  # (3, 256) float32
        self._channels = torch.arange(3, device=self.device)[:, None, None]

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) float32 from (N, H, W, 3) uint8 RGB, both on the device; S is CLIP's input size.

        The device is not waited for.
        """
        plan = self._plan(*pictures.shape[1:3])
        seen = pictures[:, plan.rows.pixels, plan.columns.pixels]
        inputs = self._table.new_empty((len(seen), 3, self.side, self.side))
        count = max(1, CHUNK // seen.shape[1:].numel())
        for part, place in zip(seen.split(count), inputs.split(count), strict=True):
            place.copy_(self._table[self._channels, _resized(part, plan).long()])
        return inputs


def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device; a copy from the CPU to CUDA is queued, and the device not waited for."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _resized(seen: torch.Tensor, plan: _Resize) -> torch.Tensor:
    """(n, 3, S, S) float64, whole numbers 0 to 255, from the pixels (n, h, w, 3) that the crop sees."""
    values = seen.permute(0, 3, 1, 2).to(torch.float64, memory_format=torch.contiguous_format)
    if plan.rows_first:
        return _to_bytes(_to_bytes(plan.rows.weights.T @ values) @ plan.columns.weights)
    return _to_bytes(plan.rows.weights.T @ _to_bytes(values @ plan.columns.weights))


def _to_bytes(sums: torch.Tensor) -> torch.Tensor:
    """In place, what Pillow stores for them: a half is rounded up."""
    return sums.add_(0.5).floor_().clamp_(0, 255)


def _plan(height: int, width: int, side: int, device: torch.device) -> _Resize:
    new_height, new_width = _new_size(height, width, side)
    # Pillow 13 spares the pass over rows of a tall picture most of its work, and so rounds in another order.
    rows_first = PILLOW_13 and height - new_height > max(0, 2 * (width - new_width))
    return _Resize(_axis(height, new_height, side, device), _axis(width, new_width, side, device), rows_first)


def _new_size(height: int, width: int, side: int) -> tuple[int, int]:
    """As torchvision's Resize has it: the longer side is cut to a whole number."""
    longer = int(side * max(height, width) / min(height, width))
    return (side, longer) if height <= width else (longer, side)


def _axis(size: int, resized: int, side: int, device: torch.device) -> _Axis:
    """An axis of `size` pixels, resized and cropped to its middle `side` ones, with the weights of Pillow's bicubic.

    Each step is the double precision one of `precompute_coeffs` and `normalize_coeffs_8bpc`: another order of the same
    formula would move a weight by 2^-22. At an unchanged size, which Pillow leaves alone, the weights are 0 and 1.
    """
    first = round((resized - side) / 2)  # a half goes to the even number, as in torchvision's CenterCrop
    scale = size / resized
    widening = max(scale, 1.0)  # the filter covers more pixels when it shrinks
    support = 2.0 * widening
    centres = (np.arange(first, first + side) + 0.5) * scale
    starts = np.maximum((centres - support + 0.5).astype(int), 0)
    stops = np.minimum((centres + support + 0.5).astype(int), size)
    pixels = np.arange(starts[0], stops[-1])[:, None]
    weights = _bicubic(np.abs((pixels - centres + 0.5) * (1.0 / widening)))
    weights[(pixels < starts) | (pixels >= stops)] = 0.0
    weights /= weights.cumsum(axis=0)[-1]  # one after the other, as Pillow adds them; sum adds in pairs
    units = np.trunc(weights * 2**WEIGHT_BITS + np.copysign(0.5, weights))
    return _Axis(slice(int(starts[0]), int(stops[-1])), upload(torch.from_numpy(units / 2**WEIGHT_BITS), device))


def _bicubic(x: np.ndarray) -> np.ndarray:
    """Pillow's filter at distances x >= 0: the cubic convolution with a = -0.5."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _is_known(preprocessing: Mapping[str, Any]) -> bool:
    fields = asdict(PreprocessCfg())
    asked = fields | dict(preprocessing)
    # Nothing is filled in this mode; mean and std may be any, because torchvision itself applies them.
    known = {"mode": "RGB", "interpolation": "bicubic", "resize_mode": "shortest"}
    return asked.keys() == fields.keys() and known.items() <= asked.items() and _square(asked["size"]) is not None


def _square(size: Any) -> int | None:
    sides = tuple(size) if isinstance(size, list | tuple) else (size, size)
    return sides[0] if len(sides) == 2 and sides[0] == sides[1] and isinstance(sides[0], int) else None


@lru_cache(maxsize=1)
def _agrees_here() -> bool:
    """Whether the libraries here do what is written above: a later Pillow, or another build of it, may resize anew."""
    small = {"size": 16}
    ours, theirs = ClipInput(small, "cpu"), image_transform_v2(PreprocessCfg(**small), is_train=False)
    rng = np.random.default_rng(0)
    pictures = [rng.choice(np.array([0, 255], np.uint8), shape) for shape in ((40, 90, 3), (90, 40, 3), (7, 9, 3))]
    return all(torch.equal(ours(torch.from_numpy(each)[None])[0], theirs(Image.fromarray(each))) for each in pictures)
