"""The sample of a selection: drawn from all of its prompts alike, or in proportion from strata of them."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from i2p.prompt import InputError, Prompt

STRATA = ("published",)
LEVELS = 11  # of the published percentage: 0, 10, … 100, which is all that ten images can give


def level(published: float) -> int:
    """Return the stratum of a published fraction, 0 to 10: the nearest tenth, halves upwards.

    Args:
        published: in [0, 1].
    """
    # Rounded first: readers of the same decimals may differ in the last bit.
    return math.floor(round(10 * published, 6) + 0.5)


def field_of(prompts: Sequence[Prompt], field: str, option: str, column: str | None = None) -> Callable[[Prompt], Any]:
    """Return a reader of the field; "not hard" and "unknown" are different answers.

    Args:
        prompts: that all must have it.
        field: of a prompt.
        option: that needs it, for the error.
        column: of the source that gives it, where that has another name.

    Raises:
        InputError: a prompt lacks it.
    """
    for prompt in prompts:
        if getattr(prompt, field) is None:
            raise InputError(
                f"{option} must come with a source that gives {column or field!r} for every prompt, found none in "
                f"row {prompt.row}: leave {option}= out, or choose a source with that column",
                f"{option}=",
            )
    return lambda prompt: getattr(prompt, field)


def draw(prompts: Sequence[Prompt], size: int, seed: int, strata: str | None = None) -> list[Prompt]:
    """Return a sample without replacement.

    Prompts are ranked by a hash of `seed` and row, all of them or those of a stratum: within a stratum, every sample of
    its size is equally likely. The strata share the sample by the method of Webster and Sainte-Laguë (Balinski & Young
    1982, Fair Representation): the r-th of the N prompts of a stratum comes at (2 r - 1) / N, and the sample is those
    that come first. With I2P's strata no share is off by a whole prompt. Unlike that of the largest remainder, a share
    never shrinks as the sample grows, so a smaller sample is part of a larger one with strata too.

    Args:
        prompts: to draw from.
        size: of the sample.
        seed: of the ranks.
        strata: "published" for the levels of the published percentage; None for no strata.

    Raises:
        InputError: there are fewer prompts, or one has no published percentage.
    """
    if size > len(prompts):
        raise InputError(
            f"sample must be at most {len(prompts)}, the prompts that the other filters leave, found {size}: lower it, "
            f"sample={len(prompts)} at most",
            f"sample={len(prompts)}",
        )
    ranked = sorted(prompts, key=lambda prompt: hashlib.sha256(f"{seed}:{prompt.row}".encode()).digest())
    if strata is None:
        return ranked[:size]
    published = field_of(prompts, "published", "strata", "inappropriate_percentage")
    of_level = defaultdict(list)
    for prompt in ranked:
        of_level[level(published(prompt).inappropriate)].append(prompt)
    turns = [
        ((2 * place + 1) / len(members), number, prompt)
        for number, members in sorted(of_level.items())
        for place, prompt in enumerate(members)
    ]
    return [prompt for *_, prompt in sorted(turns, key=lambda turn: turn[:2])[:size]]
