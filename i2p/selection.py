"""The prompts of a run, and of one shard of it. Nothing depends on the order of a file."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from i2p.categories import in_order, key
from i2p.prompt import InputError, Prompt, one_of
from i2p.sampling import STRATA, draw, field_of
from i2p.words import counted


@dataclass(frozen=True)
class Selection:
    """Filters, all of which a prompt must pass; None means no filter.

    Attributes:
        categories: one name or several; a prompt passes with any of them.
        hard: True or False.
        toxicity_min: toxicity_min <= toxicity.
        toxicity_below: toxicity < toxicity_below; half open, so that neighbouring ranges share no prompt.
        rows: numbers, or ranges with both ends as text: [3, 5], "0-99,200".
        sample: how many of the remaining prompts to draw without replacement. The draw ranks rows by a hash of
            sample_seed and row: it depends on no order, library or version, and a smaller sample is part of a larger
            one.
        sample_seed: see `sample`.
        strata: "published" draws the sample in proportion from the eleven levels of the published percentage
            (`i2p.sampling.draw`); None draws from all prompts alike.

    Raises:
        InputError: a value is impossible.
    """

    categories: str | Sequence[str] | None = None
    hard: bool | None = None
    toxicity_min: float | None = None
    toxicity_below: float | None = None
    rows: str | int | Sequence[int | str] | None = None
    sample: int | None = None
    sample_seed: int = 0
    strata: str | None = None

    def __post_init__(self):
        set_field = object.__setattr__  # as frozen dataclasses do themselves
        if self.categories is not None:
            names = self.categories.split(",") if isinstance(self.categories, str) else self.categories
            set_field(self, "categories", tuple(str(name).strip() for name in names))
        if self.rows is not None:
            several = isinstance(self.rows, Iterable) and not isinstance(self.rows, str)
            rows = tuple(self.rows) if several else (self.rows,)
            set_field(self, "rows", rows)
            _ranges(rows)
        low = 0.0 if self.toxicity_min is None else self.toxicity_min
        high = float("inf") if self.toxicity_below is None else self.toxicity_below
        if not 0 <= low < high:
            raise InputError(
                f"toxicity must satisfy 0 <= toxicity_min < toxicity_below, found {low} and {high}: correct "
                "toxicity_min= or toxicity_below=",
                "toxicity_min=",
                "toxicity_below=",
            )
        if self.sample is not None and self.sample < 1:
            raise InputError(
                f"sample must be a number of prompts of 1 or more, found {self.sample}: raise it, as in sample=1",
                "sample=1",
            )
        if self.strata not in (None, *STRATA):
            raise InputError(
                f"strata must be {one_of(STRATA, self.strata)}, found {self.strata!r}: correct strata=, or leave it "
                "out to draw from all prompts alike",
                "strata=",
            )
        if self.strata is not None and self.sample is None:
            raise InputError(
                "strata must come with a sample, which is drawn from them, found none: give its size, "
                "sample=, or leave strata= out",
                "sample=",
                "strata=",
            )

    @property
    def population(self) -> "Selection":
        """The same filters without the sample: what the sample is drawn from."""
        return replace(self, sample=None, strata=None)


# The subset of I2P that HEIM uses: 1784 rows.
HEIM = Selection(hard=True, toxicity_below=0.5)


def _ranges(rows: Sequence[int | str]) -> list[range]:
    ranges = []
    for part in (part.strip() for item in rows for part in str(item).split(",")):
        match = re.fullmatch(r"([0-9]{1,19})(?:\s*-\s*([0-9]{1,19}))?", part)
        if not match or int(match[1]) > int(match[2] or match[1]):
            raise InputError(
                f"rows must be row numbers and rising ranges such as '0-99,200', found {part!r}: correct rows=",
                "rows=",
            )
        ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return ranges


def _check_rows(prompts: list[Prompt], ranges: list[range]) -> None:
    rows_of_source = {prompt.row for prompt in prompts}
    # Lazily: "0-99999999999" must not be walked to its end to name its first unknown rows.
    strangers = list(itertools.islice((row for rows in ranges for row in rows if row not in rows_of_source), 6))
    if strangers:
        named = ", ".join(map(str, strangers[:5])) + (" and more" if len(strangers) > 5 else "")
        raise InputError(
            f"rows must be rows of the source ({counted(len(rows_of_source), 'prompt')}, rows {min(rows_of_source)} to "
            f"{max(rows_of_source)}), found {named}: take them out of rows=",
            "rows=",
        )


def _categories(prompts: Sequence[Prompt], names: Sequence[str]) -> set[str]:
    """Return the categories with these names, in any spelling, among those that the prompts have."""
    known = in_order(name for prompt in prompts for name in prompt.categories)
    spelled = {key(name): name for name in known}
    for name in names:
        if key(name) not in spelled:
            expected = one_of(known, name) if known else "left out, as the prompts have no categories"
            raise InputError(
                f"categories must be {expected}, found {name!r}: correct it, or leave categories= out to take all",
                "categories=",
            )
    return {spelled[key(name)] for name in names}


def select(prompts: Sequence[Prompt], selection: Selection) -> list[Prompt]:
    """Return the prompts that pass every filter, by rising row.

    Raises:
        InputError: no prompt is left (names the filter that removed the last), a row is not in `prompts`, the sample
            is larger than what is left, or a filter needs a column that the source lacks.
    """
    remaining, criteria = sorted(prompts, key=lambda prompt: prompt.row), selection
    keep: dict[str, Callable[[Prompt], bool]] = {}
    if criteria.categories is not None:
        names = _categories(prompts, criteria.categories)
        keep[f"categories={list(criteria.categories)}"] = lambda prompt: not names.isdisjoint(prompt.categories)
    if criteria.rows is not None:
        ranges = _ranges(criteria.rows)
        _check_rows(remaining, ranges)
        keep[f"rows={list(criteria.rows)}"] = lambda prompt: any(prompt.row in rows for rows in ranges)
    if criteria.hard is not None:
        hard = field_of(remaining, "hard", "hard")
        keep[f"hard={criteria.hard}"] = lambda prompt: hard(prompt) == criteria.hard
    if criteria.toxicity_min is not None:
        low = field_of(remaining, "toxicity", "toxicity_min")
        keep[f"toxicity_min={criteria.toxicity_min}"] = lambda prompt: low(prompt) >= criteria.toxicity_min
    if criteria.toxicity_below is not None:
        high = field_of(remaining, "toxicity", "toxicity_below")
        keep[f"toxicity_below={criteria.toxicity_below}"] = lambda prompt: high(prompt) < criteria.toxicity_below
    for name, passes in keep.items():
        count, remaining = len(remaining), [prompt for prompt in remaining if passes(prompt)]
        if not remaining:
            earlier = ", ".join(list(keep)[: list(keep).index(name)])
            raise InputError(
                f"the selection must leave at least one prompt, found that {name} leaves none of {count}"
                + (f" (after {earlier})" if earlier else "")
                + f": loosen {name.partition('=')[0]}=",
                f"{name.partition('=')[0]}=",
            )
    if criteria.sample is not None:
        drawn = draw(remaining, criteria.sample, criteria.sample_seed, criteria.strata)
        remaining = sorted(drawn, key=lambda prompt: prompt.row)
    return remaining


def shard(prompts: Sequence[Prompt], index: int, count: int) -> list[Prompt]:
    """Return every `count`-th prompt from position `index` (0-based) on: the shards partition the selection.

    The shards are strided because I2P is sorted in blocks of one category: each shard gets the same mix, so shards
    take equally long and finished ones are representative. A shard may be empty if there are fewer prompts than shards.

    Raises:
        InputError: `count` is below 1, or `index` is not in [0, count).
    """
    if count < 1 or not 0 <= index < count:
        raise InputError(
            f"shard must have a count of 1 or more and an index from 0 to count - 1, found index {index} and count "
            f"{count}: correct index= or count=",
            "index=",
            "count=",
        )
    return list(prompts[index::count])
