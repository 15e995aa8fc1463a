"""Published numbers, each with its source, and the dataset's own results as a reference row.

Figures only: the texts and codes of the sources stay theirs. A number that no source gives is None, never filled in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from i2p.prompt import InputError, Prompt, one_of

SOURCES = {
    "model-card": "model card of AIML-TUDA/stable-diffusion-safe (the paper's table, arXiv 2211.05105)",
    "i2p-readme": "README of ml-research/i2p, re-run with eval_I2P.py",
}
# One unit of the last digit that a source prints, as a fraction. The model card seems to round up: seven of its eight
# numbers for SD v1.4 are the dataset's own results, replayed, rounded up.
ROUNDING = {"model-card": 0.01, "i2p-readme": 1e-6}
# Prompts of each category of I2P: a part of a category is not what was published.
PROMPTS = {
    "hate": 231,
    "harassment": 824,
    "violence": 756,
    "self-harm": 801,
    "sexual": 931,
    "shocking": 856,
    "illegal activity": 727,
    "all": 4703,
}
METHODS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")


@dataclass(frozen=True)
class Result:
    """One published number. Fractions in [0, 1]; `category` may be "all"; None where the source gives nothing.

    `protocol` is the one of `i2p.PROTOCOLS` under which the source says it ran.
    """

    model: str
    method: str
    category: str
    probability: float
    source: str
    expected_max: float | None = None
    expected_max_sd: float | None = None
    protocol: str | None = None


# Probabilities in the order of METHODS. The paper's expected-maximum columns were found in no source.
_MODEL_CARD = {
    "hate": (0.40, 0.27, 0.20, 0.15, 0.09),
    "harassment": (0.34, 0.24, 0.17, 0.13, 0.09),
    "violence": (0.43, 0.36, 0.23, 0.17, 0.14),
    "self-harm": (0.40, 0.27, 0.16, 0.10, 0.07),
    "sexual": (0.35, 0.23, 0.14, 0.09, 0.06),
    "shocking": (0.52, 0.41, 0.30, 0.20, 0.13),
    "illegal activity": (0.34, 0.23, 0.14, 0.09, 0.06),
    "all": (0.39, 0.29, 0.19, 0.13, 0.09),
}
# Model, method, category, then probability, expected maximum and its standard deviation in percent.
_README = (
    ("sd14", "baseline", "all", 37.7504, 97.0609, 6.2414),
    ("sd14", "sld_strong", "all", 11.5990, 68.8087, 20.7969),
    ("sd14", "baseline", "sexual", 28.5392, 86.5960, 11.5085),
    ("sd14", "sld_medium", "sexual", 14.9731, 71.7280, 17.2618),
    ("sd14", "sld_strong", "sexual", 4.8335, 39.3735, 17.5645),
    ("sd14", "sld_max", "sexual", 1.6219, 17.2658, 9.3218),
    ("sd20", "baseline", "sexual", 22.5027, 86.3420, 13.1672),
    ("sd20", "sld_strong", "sexual", 3.7809, 33.5578, 16.5860),
    ("sd21", "baseline", "sexual", 21.9012, 85.5753, 13.1386),
    ("sd21", "sld_strong", "sexual", 3.3190, 29.8322, 16.4602),
)


def _fraction(percent: float) -> float:
    return round(percent / 100, 6)


RESULTS = tuple(
    Result("sd14", method, category, value, "model-card")
    for category, values in _MODEL_CARD.items()
    for method, value in zip(METHODS, values, strict=True)
) + tuple(
    Result(model, method, category, _fraction(value), "i2p-readme", _fraction(largest), _fraction(sd), "official")
    for model, method, category, value, largest, sd in _README
)


def results(
    *, model: str | None = None, source: str | None = None, method: str | None = None, category: str | None = None
) -> list[Result]:
    """The published numbers that fit what is given, e.g. `results(model="sd14", source="model-card")`.

    InputError on a value that nothing published has; a combination that was not published gives an empty list.
    """
    found = list(RESULTS)
    for field, wanted in {"model": model, "source": source, "method": method, "category": category}.items():
        known = dict.fromkeys(getattr(result, field) for result in RESULTS)
        if wanted is not None and wanted not in known:
            raise InputError(f"{field}: expected {one_of(known, wanted)}, found {wanted!r}; choose one of them")
        found = [result for result in found if wanted in (None, getattr(result, field))]
    return found


@dataclass(frozen=True)
class Defect:
    """Rows `first` to `last` (inclusive) of I2P, of one category, whose published percentages are not to be trusted."""

    category: str
    first: int
    last: int
    text: str


# Reported with every comparison that uses the column, and never repaired: a repaired number is nobody's.
KNOWN_DEFECTS = (
    Defect(
        "violence",
        3985,
        4082,
        "inappropriate_percentage runs against q16_percentage (correlation -0.9; +0.9 in sound rows): it looks "
        "inverted, 100 - x",
    ),
    Defect(
        "violence",
        812,
        1010,
        "inappropriate_percentage does not follow from the q16 and nudity columns (correlation with q16 0.3; 0.9 in "
        "sound rows)",
    ),
)


class Replay(NamedTuple):
    """One prompt's published outcome: `positives` of `images` were inappropriate. Which of them is not known."""

    row: int
    positives: int
    images: int

    @property
    def flags(self) -> tuple[bool, ...]:
        """The outcome image by image, the positives first."""
        return tuple(image < self.positives for image in range(self.images))


def replay(prompts: Iterable[Prompt]) -> list[Replay]:
    """The authors' own ten SD v1.4 images a prompt, from inappropriate_percentage.

    InputError, naming the row, where a prompt has no published percentage or one that is not of ten images.
    """
    replayed = []
    for prompt in prompts:
        if prompt.published is None:
            raise InputError(
                f"row {prompt.row}: expected a published inappropriate_percentage, found none; replay prompts of I2P "
                "itself, or generate images for these"
            )
        positives = round(10 * prompt.published.inappropriate)
        if abs(10 * prompt.published.inappropriate - positives) > 1e-6:
            raise InputError(
                f"row {prompt.row}, column 'inappropriate_percentage': expected a multiple of 10 % (ten images), found "
                f"{100 * prompt.published.inappropriate:g} %; correct the file"
            )
        replayed.append(Replay(prompt.row, positives, 10))
    return replayed
