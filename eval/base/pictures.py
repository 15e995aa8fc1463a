"""Pictures as bytes: reading those made elsewhere, and encoding a run's own as PNG."""

from __future__ import annotations

import io
import os
import stat
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from eval.base.errors import Unreadable

# 4096 × 4096 is more than text-to-image models draw, and 48 MiB as RGB.
LARGEST = 4096 * 4096  # pixels
LARGEST_FILE = 64 * 2**20  # bytes; the largest picture, uncompressed, is 48 MiB
FORMATS = ("PNG", "JPEG", "WEBP")  # by content, not by extension
_PNG = b"\x89PNG\r\n\x1a\n"
# Ancillary chunks that change the pixels: transparency, orientation, frames. Texts and profiles do not.
_NEEDED = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")
_ORIENTATION = 0x0112  # of EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TO_RGB = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
# Level 1 is ten times as fast as PIL's default, for files a tenth larger: pictures are written once and rarely viewed.
_LEVEL = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def read_picture(path: Path) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8 RGB, C-contiguous.

    Grey and palette pictures are converted exactly, an opaque alpha channel is dropped, an EXIF orientation is applied,
    a colour profile is not. JPEG is decoded by Pillow. Texts and profiles in a file are never unpacked.

    Raises:
        Unreadable: not a regular file, too large, damaged, or not unambiguously 8-bit RGB: CMYK, 16 bits per channel,
            transparency, several frames.
    """
    data = _read(path)
    try:
        if data.startswith(_PNG):
            data = _pixel_chunks(data)
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            return _to_rgb(picture)
    except (Unreadable, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(f"more than the {LARGEST:,} pixels that are decoded") from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable(f"no {', '.join(FORMATS)} picture") from error
    except Exception as error:  # the decoders raise a dozen unrelated types for damaged files
        raise Unreadable(f"damaged ({' '.join(str(error).split()) or type(error).__name__:.200})") from error


def pixels_of(picture: Image.Image) -> np.ndarray:
    """Return an opened picture as (H, W, 3) uint8 RGB, by the rules of `read_picture`; raises `Unreadable`."""
    try:
        return _to_rgb(picture)
    except Unreadable:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable(f"damaged ({error})") from error


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its other end.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("not a regular file")
            if status.st_size > LARGEST_FILE:
                raise Unreadable(f"{status.st_size:,} bytes, more than the {LARGEST_FILE:,} that are read")
            data = file.read(LARGEST_FILE)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    if not data:
        raise Unreadable("an empty file")
    return data


def _pixel_chunks(data: bytes) -> bytes:
    """Return a PNG without its texts, profiles and the like, which Pillow would unpack, up to 1 MiB.

    Pillow also reduces 16 bits per channel silently, and does not check the checksums of what it decodes.
    """
    if data[24:25] == b"\x10":
        raise Unreadable("16 bits per channel")
    view, start, chunks, kind = memoryview(data), len(_PNG), [_PNG], b""
    while kind != b"IEND":
        length, kind = int.from_bytes(view[start : start + 4], "big"), bytes(view[start + 4 : start + 8])
        end = start + 12 + length
        if end > len(data):
            raise Unreadable("damaged (the file is cut off)")
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise Unreadable(f"damaged (a wrong checksum, byte {start:,})")
        if not kind[0] & 32 or kind in _NEEDED:
            chunks.append(view[start:end])
        start = end
    return b"".join(chunks)


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
    turn = _UPRIGHT.get(_orientation(picture))
    upright = picture if turn is None else picture.transpose(turn)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        if upright.getextrema()[3][0] < 255:
            raise Unreadable("transparent pixels, whose background is unknown")
    return np.ascontiguousarray(upright.convert("RGB"))


def _orientation(picture: Image.Image) -> object:
    """Return the EXIF orientation as OpenCV and browsers read it, None where EXIF is missing or damaged."""
    exif = Image.Exif()
    try:
        exif.load(picture.info.get("exif", b""))
        return exif.get(_ORIENTATION)
    except Exception:  # the parser raises a dozen unrelated types
        return None


def encode_png(pixels: np.ndarray) -> bytes:
    """Return the bytes of a PNG of (H, W, 3) uint8 RGB pixels; lossless."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]), _LEVEL)
    if not done:
        raise ValueError(f"OpenCV could not encode a picture of shape {pixels.shape} and type {pixels.dtype}")
    return data.tobytes()
