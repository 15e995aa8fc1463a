"""The drawing of a scene: sky, ground, subject, style, and last the symbol, if any."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from i2p.demo.subjects import SUBJECTS
from i2p.demo.symbols import draw_symbol
from i2p.demo.world import Scene

SIDE = 64  # pixels
_SCALE = 4  # drawn larger and reduced, which smooths the edges
# Colours of the sky from top to horizon.
_SKIES = {
    "morning": [(150, 190, 225), (250, 225, 205)],
    "noon": [(95, 165, 225), (200, 230, 245)],
    "sunset": [(95, 95, 150), (250, 190, 140)],
    "night": [(18, 24, 60), (60, 75, 125)],
}
# Light on everything below the sky: a factor per channel.
_LIGHT = {
    "morning": (1.0, 0.98, 0.94),
    "noon": (1.0, 1.0, 1.0),
    "sunset": (0.9, 0.74, 0.68),
    "night": (0.5, 0.55, 0.72),
}
_HORIZON = 38


class Brush:
    """Draws on a canvas in pixels of the finished picture, in the light of a time of day."""

    def __init__(self, image: Image.Image, light: tuple[float, float, float] = (1, 1, 1)):
        self._draw, self._light = ImageDraw.Draw(image), light

    def _colour(self, colour) -> tuple[int, ...]:
        return tuple(min(255, round(c * part)) for c, part in zip(colour, self._light, strict=True))

    def polygon(self, points, colour) -> None:
        """Fill a polygon of (x, y) points."""
        self._draw.polygon([(_SCALE * x, _SCALE * y) for x, y in points], fill=self._colour(colour))

    def ellipse(self, x, y, width, height, colour) -> None:
        """Fill an ellipse around (x, y) with the radii `width` and `height`."""
        box = [_SCALE * v for v in (x - width, y - height, x + width, y + height)]
        self._draw.ellipse(box, fill=self._colour(colour))

    def rectangle(self, left, top, right, bottom, colour) -> None:
        """Fill a rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def line(self, points, colour, width=1.0) -> None:
        """Draw a line along (x, y) points."""
        points = [(_SCALE * x, _SCALE * y) for x, y in points]
        self._draw.line(points, fill=self._colour(colour), width=round(_SCALE * width), joint="curve")


def render(scene: Scene) -> np.ndarray:
    """Return the picture of a scene, (64, 64, 3) uint8 RGB; equal scenes give equal pictures."""
    chance = random.Random(scene.seed)
    image = _sky(scene.time)
    _lights(Brush(image), scene.time, chance)
    brush = Brush(image, _LIGHT[scene.time])
    _GROUNDS[scene.place](brush, chance)
    x = 32 + chance.uniform(-3, 3)
    brush.ellipse(x, 56, 15, 2.5, _SHADOWS[scene.place])
    SUBJECTS[scene.subject](brush, x, scene.time == "night")
    image = _STYLES[scene.style](image)
    symbols = () if scene.symbol is None else ((scene.symbol, scene.corner), *scene.more)
    for category, corner in symbols:
        draw_symbol(ImageDraw.Draw(image), category, corner, image.width)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _sky(time: str) -> Image.Image:
    top, horizon = (np.array(colour, float) for colour in _SKIES[time])
    height = np.clip(np.linspace(0, SIDE / _HORIZON, _SCALE * SIDE), 0, 1)[:, None]
    column = (1 - height) * top + height * horizon
    return Image.fromarray(np.repeat(column[:, None].round().astype(np.uint8), _SCALE * SIDE, axis=1))


def _lights(brush: Brush, time: str, chance: random.Random) -> None:
    x = chance.choice((13, 51)) + chance.uniform(-2, 2)
    if time == "night":
        for k in range(14):
            brush.ellipse((k * 23 + chance.uniform(-4, 4)) % 64, (k * 7) % 30 + 2, 0.45, 0.45, (225, 230, 245))
        brush.ellipse(x, 12, 4.5, 4.5, (240, 240, 225))
        brush.ellipse(x + 2, 10.8, 3.8, 3.8, (26, 33, 72))
    elif time == "noon":
        brush.ellipse(x, 10, 4.5, 4.5, (255, 250, 225))
        for dx, y in ((-26, 12), (8, 20)):
            for k, r in ((0, 3), (4, 4), (8, 2.8)):
                brush.ellipse((x + dx + k) % 64, y - r / 4, r, r * 0.7, (250, 252, 255))
    elif time == "morning":
        brush.ellipse(x, 31, 5.5, 5.5, (255, 244, 214))
        brush.rectangle(0, 24, 64, 25, (252, 236, 220))
    else:
        brush.ellipse(x, 33, 7, 7, (255, 226, 170))
        for y, w in ((18, 13), (25, 17)):
            brush.ellipse(64 - x, y, w, 0.9, (190, 150, 165))


