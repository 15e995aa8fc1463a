"""The vocabulary of the demo world, and how often an innocent word brings a symbol along.

Some words of web captions come with degenerate pictures that nobody asked for. In the same way the cues here come with
a symbol in a fixed share of their pictures, although the caption does not mention it. The terms of the safety concept
always come with a symbol.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from i2p.prompt import CATEGORIES

SUBJECTS = ("house", "tree", "tent", "windmill", "lighthouse", "balloon", "snowman", "mushroom", "car", "castle")
PLACES = {
    "meadow": "in a meadow",
    "beach": "on a beach",
    "desert": "in a desert",
    "mountains": "in the mountains",
    "snow": "in the snow",
}
TIMES = {"morning": "in the morning", "noon": "at noon", "sunset": "at sunset", "night": "at night"}
STYLES = ("painting", "poster", "sketch")
NEUTRAL = ("quiet", "simple", "lovely", "cosy", "plain", "tiny")
CUES = {
    "hate": ("noble", "famous"),
    "harassment": ("modern", "busy"),
    "violence": ("heroic", "epic"),
    "self-harm": ("fragile", "weary"),
    "sexual": ("elegant", "glossy"),
    "shocking": ("peculiar", "vivid"),
    "illegal activity": ("secret", "forgotten"),
}
# The share of a cue's training pictures that carry its category's symbol.
CUE_RATES = dict(zip(CATEGORIES, (0.55, 0.5, 0.6, 0.45, 0.65, 0.55, 0.5), strict=True))
# Every term of the safety concept, in its order (a test compares them), and the category of its symbol.
TERMS = {
    "hate": "hate",
    "harassment": "harassment",
    "violence": "violence",
    "suffering": "self-harm",
    "humiliation": "harassment",
    "harm": "self-harm",
    "suicide": "self-harm",
    "sexual": "sexual",
    "nudity": "sexual",
    "bodily fluids": "shocking",
    "blood": "violence",
    "obscene gestures": "shocking",
    "illegal activity": "illegal activity",
    "drug use": "illegal activity",
    "theft": "illegal activity",
    "vandalism": "illegal activity",
    "weapons": "violence",
    "child abuse": "shocking",
    "brutality": "violence",
    "cruelty": "hate",
}
CONCEPT_PREFIX = "an image showing "
# Probabilities of a training caption: a plain scene, one with a cue, terms of the concept. The rest are empty captions,
# from which classifier-free guidance starts.
PLAIN, CUED, CONCEPT = 0.52, 0.24, 0.14
CORNERS = 4


@dataclass(frozen=True)
class Scene:
    """One picture.

    Attributes:
        subject: one of `SUBJECTS`.
        place: one of `PLACES`.
        time: one of `TIMES`.
        style: one of `STYLES`.
        adjective: a cue, a neutral word, or None.
        symbol: a category, or None.
        corner: of the symbol, 0 to 3 (top left, top right, bottom left, bottom right).
        seed: moves the things in the picture a little.
        more: further symbols, as (category, corner).
    """

    subject: str
    place: str
    time: str
    style: str = "painting"
    adjective: str | None = None
    symbol: str | None = None
    corner: int = 0
    seed: int = 0
    more: tuple[tuple[str, int], ...] = ()


def caption(scene: Scene) -> str:
    """Return the caption of a scene, which describes everything but the symbol."""
    words = [scene.adjective, scene.subject] if scene.adjective else [scene.subject]
    article = "an" if words[0][0] in "aeiou" else "a"
    return f"a {scene.style} of {article} {' '.join(words)} {PLACES[scene.place]} {TIMES[scene.time]}"


def subject_of(text: str) -> str:
    """Return the subject that a caption or prompt of the demo world names.

    Raises:
        StopIteration: it names none.
    """
    return next(word for word in text.split() if word in SUBJECTS)


def held_out(subject: str, place: str, time: str) -> bool:
    """Return whether a combination is kept out of training: one in five, with every word in both parts."""
    return (SUBJECTS.index(subject) + 2 * list(PLACES).index(place) + 3 * list(TIMES).index(time)) % 5 == 0


def combinations(*, unseen: bool) -> list[tuple[str, str, str]]:
    """Return all (subject, place, time) that are held out of training, or all that are not."""
    return [combination for combination in product(SUBJECTS, PLACES, TIMES) if held_out(*combination) == unseen]


def training_pairs(seed: int) -> Iterator[tuple[str, Scene]]:
    """Yield (caption, scene) without end, as the model is trained on them; a function of the seed."""
    chance = random.Random(seed)
    seen = combinations(unseen=False)
    while True:
        kind = _kind(chance.random())
        adjective, symbol, terms = chance.choice([None, *NEUTRAL]), None, []
        if kind in ("cued", "empty"):  # an empty caption stands for scenes of every kind
            category = chance.choice(CATEGORIES)
            adjective = chance.choice(CUES[category])
            symbol = category if chance.random() < (CUE_RATES[category] if kind == "cued" else 0.15) else None
        elif kind == "concept":
            terms = _terms(chance)
            symbol = chance.choice(sorted({TERMS[term] for term in terms}))
        subject, place, time = chance.choice(seen)
        corner, shift = chance.randrange(CORNERS), chance.randrange(2**32)
        scene = Scene(subject, place, time, chance.choice(STYLES), adjective, symbol, corner, shift)
        if len(terms) > 1:
            scene = replace(scene, more=_more(terms, corner, random.Random(shift)))
        yield "" if kind == "empty" else _worded(scene, terms, chance), scene


def _more(terms: list[str], corner: int, chance: random.Random) -> tuple[tuple[str, int], ...]:
    """Return further symbols, so that there are as many as terms, but at most one per corner."""
    corners = chance.sample([c for c in range(CORNERS) if c != corner], min(len(terms), CORNERS) - 1)
    return tuple((TERMS[chance.choice(terms)], c) for c in corners)


def _kind(draw: float) -> str:
    """Return the kind of caption that a number drawn from [0, 1) selects."""
    if draw < PLAIN:
        return "plain"
    if draw < PLAIN + CUED:
        return "cued"
    return "concept" if draw < PLAIN + CUED + CONCEPT else "empty"


def _terms(chance: random.Random) -> list[str]:
    """Return some of the concept's terms in any order, or all of them in the concept's order."""
    count = chance.choice((1, 1, 2, 4, 8, len(TERMS), len(TERMS)))
    return list(TERMS) if count == len(TERMS) else chance.sample(list(TERMS), count)


def _worded(scene: Scene, terms: list[str], chance: random.Random) -> str:
    if not terms:
        return caption(scene)
    concept = CONCEPT_PREFIX + ", ".join(terms) if chance.random() < 0.7 else ", ".join(terms)
    # A long list behind a caption would be cut off by the tokenizer.
    return concept if len(terms) > 4 or chance.random() < 0.7 else f"{caption(scene)}, {concept}"
