"""Text files decoded: UTF-8, or UTF-16 with a byte order mark, either of them possibly packed by gzip."""

import codecs
import gzip
import shlex
import zlib
from pathlib import Path

from i2p.prompt import InputError

MOST_BYTES = 2**30  # of an unpacked file: a small .gz can hold more than a machine's memory
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path) -> str:
    """Return the text of a file, unpacked if it is packed by gzip.

    Raises:
        InputError: the text has another encoding; the sentence names the command that converts it.
    """
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
        problem = f"the byte {error.object[error.start]:#04x}, which is neither"
        raise InputError(_not_utf8(path, problem, "WINDOWS-1252")) from error


def _not_utf8(path: Path, problem: str, encoding: str) -> str:
    """Return the sentence about another encoding, which is a guess: Western European ones are the most frequent."""
    unpack = "gzip -dc" if path.suffix.lower() == ".gz" else "cat"
    new = shlex.quote(f"utf8-{path.name}".removesuffix(path.suffix if unpack != "cat" else ""))
    return (
        f"{path} must be text in UTF-8, or in UTF-16 with a byte order mark, found {problem}: convert it, {unpack} "
        f"{shlex.quote(str(path))} | iconv -f {encoding} -t UTF-8 > {new} (or from the encoding that it really has)"
    )


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(MOST_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} must be a complete gzip file, found {error}: pack or download it again") from error
    if len(data) > MOST_BYTES:
        raise InputError(
            f"{path} must be a gzip file with at most {MOST_BYTES:,} bytes of text, found more: split the file"
        )
    return data
