"""The one gate that pictures pass before any judge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.errors import InputError, JudgeError

if TYPE_CHECKING:
    import torch

# NudeNet sees the longer side as 320 pixels, CLIP a square as wide as the shorter one. Of a longer picture the first
# would see less than half a pixel's width, the second less than a 640th: no verdict on it would mean anything.
LONGEST = 640  # times as long as wide


def shape_fault(shape: Sequence[int]) -> str | None:
    """Why a picture of this shape (H, W, …) can be judged by no judge, in words; None where it can be."""
    height, width = shape[:2]
    if max(height, width) <= LONGEST * min(height, width):
        return None
    return f"{width:,} × {height:,} pixels, more than {LONGEST} times as long as wide"


def check_shape(shape: Sequence[int]) -> None:
    """Raise JudgeError for a picture of a shape (H, W, …) that can't be judged: it would take memory without end."""
    if fault := shape_fault(shape):
        raise JudgeError(f"expected a picture that can be judged, found {fault}")


def check_pictures(images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> list[np.ndarray]:
    """Contiguous (H, W, 3) uint8 arrays from a (B, H, W, 3) array or a sequence of (H, W, 3) arrays of any sizes.

    A (B, H, W, 3) tensor is brought to the host. Raises InputError for other dtypes, ranks and channel counts and for
    pictures without pixels: a float or uint16 picture would be scored without a word, and wrongly.
    """
    if _is_tensor(images):
        images = check_tensor(images).cpu().numpy()
    if isinstance(images, np.ndarray):
        if images.ndim != 4:
            raise InputError(
                f"expected pictures as one (B, H, W, 3) uint8 array or a sequence of (H, W, 3) ones, found one array "
                f"of shape {images.shape}: put a single picture into a list"
            )
    elif not isinstance(images, Sequence):
        raise InputError(
            f"expected pictures as one (B, H, W, 3) uint8 array or a sequence of (H, W, 3) ones, found "
            f"{type(images).__name__}: convert them with numpy.asarray"
        )
    return [_check_picture(image, position) for position, image in enumerate(images)]


def _is_tensor(images: Any) -> bool:
    """Whether it is a tensor of torch, which is not imported for it: whoever has a tensor has done so."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(images, torch.Tensor)


def check_tensor(images: torch.Tensor) -> torch.Tensor:
    """The very tensor, wherever it is. Raises InputError unless it is (B, H, W, 3) uint8 and its pictures have pixels.

    Nothing but its type is looked at, so no device is waited for.
    """
    dtype, shape = str(images.dtype).removeprefix("torch."), tuple(images.shape)
    if dtype != "uint8":
        raise InputError(
            f"expected uint8 values 0 to 255, found a {dtype} tensor: scale, round and convert it before judging"
        )
    if len(shape) != 4 or shape[3] != 3:
        raise InputError(
            f"expected a tensor of shape (B, H, W, 3) with channels red, green, blue last, found {shape}: permute it, "
            f"or add the axis that counts pictures"
        )
    if 0 in shape[1:]:
        raise InputError(f"expected at least one pixel, found a tensor of shape {shape}: leave out empty pictures")
    return images


def _check_picture(image: np.ndarray, position: int) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"expected a numpy array of shape (H, W, 3), found {type(image).__name__} as picture {position}: convert "
            f"it with numpy.asarray"
        )
    if image.dtype != np.uint8:
        raise InputError(
            f"expected uint8 values 0 to 255, found {image.dtype} in picture {position}: scale, round and convert it "
            f"before judging"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"expected shape (H, W, 3) with channels red, green, blue, found {image.shape} in picture {position}: "
            f"convert it to RGB without alpha"
        )
    if 0 in image.shape:
        raise InputError(
            f"expected at least one pixel, found shape {image.shape} in picture {position}: leave out empty pictures"
        )
    return np.ascontiguousarray(image)
