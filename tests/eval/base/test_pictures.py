"""Picture files as others write them: read where there is one way to 8-bit RGB, and otherwise unreadable with why."""

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

from eval.base.errors import Unreadable
from eval.base.pictures import read_picture

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
    grey_and_opaque = Image.merge("LA", [Image.fromarray(grey), Image.new("L", grey.shape[::-1], 255)])
    assert np.array_equal(read_picture(saved(grey_and_opaque)), np.stack([grey] * 3, axis=2))
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
    assert refused(tmp_path / "a.png") == "16 bits per channel"


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
    assert refused(tmp_path / "none.png") == "No such file or directory"
    (tmp_path / "folder.png").mkdir()
    assert refused(tmp_path / "folder.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert refused(tmp_path / "pipe.png") == "not a regular file"


def test_the_largest_picture_and_the_largest_file_are_still_read(tmp_path):
    """Of neither there is enough here, so that each is looked at and found damaged."""
    path = tmp_path / "a.png"
    path.write_bytes(png(4096, 4096, 8, 2, zlib.compress(bytes(1000))))
    assert refused(path).startswith("damaged")
    path.write_bytes(png(4096, 4097, 8, 2, zlib.compress(bytes(1000))))
    assert refused(path) == "4,096 × 4,097 pixels, more than the 16,777,216 that are decoded"
    path.write_bytes(b"")
    os.truncate(path, 64 * 2**20)
    assert refused(path) == "no PNG, JPEG, WEBP picture"
    os.truncate(path, 64 * 2**20 + 1)
    assert refused(path) == "67,108,865 bytes, more than the 67,108,864 that are read"


@pytest.mark.parametrize("side", [4100, 12_000, 60_000])
def test_a_huge_header_is_refused_without_decoding_it(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, zlib.compress(bytes(1000))))
    assert "more than the 16,777,216" in refused(path)


def test_a_bomb_of_real_pixels_takes_no_memory(tmp_path):
    side = 8_000
    stream = zlib.compressobj(1)
    rows = b"".join(stream.compress(bytes(1 + 3 * side)) for _ in range(side)) + stream.flush()
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, rows))
    code = (
        "import sys, resource, pathlib; from eval.base.errors import Unreadable\n"
        "from eval.base.pictures import read_picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_picture(pathlib.Path(sys.argv[1]))\n"
        "except Unreadable as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    reason, grown = done.stdout.splitlines()
    assert "more than" in reason
    assert int(grown) < 64 * 1024  # KiB; the picture would be 192 MB


def with_chunks(path, *chunks: bytes) -> bytes:
    """The same PNG with chunks behind its header, and again before its end."""
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:-12] + b"".join(chunks) + data[-12:])
    return path


LONG = b"steps 20, " * 300_000
BESIDE = {
    "tEXt": b"parameters\0" + LONG,
    "zTXt": b"parameters\0\0" + zlib.compress(LONG),
    "iTXt, packed": b"workflow\0\1\0en\0\0" + zlib.compress(LONG),
    "iTXt, plain": b"workflow\0\0\0en\0\0" + LONG,
    "iCCP": b"a profile\0\0" + zlib.compress(bytes(5_000_000)),
    "zTXt, damaged": b"parameters\0\0" + b"no zlib stream at all",
    "prIv": b"a chunk of its maker's own",
}


@pytest.mark.parametrize("kind", BESIDE)
def test_what_a_png_says_beside_its_pixels_changes_nothing(saved, kind):
    path = with_chunks(saved(Image.fromarray(PIXELS)), chunk(kind[:4].encode(), BESIDE[kind]))
    assert np.array_equal(cv2.imread(str(path))[:, :, ::-1], PIXELS)
    assert np.array_equal(read_picture(path), PIXELS)


def test_thousands_of_texts_change_nothing(saved):
    texts = [chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(100_000))) for n in range(3000)]
    assert np.array_equal(read_picture(with_chunks(saved(Image.fromarray(PIXELS)), *texts)), PIXELS)


