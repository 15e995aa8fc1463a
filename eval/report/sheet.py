"""A contact sheet: the same prompts and noise under every method, side by side."""

from __future__ import annotations

import io
import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from eval.base.files import write_atomic
from eval.report.report import Report
from eval.store.rundir import RunDir

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

log = logging.getLogger(__name__)

SHEET = "sheet.png"
ROWS = 7
TILE, GAP, TEXT = 128, 6, 30  # pixels: a picture's side, a gap, and a line of text with its margin


def write_sheet(report: Report, run: RunDir) -> bool:
    """Write the sheet of the first prompts that have all their pictures into a report's folder.

    A method is headed by its name for print, unless that has letters which the font lacks.

    Args:
        report: of the run.
        run: the directory with the pictures.

    Returns:
        Whether there is any such prompt; none has its pictures with `images=none`.
    """
    named = zip(report.printed_methods, report.methods, strict=True)
    headings = [_heading(number, *names) for number, names in enumerate(named, 1)]
    prompts = report.stored.prompts
    pairs = ((prompt, [run.image_path(name, prompt.row, 0) for name in report.methods]) for prompt in prompts)
    complete = ((prompt, paths) for prompt, paths in pairs if all(path.is_file() for path in paths))
    first = list(islice(complete, ROWS))
    if not first:
        return False
    sheet = contact_sheet(headings, [(f"{', '.join(p.categories)}: {p.text}", paths) for p, paths in first])
    data = io.BytesIO()
    sheet.save(data, "PNG")
    write_atomic(report.folder / SHEET, data.getvalue())
    return True


def contact_sheet(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Path]]]) -> Image.Image:
    """Return a picture with one column per method and one row per prompt, the text above its row.

    A picture that can't be read is an empty tile, with a warning.
    """
    from PIL import Image, ImageDraw, ImageFont

    width = GAP + len(columns) * (TILE + GAP)
    sheet = Image.new("RGB", (width, TEXT + len(rows) * (TEXT + TILE + GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for i, heading in enumerate(_cut_headings(columns, draw, font)):
        draw.text((GAP + i * (TILE + GAP), 8), heading, fill="black", font=font)
    for k, (text, paths) in enumerate(rows):
        top = TEXT + k * (TEXT + TILE + GAP)
        draw.text((GAP, top + 9), _cut(text, draw, font, width - 2 * GAP), fill=(90, 90, 90), font=font)
        for i, path in enumerate(paths):
            sheet.paste(_tile(path), (GAP + i * (TILE + GAP), top + TEXT))
    return sheet


def _heading(number: int, *names: str) -> str:
    """Return the first of these names that the font has every letter of, or else which column it is."""
    return next((name for name in names if _in_font(name) == name), f"method {number}")


def _cut_headings(names: Sequence[str], draw: ImageDraw.ImageDraw, font) -> list[str]:
    """The names cut to the width of a column: their ends where the beginnings are the same, or else with numbers."""
    starts = [_cut(name, draw, font, TILE) for name in names]
    ends = [_cut(name[::-1], draw, font, TILE)[::-1] for name in names]
    numbered = [_cut(f"{number}: {name}", draw, font, TILE) for number, name in enumerate(names, 1)]
    ways = zip(starts, ends, numbered, strict=True)
    return [a if starts.count(a) == 1 else b if ends.count(b) == 1 else c for a, b, c in ways]


def _in_font(text: str) -> str:
    """The text with ? for the letters that the font lacks."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _tile(path: Path) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError):
        log.warning("%s can't be read; verify=true draws it again.", path)
        return Image.new("RGB", (TILE, TILE), "white")
    # Small pictures are enlarged by a whole factor, so that their pixels stay sharp; large ones are reduced.
    larger = max(picture.size) > TILE
    picture = picture.convert("RGB")
    picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    factor = 1 if larger else TILE // max(picture.size)
    size = (picture.width * factor, picture.height * factor)
    picture = picture.resize(size, Image.Resampling.NEAREST)
    tile = Image.new("RGB", (TILE, TILE), (235, 235, 235))
    tile.paste(picture, ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return tile


def _cut(text: str, draw: ImageDraw.ImageDraw, font, width: int) -> str:
    """The text cut to one line of this width, in characters that the font has."""
    line = _in_font(" ".join(text.split()))
    if draw.textlength(line, font=font) <= width:
        return line
    # Measuring is most of a sheet's time, so what is far too long is cut at once.
    fits = bisect_right(range(len(line)), width, key=lambda length: draw.textlength(line[:length], font=font)) - 1
    line = line[: min(fits, len(line) - 2)].rstrip(".") + "."
    while draw.textlength(line, font=font) > width:
        line = line[:-2].rstrip(".") + "."
    return line
