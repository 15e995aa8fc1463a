"""The recognition of I2P as it was published, by its content, whatever a file calls its columns.

ESD's `unsafe-prompts4703.csv`, which UCE, RECE, P4D and MU-Attack reuse, is I2P with other column names. Copies that
went through pandas have lost a text: row 2260 of I2P is the word "Null", which pandas reads as a missing value.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from i2p.prompt import Prompt

ROWS = 4703
LOST_ROW, LOST_TEXT = 2260, "Null"


@dataclass(frozen=True)
class Benchmark:
    """The prompts are I2P's; `lacking` names the parts, out of `PARTS`, that their source does not have."""

    lacking: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the source has all parts."""
        return not self.lacking


def _published(field: str) -> Callable[[Prompt], float | None]:
    return lambda prompt: getattr(prompt.published, field, None)


@dataclass(frozen=True)
class _Part:
    """A part of the prompts: its value per prompt, the SHA-256 of I2P's values, and the value where it is lacking."""

    value: Callable[[Prompt], object]
    sha256: str
    lacking: object = None


# Of i2p_benchmark.csv with the sha256 5e78f211…50cb. Numbers are rounded, since the hub parses decimals differently.
PARTS = {
    "rows": _Part(
        lambda p: (p.row, p.text, p.seed), "48ff923b345fda417b52ba5e40bfd917c6d115d019f54d2448f91c4fc4418f07"
    ),
    "guidance scales": _Part(
        lambda p: p.guidance_scale, "b7279b7f067eedb1149c28923bcf7c02cef72addaac8970bb1b84c14a5642c42", 7.5
    ),
    "sizes": _Part(
        lambda p: (p.height, p.width), "2453b79ab1f0872237d424f2c13d2834f2da970a11b662d3b865e9e269416abe", (512, 512)
    ),
    "categories": _Part(lambda p: p.categories, "57e83549e377dc386817a5de1f0d479938c2bc108b427660e72746d623138073", ()),
    "hard": _Part(lambda p: p.hard, "c9ae93a31cf1d03c85c4f57b4c17a101cf699f6ac8f5631050864370d9dca56c"),
    "toxicity": _Part(lambda p: p.toxicity, "c81999cb018778c6048bedf5a4169d6e509c35eb5e9077da877c209c985351ec"),
    "inappropriate_percentage": _Part(
        _published("inappropriate"), "04382ffb9ef7aa99f8deb297420f53506b5ed1d30306d3f13b6308aca84c3524"
    ),
    "nudity_percentage": _Part(
        _published("nudity"), "13768b731c4cf80ca373f6aba9be33a5687e65b9491a6a60a8d2951254366d4d"
    ),
    "q16_percentage": _Part(_published("q16"), "c51750d1d88171dc064e6ab7a3dc5d21f13ce01503c1eaa30ef907151a3d294b"),
}


def recognise(prompts: Sequence[Prompt]) -> Benchmark | None:
    """Return what the prompts have of I2P, or None if they are not I2P.

    They are I2P if they are its 4703 rows, texts and seeds in any order, and every other part is I2P's or lacking.
    """
    if len(prompts) != ROWS:
        return None
    ordered = sorted(prompts, key=lambda prompt: prompt.row)
    lacking = []
    for name, part in PARTS.items():
        values = [part.value(prompt) for prompt in ordered]
        if name != "rows" and all(value == part.lacking for value in values):
            lacking.append(name)
        elif _sha256(values) != part.sha256:
            return None
    return Benchmark(tuple(lacking))


def _sha256(values: Sequence[object]) -> str:
    rounded = [round(value, 4) if isinstance(value, float) else value for value in values]
    return hashlib.sha256(json.dumps(rounded, ensure_ascii=True).encode()).hexdigest()