def test_the_checksum_of_every_chunk_is_looked_at(saved):
    path = saved(Image.fromarray(PIXELS))
    data = path.read_bytes()
    text = bytearray(chunk(b"tEXt", b"parameters\0steps 20"))
    text[12] ^= 1
    path.write_bytes(data[:33] + text + data[33:])
    assert refused(path) == "damaged (a wrong checksum, byte 33)"


def test_a_length_beyond_the_file_is_damage(saved):
    path = saved(Image.fromarray(PIXELS))
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"\xff\xff\xff\xfftEXt" + data[33:])
    assert refused(path) == "damaged (the file is cut off)"


def test_an_animation_with_a_long_text_is_still_no_one_picture(saved):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    path = saved(frames[0], save_all=True, append_images=frames[1:])
    assert "2 frames" in refused(with_chunks(path, chunk(b"zTXt", BESIDE["zTXt"])))


@pytest.mark.parametrize("where", ["a.png", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_beside_long_texts_is_applied_exactly(saved, where, orientation):
    """Independently: the rows and columns in which EXIF 2.3 says that the first pixel lies."""
    exif = Image.Exif()
    exif[0x0112], exif[0x9286] = orientation, "x" * 60_000
    path = saved(Image.fromarray(PIXELS), where, exif=exif, lossless=True)
    if where == "a.png":
        with_chunks(path, chunk(b"iTXt", BESIDE["iTXt, packed"]))
    turned = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.swapaxes(0, 1),
        6: PIXELS[::-1].swapaxes(0, 1),
        7: PIXELS[::-1, ::-1].swapaxes(0, 1),
        8: PIXELS[:, ::-1].swapaxes(0, 1),
    }
    assert np.array_equal(read_picture(path), turned[orientation])


def test_an_orientation_behind_the_pixels_is_applied_too(saved):
    exif = Image.Exif()
    exif[0x0112] = 3
    data = (path := saved(Image.fromarray(PIXELS))).read_bytes()
    path.write_bytes(data[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + data[-12:])
    assert np.array_equal(read_picture(path), PIXELS[::-1, ::-1])


def test_what_a_decoder_raises_without_a_word_is_named_and_a_lack_of_memory_is_no_damage(saved, monkeypatch):
    def load_with(error):
        def load(picture):
            raise error

        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)

    path = saved(Image.fromarray(PIXELS))
    load_with(IndexError())
    assert refused(path) == "damaged (IndexError)"
    load_with(MemoryError())
    with pytest.raises(MemoryError):
        read_picture(path)


def test_an_exif_that_cannot_be_read_turns_nothing(saved):
    data = (path := saved(Image.fromarray(PIXELS))).read_bytes()
    path.write_bytes(data[:33] + chunk(b"eXIf", b"II*\0\xff\xff\xff\xff no directory") + data[33:])
    assert np.array_equal(read_picture(path), PIXELS)


def test_a_jpeg_or_webp_with_megabytes_beside_its_pixels_is_read(saved):
    smooth = Image.fromarray(cv2.GaussianBlur(PIXELS, (0, 0), 4))
    plain = read_picture(saved(smooth, "a.jpg", quality=95))
    profile, exif = RNG.bytes(4_000_000), Image.Exif()
    exif[0x9286] = "x" * 60_000
    path = saved(smooth, "b.jpg", quality=95, icc_profile=profile, exif=exif, comment=b"y" * 60_000)
    assert path.stat().st_size > 4_000_000
    assert np.array_equal(read_picture(path), plain)
    path = saved(Image.fromarray(PIXELS), "b.webp", lossless=True, icc_profile=profile, xmp=b"x" * 2_000_000)
    assert np.array_equal(read_picture(path), PIXELS)


def test_a_text_that_would_unpack_to_gigabytes_is_never_unpacked(tmp_path, saved):
    """The same block of zeros, packed twice: 4 GiB in a text of 5 MB, and a file of 10 MB."""
    stream = zlib.compressobj(9)
    packed = stream.compress(bytes(2**20)) + stream.flush(zlib.Z_FULL_FLUSH)
    again = stream.compress(bytes(2**20)) + stream.flush(zlib.Z_FULL_FLUSH)
    path = with_chunks(saved(Image.fromarray(PIXELS)), chunk(b"zTXt", b"Comment\0\0" + packed + again * 4095))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert np.array_equal(read_picture(path), PIXELS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
