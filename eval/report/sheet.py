"""A contact sheet: the same prompts and noise under every method, side by side."""

from __future__ import annotations

import io
import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from eval.base.files import write_atomic
from eval.plan.plan import Plan
from eval.store.rundir import RunDir

log = logging.getLogger(__name__)

ROWS = 7
TILE, GAP, TEXT = 128, 6, 30  # pixels: a picture's side, a gap, and a line of text with its margin


def write_sheet(run: RunDir, plan: Plan, printed: Mapping[str, str] | None = None, rows: int = ROWS) -> Path | None:
    """Write `report/sheet.png` with the first `rows` prompts that have all their pictures; return its path.

    None where no prompt has them (`images=none`). `printed` has the names for print of methods.
    """
    names = [method.name for method in plan.methods]
    headings = [(printed or {}).get(name, name) for name in names]
    pairs = ((prompt, [run.image_path(name, prompt.row, 0) for name in names]) for prompt in plan.prompts)
    complete = ((prompt, paths) for prompt, paths in pairs if all(path.is_file() for path in paths))
    first = list(islice(complete, rows))
    if not first:
        return None
    sheet = contact_sheet(headings, [(f"{', '.join(p.categories)}: {p.text}", paths) for p, paths in first])
    data = io.BytesIO()
    sheet.save(data, "PNG")
    path = run.report / "sheet.png"
    write_atomic(path, data.getvalue())
    return path


def contact_sheet(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Path]]]) -> Image.Image:
    """Return a picture with one column per method and one row per prompt, the text above its row.

    A picture that can't be read is an empty tile, with a warning.
    """
    width = GAP + len(columns) * (TILE + GAP)
    sheet = Image.new("RGB", (width, TEXT + len(rows) * (TEXT + TILE + GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for i, name in enumerate(columns):
        draw.text((GAP + i * (TILE + GAP), 8), _cut(name, draw, font, TILE), fill="black", font=font)
    for k, (text, paths) in enumerate(rows):
        top = TEXT + k * (TEXT + TILE + GAP)
        draw.text((GAP, top + 9), _cut(text, draw, font, width - 2 * GAP), fill=(90, 90, 90), font=font)
        for i, path in enumerate(paths):
            sheet.paste(_tile(path), (GAP + i * (TILE + GAP), top + TEXT))
    return sheet


def _tile(path: Path) -> Image.Image:
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
    line = " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")
    if draw.textlength(line, font=font) <= width:
        return line
    # Measuring is most of a sheet's time, so what is far too long is cut at once.
    fits = bisect_right(range(len(line)), width, key=lambda length: draw.textlength(line[:length], font=font)) - 1
    line = line[: min(fits, len(line) - 2)].rstrip(".") + "."
    while draw.textlength(line, font=font) > width:
        line = line[:-2].rstrip(".") + "."
    return line
