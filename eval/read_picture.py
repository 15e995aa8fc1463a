"""A picture file that somebody else made, as the uint8 RGB pixels that judges see.

A file is read where there is exactly one way from it to 8-bit RGB. Any other is unreadable, with the reason: a judge
that saw a guess would judge the guess. The file is untrusted: its size is looked at before anything is decoded.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# 4096 × 4096 is more than text-to-image models draw, and 48 MiB as RGB.
LARGEST = 4096 * 4096  # pixels
LARGEST_FILE = 64 * 2**20  # bytes; the largest picture, uncompressed, is 48 MiB
FORMATS = ("PNG", "JPEG", "WEBP")  # by content, whatever the name ends in
_PNG = b"\x89PNG\r\n\x1a\n"
_TO_RGB = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


class Unreadable(ValueError):
    """There is no picture to judge; the message says why, in a few words."""


def read_picture(path: Path) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8 RGB, C-contiguous.

    Grey and palette pictures are looked up exactly, an opaque alpha channel is dropped, an EXIF orientation is applied,
    a colour profile is not. JPEG is decoded by Pillow.

    Raises:
        Unreadable: no regular file, too large, damaged, or nothing that is 8-bit RGB in one way: CMYK, 16 bits a
            channel, transparency, several frames.
    """
    data = _read(path)
    try:
        _check_png(data)
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            return _to_rgb(picture)
    except (Unreadable, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(f"more than the {LARGEST:,} pixels that are decoded") from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable(f"no {', '.join(FORMATS)} picture") from error
    except Exception as error:  # of a damaged file the decoders raise a dozen unrelated types
        raise Unreadable(f"damaged ({' '.join(str(error).split()) or type(error).__name__:.200})") from error


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, to open a pipe would wait for its other end.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise Unreadable("no regular file")
            if about.st_size > LARGEST_FILE:
                raise Unreadable(f"{about.st_size:,} bytes, more than the {LARGEST_FILE:,} that are read")
            data = file.read(LARGEST_FILE)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    if not data:
        raise Unreadable("an empty file")
    return data


def _check_png(data: bytes) -> None:
    """Pillow reduces 16 bits without a word, and does not look at the checksums of what it decodes."""
    if not data.startswith(_PNG):
        return
    if data[24:25] == b"\x10":
        raise Unreadable("16 bits a channel")
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        _check_size(picture)
        picture.verify()


def _check_size(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > LARGEST:
        raise Unreadable(f"{width:,} × {height:,} pixels, more than the {LARGEST:,} that are decoded")


def _to_rgb(picture: Image.Image) -> np.ndarray:
    _check_size(picture)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        raise Unreadable(f"{frames} frames")
    if picture.mode not in _TO_RGB:
        raise Unreadable(f"colour mode {picture.mode}, which is no 8-bit RGB in one way")
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        if upright.getextrema()[3][0] < 255:
            raise Unreadable("transparent pixels, whose background is unknown")
    return np.ascontiguousarray(upright.convert("RGB"))
