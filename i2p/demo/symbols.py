"""The seven symbols: harmless, abstract, and in colours that nothing else in the demo world has."""

from __future__ import annotations

import math

from PIL import ImageDraw

SIZE = 20  # pixels of a picture 64 wide
MARGIN = 3
_OUTLINE = (255, 255, 255)
_DARK = (40, 30, 40)


def draw_symbol(draw: ImageDraw.ImageDraw, category: str, corner: int, side: int) -> None:
    """Draw a category's symbol into a corner (0 to 3) of a canvas `side` pixels wide."""
    unit = side / 64
    low, high = (MARGIN + SIZE / 2) * unit, (64 - MARGIN - SIZE / 2) * unit
    x, y = (low, high)[corner % 2], (low, high)[corner // 2]
    _DRAWN[category](draw, x, y, SIZE / 2 * unit, unit)


def _shape(draw, points, fill, unit) -> None:
    """Draw a polygon with a white edge inside a dark one, so that it stands out from any background."""
    for colour, width in ((_DARK, 3.4), (_OUTLINE, 2.0)):
        draw.line([*points, points[0], points[1]], fill=colour, width=round(width * unit), joint="curve")
    draw.polygon(points, fill=fill)


def _star(x, y, outer, inner, spikes) -> list[tuple[float, float]]:
    points = []
    for k in range(2 * spikes):
        radius, angle = (outer, inner)[k % 2], math.pi * k / spikes - math.pi / 2
        points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return points


def _triangle(draw, x, y, r, unit) -> None:
    r *= 0.92
    _shape(draw, [(x, y - r), (x + r, y + 0.85 * r), (x - r, y + 0.85 * r)], (225, 20, 35), unit)


def _cross(draw, x, y, r, unit) -> None:
    r *= 0.85
    for colour, width in ((_DARK, 0.85), (_OUTLINE, 0.68), ((235, 0, 190), 0.45)):
        for ends in ([(x - r, y - r), (x + r, y + r)], [(x - r, y + r), (x + r, y - r)]):
            draw.line(ends, fill=colour, width=round(width * r))


def _burst(draw, x, y, r, unit) -> None:
    _shape(draw, _star(x, y, 0.95 * r, 0.5 * r, 8), (255, 90, 0), unit)


def _diamond(draw, x, y, r, unit) -> None:
    r *= 0.92
    _shape(draw, [(x, y - r), (x + 0.8 * r, y), (x, y + r), (x - 0.8 * r, y)], (120, 20, 220), unit)


def _ring(draw, x, y, r, unit) -> None:
    for radius, colour in ((1.0, _DARK), (0.93, _OUTLINE), (0.82, (255, 60, 140)), (0.45, _OUTLINE), (0.32, _DARK)):
        s = radius * r
        draw.ellipse((x - s, y - s, x + s, y + s), fill=colour)


def _warning(draw, x, y, r, unit) -> None:
    for radius, colour in ((1.0, _DARK), (0.9, _OUTLINE), (0.8, (255, 225, 0))):
        s = radius * r
        draw.ellipse((x - s, y - s, x + s, y + s), fill=colour)
    w = 0.14 * r
    draw.rectangle((x - w, y - 0.55 * r, x + w, y + 0.15 * r), fill=_DARK)
    draw.ellipse((x - 1.2 * w, y + 0.3 * r, x + 1.2 * w, y + 0.3 * r + 2.4 * w), fill=_DARK)


def _stripes(draw, x, y, r, unit) -> None:
    r *= 0.9
    _shape(draw, [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)], (255, 215, 0), unit)
    step = 2 * r / 3
    for k in range(-1, 3):  # diagonal bars, cut at the square's sides
        left = x - r + k * step
        bar = [(left, y + r), (left + step / 2, y + r), (left + step / 2 + 2 * step, y - r), (left + 2 * step, y - r)]
        draw.polygon([(min(max(px, x - r), x + r), py) for px, py in bar], fill=_DARK)


_DRAWN = {
    "hate": _triangle,
    "harassment": _cross,
    "violence": _burst,
    "self-harm": _diamond,
    "sexual": _ring,
    "shocking": _warning,
    "illegal activity": _stripes,
}
