"""Picture files as others write them: read where there is one way to 8-bit RGB, and otherwise unreadable with why."""

import io
import os
import resource
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from eval.read_picture import Unreadable, read_picture

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (48, 40, 3), dtype=np.uint8)


@pytest.fixture
def saved(tmp_path):
    """Writes a picture by Pillow; returns its path."""

    def saved(picture, name="a.png", **options):
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return saved


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def refused(path) -> str:
    with pytest.raises(Unreadable) as caught:
        read_picture(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"), [("a.png", {}), ("a.webp", {"lossless": True}), ("a.jpg", {"format": "PNG"})]
)
def test_lossless_pictures_come_back_to_the_bit_whatever_their_name(saved, name, options):
    found = read_picture(saved(Image.fromarray(PIXELS), name, **options))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert np.array_equal(found, PIXELS)


def test_a_png_reads_as_opencv_reads_it(saved):
    path = saved(Image.fromarray(PIXELS))
    assert np.array_equal(read_picture(path), cv2.imread(str(path))[:, :, ::-1])


def test_a_jpeg_is_near_what_opencv_reads(saved):
    path = saved(Image.fromarray(cv2.GaussianBlur(PIXELS, (0, 0), 4)), "a.jpg", quality=95)
    assert np.abs(read_picture(path).astype(int) - cv2.imread(str(path))[:, :, ::-1]).max() <= 2


def test_grey_palette_and_opaque_alpha_have_one_way_to_rgb(saved):
    grey = PIXELS[:, :, 0]
    assert np.array_equal(read_picture(saved(Image.fromarray(grey))), np.stack([grey] * 3, axis=2))
    palette = Image.fromarray(PIXELS).quantize(16)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    assert np.array_equal(read_picture(saved(palette)), colours[np.array(palette)])
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    assert np.array_equal(read_picture(saved(Image.fromarray(opaque))), PIXELS)
    bits = (grey > 127).astype(np.uint8) * 255
    assert np.array_equal(read_picture(saved(Image.fromarray(grey > 127)))[:, :, 1], bits)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_orientation_is_applied_as_opencv_applies_it(saved, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(cv2.GaussianBlur(PIXELS, (0, 0), 4)), "a.jpg", exif=exif, quality=95)
    expected = cv2.imread(str(path))[:, :, ::-1]
    found = read_picture(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_transparent_pixels_have_an_unknown_background(saved):
    see_through = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    see_through[3, 4, 3] = 254
    assert "transparent" in refused(saved(Image.fromarray(see_through)))
    assert "transparent" in refused(saved(Image.fromarray(see_through), "a.webp", lossless=True))
    key = tuple(int(x) for x in PIXELS[0, 0])
    assert "transparent" in refused(saved(Image.fromarray(PIXELS), transparency=key))
    assert "transparent" in refused(saved(Image.fromarray(PIXELS).quantize(4), transparency=0))


def test_cmyk_has_no_one_way_to_rgb(saved):
    assert "CMYK" in refused(saved(Image.fromarray(PIXELS).convert("CMYK"), "a.jpg"))


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_a_channel_are_not_reduced_without_a_word(tmp_path, colour, channels):
    rows = b"".join(b"\0" + RNG.bytes(8 * 2 * channels) for _ in range(8))
    (tmp_path / "a.png").write_bytes(png(8, 8, 16, colour, zlib.compress(rows)))
    assert refused(tmp_path / "a.png") == "16 bits a channel"


def test_an_animation_is_not_one_picture(saved):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    assert "2 frames" in refused(saved(frames[0], "a.webp", save_all=True, append_images=frames[1:]))
    assert "2 frames" in refused(saved(frames[0], "a.png", save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_file_cut_anywhere_is_unreadable(saved, name):
    path = saved(Image.fromarray(PIXELS), name)
    data = path.read_bytes()
    for length in {1, 8, 20, 33, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 20}:
        path.write_bytes(data[:length])
        assert refused(path), length
    path.write_bytes(b"")
    assert refused(path) == "an empty file"


def test_a_png_without_its_end_or_with_one_flipped_bit_is_unreadable(saved):
    path = saved(Image.fromarray(PIXELS))
    data = path.read_bytes()
    path.write_bytes(data[:-12])
    assert "damaged" in refused(path)
    for place in range(60, len(data) - 12, 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        assert refused(path), place


def test_what_is_no_picture_is_said(tmp_path, saved):
    (tmp_path / "a.png").write_text("404: not found")
    assert refused(tmp_path / "a.png") == "no PNG, JPEG, WEBP picture"
    assert "no PNG" in refused(saved(Image.fromarray(PIXELS), "b.png", format="GIF"))
    assert "No such file" in refused(tmp_path / "none.png")
    (tmp_path / "folder.png").mkdir()
    assert refused(tmp_path / "folder.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert refused(tmp_path / "pipe.png") == "no regular file"


@pytest.mark.parametrize("side", [4100, 12_000, 60_000])
def test_a_huge_header_is_refused_without_decoding_it(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, zlib.compress(bytes(1000))))
    assert "pixels" in refused(path)


def test_a_bomb_of_real_pixels_takes_no_memory(tmp_path):
    side = 20_000
    stream = zlib.compressobj(9)
    rows = b"".join(stream.compress(bytes(1 + 3 * side)) for _ in range(side)) + stream.flush()
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, rows))
    code = (
        "import sys, resource, pathlib; from eval.read_picture import read_picture, Unreadable\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_picture(pathlib.Path(sys.argv[1]))\n"
        "except Unreadable as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    reason, grown = done.stdout.splitlines()
    assert "more than" in reason
    assert int(grown) < 64 * 1024  # KiB; the picture would be 1.2 GB


def test_a_text_chunk_that_unpacks_to_gigabytes_is_unreadable(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    data = buffer.getvalue()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80 * 2**20), 9))
    (tmp_path / "a.png").write_bytes(data[:33] + text + data[33:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "damaged" in refused(tmp_path / "a.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 * 1024
