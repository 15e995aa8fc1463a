"""Which prompts are run, and which of them by this process. Nothing here depends on the order of a file."""

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from i2p.categories import in_order, key
from i2p.prompt import InputError, Prompt, one_of


@dataclass(frozen=True)
class Selection:
    """Filters, all of which a prompt must pass; None means no filter.

    categories: a name or several of those that the prompts have; a prompt passes with any of them.
    hard: True or False.
    toxicity_min <= toxicity < toxicity_below: half open, so that neighbouring ranges share no prompt.
    rows: numbers, or ranges with both ends as text: [3, 5], "0-99,200".
    sample: so many of what is left, drawn without replacement. The draw ranks rows by a hash of sample_seed and row:
    it depends on no order, library or version, and a smaller sample is part of a larger one.
    InputError on a value that cannot be meant.
    """

    categories: str | Sequence[str] | None = None
    hard: bool | None = None
    toxicity_min: float | None = None
    toxicity_below: float | None = None
    rows: str | int | Sequence[int | str] | None = None
    sample: int | None = None
    sample_seed: int = 0

    def __post_init__(self):
        set_field = object.__setattr__  # as frozen dataclasses do themselves
        if self.categories is not None:
            names = self.categories.split(",") if isinstance(self.categories, str) else self.categories
            set_field(self, "categories", tuple(str(name).strip() for name in names))
        if self.rows is not None:
            rows = (self.rows,) if isinstance(self.rows, (str, int)) else tuple(self.rows)
            set_field(self, "rows", rows)
            _ranges(rows)
        low = 0.0 if self.toxicity_min is None else self.toxicity_min
        high = float("inf") if self.toxicity_below is None else self.toxicity_below
        if not 0 <= low < high:
            raise InputError(
                f"toxicity: expected 0 <= toxicity_min < toxicity_below, found {low} and {high}; correct "
                "toxicity_min= or toxicity_below=",
                "toxicity_min=",
                "toxicity_below=",
            )
        if self.sample is not None and self.sample < 1:
            raise InputError(
                f"sample: expected a number of prompts of 1 or more, found {self.sample}; raise it, as in sample=1",
                "sample=1",
            )


# The subset that HEIM takes of I2P: 1784 rows.
HEIM = Selection(hard=True, toxicity_below=0.5)


def _ranges(rows: Sequence[int | str]) -> list[range]:
    ranges = []
    for part in (part.strip() for item in rows for part in str(item).split(",")):
        match = re.fullmatch(r"([0-9]{1,19})(?:\s*-\s*([0-9]{1,19}))?", part)
        if not match or int(match[1]) > int(match[2] or match[1]):
            raise InputError(
                f"rows: expected row numbers and rising ranges such as '0-99,200', found {part!r}; correct rows=",
                "rows=",
            )
        ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return ranges


def _check_rows(prompts: list[Prompt], ranges: list[range]) -> None:
    known = {prompt.row for prompt in prompts}
    # Lazily: "0-99999999999" must not be walked to its end to name its first strangers.
    strangers = list(itertools.islice((row for rows in ranges for row in rows if row not in known), 6))
    if strangers:
        named = ", ".join(map(str, strangers[:5])) + (" and more" if len(strangers) > 5 else "")
        raise InputError(
            f"rows: expected rows of the source ({len(known)} prompts, rows {min(known)} to {max(known)}), found "
            f"{named}; take them out of rows=",
            "rows=",
        )


def _categories(prompts: Sequence[Prompt], names: Sequence[str]) -> set[str]:
    """The categories of these names, whatever their spelling, among those that the prompts have."""
    known = in_order(name for prompt in prompts for name in prompt.categories)
    spelled = {key(name): name for name in known}
    for name in names:
        if key(name) not in spelled:
            expected = one_of(known, name) if known else "no name, for the prompts have no categories"
            raise InputError(
                f"categories: expected {expected}, found {name!r}; correct it, or leave categories= out to take all",
                "categories=",
            )
    return {spelled[key(name)] for name in names}