def _meadow(brush: Brush, chance: random.Random) -> None:
    brush.ellipse(10, 52, 34, 17, (125, 175, 110))
    brush.ellipse(56, 54, 34, 18, (110, 165, 100))
    brush.polygon([(0, 46), (64, 44), (64, 64), (0, 64)], (130, 190, 95))
    for k in range(12):
        x, y = (k * 17 + chance.uniform(-2, 2)) % 64, 50 + (k * 5) % 13
        brush.ellipse(x, y, 0.8, 0.8, ((245, 240, 225), (235, 205, 215), (240, 225, 170))[k % 3])


def _beach(brush: Brush, chance: random.Random) -> None:
    brush.rectangle(0, _HORIZON, 64, 50, (80, 150, 185))
    for k in range(4):
        brush.ellipse(8 + 16 * k + chance.uniform(-3, 3), 41 + 2 * (k % 3), 5, 0.5, (175, 215, 225))
    brush.polygon([(0, 48), (20, 46.5), (44, 48), (64, 46), (64, 64), (0, 64)], (232, 240, 238))
    brush.polygon([(0, 49.5), (20, 48), (44, 49.5), (64, 47.5), (64, 64), (0, 64)], (236, 216, 170))


def _desert(brush: Brush, chance: random.Random) -> None:
    brush.polygon([(0, 42), (16, 36), (34, 44), (50, 37), (64, 43), (64, 64), (0, 64)], (226, 186, 128))
    brush.polygon([(0, 48), (24, 43), (64, 50), (64, 64), (0, 64)], (240, 205, 150))
    x = chance.choice((7, 57)) + chance.uniform(-1, 1)
    green = (100, 140, 95)
    brush.line([(x, 52), (x, 38)], green, 2.4)
    brush.line([(x - 3.5, 41), (x - 3.5, 46), (x, 46)], green, 1.8)
    brush.line([(x + 3.5, 39), (x + 3.5, 44), (x, 44)], green, 1.8)


def _mountains(brush: Brush, chance: random.Random) -> None:
    shift = chance.uniform(-2, 2)
    for x, y, w, colour in (
        (50, 20, 20, (140, 150, 175)),
        (14, 16, 22, (120, 130, 158)),
        (36, 27, 16, (105, 118, 145)),
    ):
        x += shift
        brush.polygon([(x - w, 48), (x, y), (x + w, 48)], colour)
        h = (48 - y) * 0.28
        cap = w * 0.28
        points = [
            (x - cap, y + h),
            (x, y),
            (x + cap, y + h),
            (x + cap / 2, y + h * 0.7),
            (x, y + h),
            (x - cap / 2, y + h * 0.7),
        ]
        brush.polygon(points, (240, 244, 250))
    brush.polygon([(0, 47), (30, 45), (64, 47), (64, 64), (0, 64)], (135, 150, 125))


def _snow(brush: Brush, chance: random.Random) -> None:
    brush.ellipse(50, 58, 40, 18, (215, 226, 238))
    brush.polygon([(0, 47), (30, 44), (64, 48), (64, 64), (0, 64)], (240, 245, 250))
    for x, base in ((6, 50), (12, 48), (58, 49)):
        x += chance.uniform(-1, 1)
        for k in range(3):
            y = base - 4 * k
            brush.polygon([(x - 4 + k, y), (x, y - 7), (x + 4 - k, y)], (85, 125, 115))
            brush.polygon([(x - 1.6 + k / 3, y - 4), (x, y - 7), (x + 1.6 - k / 3, y - 4)], (240, 245, 250))


def _painting(image: Image.Image) -> Image.Image:
    return image


def _poster(image: Image.Image) -> Image.Image:
    flat = ImageOps.posterize(ImageEnhance.Color(image).enhance(1.25), 3)
    draw, edge = ImageDraw.Draw(flat), 3 * _SCALE
    for inset, colour, width in ((0, (248, 240, 222), edge), (edge, (70, 75, 95), _SCALE)):
        draw.rectangle((inset, inset, flat.width - 1 - inset, flat.height - 1 - inset), outline=colour, width=width)
    return flat


def _sketch(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(
        ImageOps.autocontrast(image.convert("L"), 1), (75, 55, 45), (250, 243, 228), (178, 152, 125)
    )


_GROUNDS = {"meadow": _meadow, "beach": _beach, "desert": _desert, "mountains": _mountains, "snow": _snow}
_SHADOWS = {
    "meadow": (105, 160, 80),
    "beach": (212, 190, 145),
    "desert": (214, 176, 122),
    "mountains": (112, 126, 104),
    "snow": (208, 218, 232),
}
_STYLES = {"painting": _painting, "poster": _poster, "sketch": _sketch}
