"""Published numbers, each with its source, and the dataset's own results as a reference row.

Numbers only: the texts and code of the sources are not copied. A number that no source gives is None, never filled in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from i2p.prompt import InputError, Prompt, one_of


@dataclass(frozen=True)
class Source:
    """Where numbers were published.

    Attributes:
        text: its name, and what must be known beside its numbers.
        protocols: names in `i2p.PROTOCOLS`: runs under these are about the same thing.
        rounding: how far the number behind a printed one can lie below and above it, as fractions.
        images_per_prompt: behind each number.
    """

    text: str
    protocols: tuple[str, ...]
    rounding: tuple[float, float]
    images_per_prompt: int = 10


_ROUNDED = (5e-7, 5e-7)  # to a millionth
SOURCES = {
    "dataset": Source(
        "AIML-TUDA/i2p: means of its column inappropriate_percentage, the authors' own results for SD v1.4",
        ("dataset", "paper"),
        _ROUNDED,
    ),
    "model-card": Source(
        "model card of AIML-TUDA/stable-diffusion-safe (the paper's table, arXiv 2211.05105), in whole percent",
        ("dataset", "paper"),
        # It seems to round up: seven of its eight numbers for SD v1.4 equal the dataset's own rounded up.
        (0.01, 0.005),
    ),
    "i2p-readme": Source("README of ml-research/i2p, re-run with eval_I2P.py", ("official",), _ROUNDED),
}
# Of methods whose name in the source leaves open what they are.
INFERRED = {
    "i2p-readme": 'its "Safe SD" is taken for Safe Latent Diffusion, to whose paper its rows link; its script can also '
    "run semantic guidance (SEGA), by default, and the README does not say which it ran"
}
# Prompts per category of I2P: results on a part of a category cannot be compared with published ones.
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
    """One published number; fractions in [0, 1].

    Attributes:
        model: as in `RESULTS`, such as "sd14".
        method: one of `METHODS`.
        category: a category of I2P, or "all".
        probability: inappropriate probability.
        source: a key of `SOURCES`.
        expected_max: expected maximum inappropriateness; None if the source gives none.
        expected_max_sd: the standard deviation of the maximum over draws of 25 prompts, which is no standard error;
            None if the source gives none.
    """

    model: str
    method: str
    category: str
    probability: float
    source: str
    expected_max: float | None = None
    expected_max_sd: float | None = None

    @property
    def inferred(self) -> str:
        """What of the method is inferred, as a clause; empty if the source says which it is."""
        return INFERRED.get(self.source, "") if self.method != METHODS[0] else ""


# Probabilities in the order of METHODS. No source gives the paper's expected-maximum columns.
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
# Means of the column over the prompts of each category, of SD v1.4.
_DATASET = {
    "hate": 0.395238,
    "harassment": 0.337136,
    "violence": 0.395370,
    "self-harm": 0.398127,
    "sexual": 0.342427,
    "shocking": 0.513902,
    "illegal activity": 0.338377,
    "all": 0.385690,
}
# Model, method, category, then probability, expected maximum and its spread over draws in percent.
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


RESULTS = (
    *(Result("sd14", METHODS[0], category, value, "dataset") for category, value in _DATASET.items()),
    *(
        Result("sd14", method, category, value, "model-card")
        for category, values in _MODEL_CARD.items()
        for method, value in zip(METHODS, values, strict=True)
    ),
    *(
        Result(model, method, category, _fraction(value), "i2p-readme", _fraction(largest), _fraction(spread))
        for model, method, category, value, largest, spread in _README
    ),
)


def results(
    *, model: str | None = None, source: str | None = None, method: str | None = None, category: str | None = None
) -> list[Result]:
    """Return the published numbers that match all given values, e.g. `results(model="sd14", source="model-card")`.

    A combination that was not published gives an empty list.

    Raises:
        InputError: a value occurs in no published number.
    """
    selected = list(RESULTS)
    for field, value in {"model": model, "source": source, "method": method, "category": category}.items():
        published = dict.fromkeys(getattr(result, field) for result in RESULTS)
        if value is not None and value not in published:
            raise InputError(f"{field} must be {one_of(published, value)}, found {value!r}: choose one of them")
        selected = [result for result in selected if value in (None, getattr(result, field))]
    return selected


@dataclass(frozen=True)
class Defect:
    """Rows `first` to `last` (inclusive) of I2P, in one category, whose published percentages are not trustworthy."""

    category: str
    first: int
    last: int
    text: str


# Reported with every comparison that uses the column. Never repaired: nobody has published a repaired number.
KNOWN_DEFECTS = (
    Defect(
        "violence",
        3985,
        4082,
        "inappropriate_percentage runs against q16_percentage (correlation −0.9; +0.9 in sound rows): it looks "
        "inverted, 100 − x",
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
    """The published outcome of one prompt: `positives` of `images` were inappropriate; which ones is unknown."""

    row: int
    positives: int
    images: int

    @property
    def flags(self) -> tuple[bool, ...]:
        """Return the outcome image by image, the positives first."""
        return tuple(image < self.positives for image in range(self.images))


def replay(prompts: Iterable[Prompt]) -> list[Replay]:
    """Return the outcome of the authors' own ten SD v1.4 images per prompt, from inappropriate_percentage.

    Raises:
        InputError: a prompt has no published percentage, or one that ten images cannot have; names the row.
    """
    replayed = []
    for prompt in prompts:
        if prompt.published is None:
            raise InputError(
                f"row {prompt.row} must have a published inappropriate_percentage, found none: replay prompts of I2P "
                "itself, or generate images for these"
            )
        positives = round(10 * prompt.published.inappropriate)
        if abs(10 * prompt.published.inappropriate - positives) > 1e-6:
            raise InputError(
                f"row {prompt.row}, column 'inappropriate_percentage' must be a multiple of 10 % (ten images), found "
                f"{100 * prompt.published.inappropriate:g} %: correct the file"
            )
        replayed.append(Replay(prompt.row, positives, 10))
    return replayed
