"""The subjects of the demo world, each centred on x, standing on y = 56 and about 30 pixels high."""

from __future__ import annotations

import math

_LIT = (255, 235, 165)
_GLASS = (120, 150, 175)
_WOOD = (125, 92, 70)
_STONE = (170, 165, 165)
_WHITE = (245, 242, 235)


def _window(night: bool) -> tuple[int, int, int]:
    # Brighter than white paint, since night darkens every colour.
    return tuple(2 * c for c in _LIT) if night else _GLASS


def _house(b, x, night) -> None:
    b.rectangle(x - 12, 38, x + 12, 56, (235, 215, 190))
    b.polygon([(x - 15, 39), (x, 26), (x + 15, 39)], (150, 85, 70))
    b.rectangle(x + 6, 26, x + 9, 34, (140, 80, 68))
    b.rectangle(x - 3, 46, x + 3, 56, _WOOD)
    for dx in (-8, 8):
        b.rectangle(x + dx - 2.5, 42, x + dx + 2.5, 47, _window(night))


def _tree(b, x, night) -> None:
    b.polygon([(x - 2.5, 56), (x - 1.5, 38), (x + 1.5, 38), (x + 2.5, 56)], _WOOD)
    for dx, y, r in ((-7, 38, 7), (7, 38, 7), (0, 31, 9)):
        b.ellipse(x + dx, y, r, r, (75, 130, 75))
    for dx, y, r in ((-8, 35.5, 4), (4, 35.5, 4), (-2, 28, 5)):
        b.ellipse(x + dx, y, r, r, (100, 155, 90))


def _tent(b, x, night) -> None:
    b.polygon([(x - 15, 56), (x, 33), (x + 15, 56)], (85, 130, 150))
    b.polygon([(x, 33), (x + 15, 56), (x + 4, 56)], (65, 105, 128))
    b.polygon([(x - 5, 56), (x, 42), (x + 4, 56)], _window(night) if night else (50, 65, 80))
    b.line([(x, 33), (x, 29)], _WOOD, 1)
    b.polygon([(x, 29), (x + 5, 30.5), (x, 32)], (225, 180, 110))


def _windmill(b, x, night) -> None:
    b.polygon([(x - 7, 56), (x - 4, 34), (x + 4, 34), (x + 7, 56)], (225, 215, 200))
    b.polygon([(x - 5, 34), (x, 28), (x + 5, 34)], (120, 90, 80))
    b.rectangle(x - 2, 48, x + 2, 56, _WOOD)
    b.rectangle(x - 1.5, 40, x + 1.5, 43, _window(night))
    for k in range(4):
        angle = math.pi / 4 + k * math.pi / 2
        c, s = math.cos(angle), math.sin(angle)
        tip = (x + 14 * c, 34 + 14 * s)
        b.polygon(
            [(x, 34), tip, (tip[0] - 3.5 * s, tip[1] + 3.5 * c), (x - 3.5 * s + 4 * c, 34 + 3.5 * c + 4 * s)], _WHITE
        )
        b.line([(x, 34), tip], _WOOD, 1.2)


def _lighthouse(b, x, night) -> None:
    if night:
        b.polygon([(x, 28), (x - 32, 20), (x - 32, 32)], (150, 150, 150))
    for k in range(5):
        w, v = 6.5 - 0.7 * k, 5.8 - 0.7 * k
        top, bottom = 50.8 - 5.2 * k, 56 - 5.2 * k
        colour = (60, 105, 150) if k % 2 else _WHITE
        b.polygon([(x - w, bottom), (x - v, top), (x + v, top), (x + w, bottom)], colour)
    b.rectangle(x - 4.5, 29, x + 4.5, 30.5, (70, 75, 90))
    b.rectangle(x - 2.5, 24, x + 2.5, 29, _window(night) if night else (240, 225, 170))
    b.polygon([(x - 4, 24.5), (x, 20), (x + 4, 24.5)], (60, 105, 150))


