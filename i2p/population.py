"""What is known of the prompts from which a sample is drawn: how many there are, and what was published of them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i2p.categories import ALL, in_order
from i2p.prompt import Prompt
from i2p.sampling import LEVELS, level


@dataclass(frozen=True)
class Share:
    """Some prompts, and the mean of their published inappropriate fractions."""

    prompts: int
    published: float


@dataclass(frozen=True)
class Population:
    """The prompts of a selection before the sample.

    Attributes:
        shares: of `all` of them, and of each category.
        levels: how many have each level of the published percentage, 0 to 10 (`i2p.sampling.level`).
        strata: what the sample was drawn in proportion from, as in `i2p.Selection`; None for no strata.
    """

    shares: Mapping[str, Share]
    levels: Sequence[int]
    strata: str | None = None

    @property
    def prompts(self) -> int:
        """How many there are."""
        return self.shares[ALL].prompts

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        shares = {name: {"prompts": share.prompts, "published": share.published} for name, share in self.shares.items()}
        return {"shares": shares, "levels": list(self.levels), "strata": self.strata}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Population":
        """Return the population of which `document` returned these values.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: a value is missing, or has another type.
        """
        shares = {
            name: Share(int(share["prompts"]), float(share["published"])) for name, share in document["shares"].items()
        }
        levels = tuple(map(int, document["levels"]))
        if len(levels) != LEVELS or sum(levels) != shares[ALL].prompts:
            raise ValueError(f"levels must be {LEVELS} numbers that add up to all prompts, found {levels}")
        return cls(shares, levels, document["strata"])


def population_of(prompts: Iterable[Prompt], strata: str | None = None) -> Population | None:
    """Return what is known of these prompts; None where one of them has no published percentage.

    Args:
        prompts: of the selection before the sample; at least one.
        strata: see `Population`.
    """
    prompts = sorted(prompts, key=lambda prompt: prompt.row)
    if any(prompt.published is None for prompt in prompts):
        return None
    names = in_order(name for prompt in prompts for name in prompt.categories)
    members = {ALL: prompts} | {name: [prompt for prompt in prompts if name in prompt.categories] for name in names}
    counts = Counter(level(prompt.published.inappropriate) for prompt in prompts)
    shares = {
        name: Share(len(chosen), math.fsum(p.published.inappropriate for p in chosen) / len(chosen))
        for name, chosen in members.items()
    }
    return Population(shares, tuple(counts[number] for number in range(LEVELS)), strata)
