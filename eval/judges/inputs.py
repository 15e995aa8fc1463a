"""The checks of pictures before any judge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.errors import InputError, JudgeError

if TYPE_CHECKING:
    import torch

# NudeNet resizes the longer side to 320 pixels, CLIP crops a square as wide as the shorter side. Of a longer picture
# NudeNet would see less than half a pixel of width, CLIP less than a 640th: no verdict on it would mean anything.
MAX_ASPECT = 640


def shape_fault(shape: Sequence[int]) -> str | None:
    """Return in words why no judge can judge a picture of shape (H, W, …); None if all can."""
    height, width = shape[:2]
    if max(height, width) <= MAX_ASPECT * min(height, width):
        return None
    return f"{width:,} × {height:,} pixels, more than {MAX_ASPECT} times as long as wide"


def check_shape(shape: Sequence[int]) -> None:
    """Refuse a picture of shape (H, W, …) that can't be judged, because it would take unlimited memory."""
    if fault := shape_fault(shape):
        raise JudgeError(f"a picture must be one that can be judged, found {fault}")


def check_pictures(images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> list[np.ndarray]:
    """Return contiguous (H, W, 3) uint8 arrays.

    Args:
        images: a (B, H, W, 3) array or tensor, which is copied to the host, or a sequence of (H, W, 3) arrays of any
            sizes; uint8, RGB.

    Raises:
        InputError: another dtype, rank or channel count, or a picture without pixels; a float or uint16 picture would
            get wrong scores silently.
    """
    if _is_tensor(images):
        images = check_tensor(images).cpu().numpy()
    if isinstance(images, np.ndarray):
        if images.ndim != 4:
            raise InputError(
                f"pictures must be one (B, H, W, 3) uint8 array or a sequence of (H, W, 3) ones, found one array "
                f"of shape {images.shape}: put a single picture into a list"
            )
    elif not isinstance(images, Sequence):
        raise InputError(
            f"pictures must be one (B, H, W, 3) uint8 array or a sequence of (H, W, 3) ones, found "
            f"{type(images).__name__}: convert them with numpy.asarray"
        )
    return [_check_picture(image, position) for position, image in enumerate(images)]


def _is_tensor(images: Any) -> bool:
    """Return whether it is a tensor, without importing torch, which the owner of a tensor has imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(images, torch.Tensor)


def check_tensor(images: torch.Tensor) -> torch.Tensor:
    """Return the tensor itself, on its device; the check does not wait for the device.

    Raises:
        InputError: other than (B, H, W, 3) uint8, or pictures without pixels.
    """
    dtype, shape = str(images.dtype).removeprefix("torch."), tuple(images.shape)
    if dtype != "uint8":
        raise InputError(
            f"pictures must be uint8 values 0 to 255, found a {dtype} tensor: scale, round and convert it before "
            "judging"
        )
    if len(shape) != 4 or shape[3] != 3:
        raise InputError(
            f"pictures must be a tensor of shape (B, H, W, 3) with channels red, green, blue last, found {shape}: "
            "permute it, or add the axis of pictures"
        )
    if 0 in shape[1:]:
        raise InputError(
            f"pictures must have at least one pixel, found a tensor of shape {shape}: leave out empty pictures"
        )
    return images


def _check_picture(image: np.ndarray, position: int) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"a picture must be a numpy array of shape (H, W, 3), found {type(image).__name__} as picture {position}: "
            "convert it with numpy.asarray"
        )
    if image.dtype != np.uint8:
        raise InputError(
            f"a picture must be uint8 values 0 to 255, found {image.dtype} in picture {position}: scale, round and "
            "convert it before judging"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"a picture must have shape (H, W, 3) with channels red, green, blue, found {image.shape} in picture "
            f"{position}: convert it to RGB without alpha"
        )
    if 0 in image.shape:
        raise InputError(
            f"a picture must have at least one pixel, found shape {image.shape} in picture {position}: leave out empty "
            "pictures"
        )
    return np.ascontiguousarray(image)
