"""Pictures as bytes: made elsewhere and read, or ours and written as PNG."""

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
FORMATS = ("PNG", "JPEG", "WEBP")  # by content, whatever the name ends in
_PNG = b"\x89PNG\r\n\x1a\n"
# Ancillary chunks that say which pixels there are: transparency, orientation, frames. Texts and profiles do not.
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
# Level 1 is ten times as fast as PIL's default and a tenth larger: pictures are written once and looked at seldom.
_LEVEL = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def read_picture(path: Path) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8 RGB, C-contiguous.

    Grey and palette pictures are looked up exactly, an opaque alpha channel is dropped, an EXIF orientation is applied,
    a colour profile is not. JPEG is decoded by Pillow. What a file says beside its pixels is never unpacked.

    Raises:
        Unreadable: no regular file, too large, damaged, or nothing that is 8-bit RGB in one way: CMYK, 16 bits a
            channel, transparency, several frames.
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
    except Exception as error:  # of a damaged file the decoders raise a dozen unrelated types
        raise Unreadable(f"damaged ({' '.join(str(error).split()) or type(error).__name__:.200})") from error


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, to open a pipe would wait for its other end.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise Unreadable("not a regular file")
            if about.st_size > LARGEST_FILE:
                raise Unreadable(f"{about.st_size:,} bytes, more than the {LARGEST_FILE:,} that are read")
            data = file.read(LARGEST_FILE)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    if not data:
        raise Unreadable("an empty file")
    return data


def _pixel_chunks(data: bytes) -> bytes:
    """Return a PNG without its texts, profiles and the like, of whatever length: Pillow would unpack them, up to 1 MiB.

    Pillow also reduces 16 bits a channel without a word, and does not look at the checksums of what it decodes.
    """
    if data[24:25] == b"\x10":
        raise Unreadable("16 bits per channel")
    view, place, kept, kind = memoryview(data), len(_PNG), [_PNG], b""
    while kind != b"IEND":
        length, kind = int.from_bytes(view[place : place + 4], "big"), bytes(view[place + 4 : place + 8])
        end = place + 12 + length
        if end > len(data):
            raise Unreadable("damaged (the file is cut off)")
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise Unreadable(f"damaged (a wrong checksum, byte {place:,})")
        if not kind[0] & 32 or kind in _NEEDED:
            kept.append(view[place:end])
        place = end
    return b"".join(kept)


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
    """What EXIF says, as OpenCV and browsers take it; an EXIF that can't be read says nothing."""
    exif = Image.Exif()
    try:
        exif.load(picture.info.get("exif", b""))
        return exif.get(_ORIENTATION)
    except Exception:  # its parser raises a dozen unrelated types
        return None


def encode_png(pixels: np.ndarray) -> bytes:
    """Return (H, W, 3) uint8 RGB pixels as the bytes of a PNG; lossless."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]), _LEVEL)
    if not done:
        raise ValueError(f"OpenCV could not encode a picture of shape {pixels.shape} and type {pixels.dtype}")
    return data.tobytes()
