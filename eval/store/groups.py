"""The groups of a run's prompts: those that are alike, by a column of their source or by their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import i2p
from i2p.groups import BY, digest_of_groups, group_by_text, numbered


@dataclass(frozen=True)
class GroupsRecord:
    """The groups of a run's prompts, all shards.

    Attributes:
        by: a name in `i2p.groups.BY`.
        column: that holds the groups; None where they are of texts or rows.
        count: how many groups there are.
        largest: how many prompts the largest has.
        digest: of which rows are in one group.
    """

    by: str
    column: str | None
    count: int
    largest: int
    digest: str

    @property
    def words(self) -> str:
        """By what the prompts are grouped, as a clause names it."""
        return self.by if self.column is None else f"the column {self.column!r}"

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> GroupsRecord:
        """Return the record in a manifest.

        Raises:
            TypeError: a part is missing, or has another type.
        """
        record = cls(**document)
        types = {"by": str, "column": str | None, "count": int, "largest": int, "digest": str}
        if record.by not in BY or not all(isinstance(getattr(record, name), kind) for name, kind in types.items()):
            raise TypeError(f"expected the record of groups, found {document!r}")
        return record


def record_of(prompts: Collection[i2p.Prompt], by: str, column: str | None) -> GroupsRecord:
    """Return the record of the groups of a run's prompts."""
    numbers = numbered(prompts)
    return GroupsRecord(by, column, len(set(numbers.values())), largest_of(numbers), digest_of_groups(numbers))


def largest_of(numbers: Mapping[int, int]) -> int:
    """Return how many prompts the largest group has, from row → number of its group."""
    return max(Counter(numbers.values()).values())


def in_words(by: str, column: str | None, numbers: Mapping[int, int], *, pictures: bool) -> str:
    """Return how many groups there are, by what, and the size of the largest, as a clause.

    Args:
        by: a name in `i2p.groups.BY`.
        column: that holds the groups; None where they are of texts or rows.
        numbers: row → number of its group.
        pictures: whether the prompts are pictures without prompts.
    """
    if by == "rows":
        return f"none: every {'picture' if pictures else 'prompt'} its own"
    kind = "of near-duplicate prompts" if column is None else f"by the column {column!r}"
    return f"{len(set(numbers.values())):,} {kind}, the largest {largest_of(numbers):,}"


def group_numbers(prompts: Collection[i2p.Prompt], record: GroupsRecord | None, *, pictures: bool) -> dict[int, int]:
    """Return row → number of its group, from 0.

    Args:
        prompts: of the whole run, as stored.
        record: of the run; older runs have none, and their prompts are grouped by their texts.
        pictures: whether the prompts are pictures without prompts, which have no text.
    """
    return numbered(group_by_text(prompts) if record is None and not pictures else prompts)
