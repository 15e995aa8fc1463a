"""What the planning of a run is asked, read from the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

from eval.base.errors import InputError
from eval.base.values import whole_number
from i2p.cells import number

T = TypeVar("T")
# Keys that say where the numbers come from; those of one line belong together.
SOURCES = {
    "pilot": ("pilot",),
    "share": ("share", "alike", "group", "group_alike"),
    "prompts.path": ("prompts.path", "prompts.revision"),
}
CORRELATIONS = ("correlation_prompts", "correlation_noise")


@dataclass(frozen=True)
class Options:
    """What is asked; fractions in [0, 1], as all numbers of a run, though points and percent are typed.

    Attributes:
        pilot: a run directory; None for other sources.
        path: a file of prompts, with published percentages unless a pilot shows them; None for I2P from the hub.
        revision: of I2P on the hub.
        share: an assumed inappropriate probability; None where a source tells it.
        alike, group, group_alike: as in `eval.power.spread.assumed`.
        correlation_prompts, correlation_noise: as in `eval.power.spread.assumed_difference`.
        width: wanted half of an interval.
        difference: to be found with the chance `power`.
        power: that chance.
        level: of the test, and 1 - confidence of the intervals.
        images: numbers of images per prompt to choose among; None for the source's own choice.
        prompts: numbers of prompts of the run; None for all that exist.
        categories: that are chosen; None for all.
        methods: whose denoiser calls are counted; None for the source's own choice.
        steps: denoiser calls of an image; None for the source's own choice.
        out: a csv file; None for none.
    """

    pilot: str | None = None
    path: str | None = None
    revision: str | None = None
    share: float | None = None
    alike: float = 0.35
    group: float = 1.0
    group_alike: float = 0.6
    correlation_prompts: float = 0.7
    correlation_noise: float = 0.3
    width: float | None = None
    difference: float | None = None
    power: float = 0.8
    level: float = 0.05
    images: tuple[int, ...] | None = None
    prompts: tuple[int, ...] | None = None
    categories: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None
    steps: int | None = None
    out: str | None = None


def _number(low: float, high: float, what: str, scale: float = 1.0, ends: bool = False) -> Callable[[str, str], float]:
    """Return a reader of numbers between `low` and `high` as typed, with or without the ends."""

    def read(key: str, word: str) -> float:
        value = number(word)
        if value is None or not (low < value < high or (ends and value in (low, high))):
            raise InputError(f"{key} must be {what}, found {word!r}: correct it")
        return value / scale

    return read


def _counts(key: str, word: str, least: int = 1) -> tuple[int, ...]:
    values = {part.strip(): whole_number(part.strip()) for part in word.removeprefix("[").removesuffix("]").split(",")}
    for part, value in values.items():
        if value is None or not least <= value < 10**8:
            raise InputError(
                f"{key} must be whole numbers from {least} up, joined by commas, found {part!r}: correct it"
            )
    return tuple(dict.fromkeys(values.values()))


def _steps(key: str, word: str) -> int:
    if (value := whole_number(word)) is None or not 1 <= value <= 10_000:
        raise InputError(f"{key} must be a whole number from 1 to 10,000, found {word!r}: correct it")
    return value


def _names(key: str, word: str) -> tuple[str, ...]:
    names = [part.strip() for part in word.removeprefix("[").removesuffix("]").split(",")]
    if not all(names):
        raise InputError(f"{key} must be names joined by commas, found {word!r}: correct it")
    return tuple(dict.fromkeys(names))


def _text(key: str, word: str) -> str:
    return word


_POINTS = "a number of points above 0 and below"
_CORRELATION = _number(-1, 1, "a correlation from -1 to 1", ends=True)
READERS: dict[str, Callable[[str, str], object]] = {
    "pilot": _text,
    "prompts.path": _text,
    "prompts.revision": _text,
    "share": _number(0, 1, "a fraction above 0 and below 1"),
    "alike": _number(0, 1, "a correlation from 0 to 1", ends=True),
    "group": _number(1, 1e6, "a number of prompts of 1 or more", ends=True),
    "group_alike": _number(0, 1, "a correlation from 0 to 1", ends=True),
    "correlation_prompts": _CORRELATION,
    "correlation_noise": _CORRELATION,
    "width": _number(0, 50, f"{_POINTS} 50", 100),
    "difference": _number(0, 100, f"{_POINTS} 100", 100),
    "power": _number(0.5, 1, "a chance above 0.5 and below 1"),
    "level": _number(1e-6, 0.5, "a chance above 0.000001 and below 0.5"),
    "images": _counts,
    "prompts": lambda key, word: _counts(key, word, 2),
    "categories": _names,
    "methods": _names,
    "steps": _steps,
    "out": _text,
}


def read_options(words: Mapping[str, str]) -> Options:
    """Return what the command line asks.

    Args:
        words: value by key, as typed; the keys are those of `READERS`.

    Raises:
        InputError: a value is none, or two keys exclude one another.
    """
    values = {key.rpartition("prompts.")[2]: READERS[key](key, word) for key, word in words.items()}
    options = Options(**{name: values[name] for name in (field.name for field in fields(Options)) if name in values})
    named = [source for source, keys in SOURCES.items() if any(key in words for key in keys)]
    if len(named) > 1 and named != ["pilot", "prompts.path"]:
        raise InputError(
            f"the numbers must come from one source, found {' and '.join(named)}: leave {named[1]}= and what belongs "
            "to it out"
        )
    if named == ["share"] and "share" not in words:
        alone = next(key for key in SOURCES["share"] if key in words)
        raise InputError(f"{alone} must go with an assumed share, found none: add share=0.35")
    if options.pilot is not None and (idle := [key for key in CORRELATIONS if key in words]):
        raise InputError(
            f"{idle[0]} must go with a plan without pilot, which measures it, found both: leave {idle[0]}= out"
        )
    return options