def _balloon(b, x, night) -> None:
    b.line([(x - 7, 33), (x - 2.5, 44)], _WOOD, 0.7)
    b.line([(x + 7, 33), (x + 2.5, 44)], _WOOD, 0.7)
    b.rectangle(x - 3, 43.5, x + 3, 48, (160, 118, 80))
    b.ellipse(x, 25, 12, 12.5, (95, 160, 165))
    b.ellipse(x, 25, 7.5, 12.5, (240, 225, 195))
    b.ellipse(x, 25, 3, 12.5, (95, 160, 165))


def _snowman(b, x, night) -> None:
    for y, r in ((48.5, 8), (37.5, 5.8), (29.5, 4.3)):
        b.ellipse(x + 0.6, y + 0.6, r, r, (195, 208, 225))
        b.ellipse(x, y, r - 0.4, r - 0.4, (250, 252, 255))
    b.rectangle(x - 5, 25, x + 5, 26.5, (60, 60, 75))
    b.rectangle(x - 3, 20, x + 3, 26, (60, 60, 75))
    for dx in (-1.6, 1.6):
        b.ellipse(x + dx, 28.8, 0.6, 0.6, (50, 50, 60))
    b.polygon([(x, 30), (x + 4.5, 31), (x, 31.4)], (225, 160, 95))
    b.line([(x - 4.5, 33.5), (x + 4.5, 33.5)], (90, 135, 120), 1.8)
    for side in (-1, 1):
        b.line([(x + side * 5, 37), (x + side * 11, 33)], _WOOD, 0.9)


def _mushroom(b, x, night) -> None:
    b.polygon([(x - 4, 56), (x - 3, 40), (x + 3, 40), (x + 4, 56)], (240, 230, 210))
    b.ellipse(x, 38, 14, 10, (165, 110, 80))
    b.ellipse(x, 42, 13.5, 3.5, (225, 205, 180))
    b.polygon([(x - 3.2, 44), (x + 3.2, 44), (x + 4, 56), (x - 4, 56)], (240, 230, 210))
    for dx, y, r in ((-6, 35, 2.2), (4, 32.5, 2.6), (9, 37, 1.5), (-1, 38, 1.4)):
        b.ellipse(x + dx, y, r, r * 0.8, (245, 235, 215))


def _car(b, x, night) -> None:
    b.polygon([(x - 9, 46), (x - 6, 39), (x + 5, 39), (x + 10, 46)], (80, 130, 120))
    b.polygon([(x - 7, 45.5), (x - 5, 40.5), (x - 1, 40.5), (x - 1, 45.5)], _window(night))
    b.polygon([(x + 0.5, 45.5), (x + 0.5, 40.5), (x + 4.3, 40.5), (x + 7.8, 45.5)], _window(night))
    b.rectangle(x - 15, 45.5, x + 15, 53, (80, 130, 120))
    b.rectangle(x - 15, 50.5, x + 15, 53, (62, 108, 100))
    b.ellipse(x + 14, 48, 1.3, 1.3, _window(True) if night else (250, 240, 200))
    for dx in (-8.5, 8.5):
        b.ellipse(x + dx, 53, 4, 4, (50, 52, 60))
        b.ellipse(x + dx, 53, 1.8, 1.8, (190, 195, 200))


def _castle(b, x, night) -> None:
    b.rectangle(x - 9, 40, x + 9, 56, _STONE)
    for side in (-1, 1):
        t = x + side * 11.5
        b.rectangle(t - 4, 33, t + 4, 56, (185, 180, 180))
        b.polygon([(t - 5, 33.5), (t, 23), (t + 5, 33.5)], (90, 105, 150))
        b.rectangle(t - 1, 38, t + 1, 42, _window(night))
    for k in range(4):
        b.rectangle(x - 7.5 + 4 * k, 37.5, x - 5 + 4 * k, 41, _STONE)
    b.ellipse(x, 50, 3.5, 4, (80, 65, 60))
    b.rectangle(x - 3.5, 50, x + 3.5, 56, (80, 65, 60))


SUBJECTS = {
    "house": _house,
    "tree": _tree,
    "tent": _tent,
    "windmill": _windmill,
    "lighthouse": _lighthouse,
    "balloon": _balloon,
    "snowman": _snowman,
    "mushroom": _mushroom,
    "car": _car,
    "castle": _castle,
}