def _known(prompts: list[Prompt], field: str, option: str) -> Callable[[Prompt], Any]:
    """Reads the field; InputError where a prompt lacks it, as "not hard" and "not known" are different answers."""
    for prompt in prompts:
        if getattr(prompt, field) is None:
            raise InputError(
                f"{option}: expected a source that gives {field!r} for every prompt, found none in row {prompt.row}; "
                f"leave {option}= out, or choose a source with that column",
                f"{option}=",
            )
    return lambda prompt: getattr(prompt, field)


def _draw(prompts: list[Prompt], size: int, seed: int) -> list[Prompt]:
    if size > len(prompts):
        raise InputError(
            f"sample: expected at most the {len(prompts)} prompts that the other filters leave, found {size}; "
            "lower it, "
            f"sample={len(prompts)} at most",
            f"sample={len(prompts)}",
        )
    rank = {prompt.row: hashlib.sha256(f"{seed}:{prompt.row}".encode()).digest() for prompt in prompts}
    return sorted(prompts, key=lambda prompt: rank[prompt.row])[:size]


def select(prompts: Sequence[Prompt], selection: Selection) -> list[Prompt]:
    """The prompts that pass every filter, by rising row.

    InputError where nothing is left (naming the filter that took the last), where a row is not in `prompts`, where
    the sample is larger than what there is, or where a filter needs a column that the source does not have.
    """
    left, want = sorted(prompts, key=lambda prompt: prompt.row), selection
    keep: dict[str, Callable[[Prompt], bool]] = {}
    if want.categories is not None:
        wanted = _categories(prompts, want.categories)
        keep[f"categories={list(want.categories)}"] = lambda prompt: not wanted.isdisjoint(prompt.categories)
    if want.rows is not None:
        ranges = _ranges(want.rows)
        _check_rows(left, ranges)
        keep[f"rows={list(want.rows)}"] = lambda prompt: any(prompt.row in rows for rows in ranges)
    if want.hard is not None:
        hard = _known(left, "hard", "hard")
        keep[f"hard={want.hard}"] = lambda prompt: hard(prompt) == want.hard
    if want.toxicity_min is not None:
        low = _known(left, "toxicity", "toxicity_min")
        keep[f"toxicity_min={want.toxicity_min}"] = lambda prompt: low(prompt) >= want.toxicity_min
    if want.toxicity_below is not None:
        high = _known(left, "toxicity", "toxicity_below")
        keep[f"toxicity_below={want.toxicity_below}"] = lambda prompt: high(prompt) < want.toxicity_below
    for name, passes in keep.items():
        before, left = len(left), [prompt for prompt in left if passes(prompt)]
        if not left:
            others = ", ".join(list(keep)[: list(keep).index(name)])
            raise InputError(
                f"selection: expected at least one prompt, found that {name} leaves none of {before}"
                + (f" (after {others})" if others else "")
                + f"; loosen {name.partition('=')[0]}=",
                f"{name.partition('=')[0]}=",
            )
    if want.sample is not None:
        left = sorted(_draw(left, want.sample, want.sample_seed), key=lambda prompt: prompt.row)
    return left


def shard(prompts: Sequence[Prompt], index: int, count: int) -> list[Prompt]:
    """Every count-th prompt from the index-th on (0-based), by position: the shards partition the selection.

    Strided, as I2P stands in blocks of one category: each shard gets the same mix, so shards take equally long and
    the ones done so far already speak for all. May be empty where there are fewer prompts than shards.
    """
    if count < 1 or not 0 <= index < count:
        raise InputError(
            f"shard: expected a count of 1 or more and an index from 0 to count - 1, found index {index} of count "
            f"{count}; correct index= or count=",
            "index=",
            "count=",
        )
    return list(prompts[index::count])
