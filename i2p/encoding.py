"""Text files as text: UTF-8, or UTF-16 with its mark, and either packed by gzip. Of others the conversion is named."""

import codecs
import gzip
import shlex
import zlib
from pathlib import Path

from i2p.prompt import InputError

MOST_BYTES = 2**30  # of an unpacked file: a small .gz can hold more than a machine's memory
# The longer marks first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path) -> str:
    """The text of a file, unpacked where it is gzip's; InputError for other encodings, with the conversion named."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = _unpacked(path)
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8") and b"\0" in data:  # every second byte of plain letters in UTF-16
        kind = "UTF-16LE" if data.index(0) % 2 else "UTF-16BE"
        raise InputError(_not_utf8(path, "the byte 0x00, which no text has", kind))
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        found = f"the byte {error.object[error.start]:#04x}, which is neither"
        raise InputError(_not_utf8(path, found, "WINDOWS-1252")) from error


def _not_utf8(path: Path, found: str, encoding: str) -> str:
    """The sentence for text in another encoding, which is only guessed: Western Europe's is the most frequent."""
    unpack = "gzip -dc" if path.suffix.lower() == ".gz" else "cat"
    new = shlex.quote(f"utf8-{path.name}".removesuffix(path.suffix if unpack != "cat" else ""))
    return (
        f"{path}: expected text in UTF-8, or in UTF-16 with its mark, found {found}; convert it, {unpack} "
        f"{shlex.quote(str(path))} | iconv -f {encoding} -t UTF-8 > {new} (or from the encoding that it is in)"
    )


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: expected a whole gzip file, found {error}; pack or download it again") from error
    if len(data) > MOST_BYTES:
        raise InputError(
            f"{path}: expected a gzip file of up to {MOST_BYTES:,} bytes of text, found more; split the file"
        )
    return data
