"""Which prompts runs have in common: by row where the texts agree, else by text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import i2p
from eval.base.errors import InputError
from eval.base.words import counted, first_of
from eval.compare.members import Member


@dataclass(frozen=True)
class Common:
    """The prompts that all runs have.

    Attributes:
        prompts: as the first run has them, with the categories of the first run that has any.
        rows: of each run, row of the first run → its own row of the same prompt.
        by_text: of each run, whether its rows are others, so that its prompts were matched by their texts.
    """

    prompts: tuple[i2p.Prompt, ...]
    rows: tuple[Mapping[int, int], ...]
    by_text: tuple[bool, ...]


def common_prompts(members: Sequence[Member]) -> Common:
    """Return the prompts that all runs have.

    Raises:
        InputError: a run has none of the first one's, all together have none, or a prompt's categories differ.
    """
    first, *others = members
    rows: list[dict[int, int]] = [{prompt.row: prompt.row for prompt in first.stored.prompts}]
    by_text = [False]
    for other in others:
        matched, as_text = _match(first.stored.prompts, other.stored.prompts)
        if not matched:
            raise _no_pairs(members, f"no text of {other.title} among those of {first.title}")
        rows.append(matched)
        by_text.append(as_text)
    shared = set.intersection(*map(set, rows))
    if not shared:
        raise _no_pairs(members, "none that all have")
    rows = [{row: own for row, own in of_run.items() if row in shared} for of_run in rows]
    return Common(tuple(_with_categories(members, rows)), tuple(rows), tuple(by_text))


def _match(prompts: Sequence[i2p.Prompt], others: Sequence[i2p.Prompt]) -> tuple[dict[int, int], bool]:
    """Return row → the other run's row of the same prompt, and whether they were matched by their texts.

    A folder of pictures may number its prompts in its own way; its texts then show which they are, a repeated text's
    in their order. Of an edited list, the rows that were left as they were stay with each other.
    """
    texts = {prompt.row: prompt.text for prompt in others}
    common = {prompt.row: prompt.row for prompt in prompts if texts.get(prompt.row) == prompt.text}
    if common and len(common) == sum(prompt.row in texts for prompt in prompts):
        return common, False
    places: dict[str, list[int]] = defaultdict(list)
    for prompt in others:
        if prompt.row not in common:
            places[prompt.text].append(prompt.row)
    left = {text: iter(of_text) for text, of_text in places.items()}
    by_text = {p.row: next(left.get(p.text, iter(())), None) for p in prompts if p.row not in common}
    by_text = {row: other for row, other in by_text.items() if other is not None}
    return common | by_text, bool(by_text)


def _with_categories(members: Sequence[Member], rows: Sequence[Mapping[int, int]]) -> list[i2p.Prompt]:
    """Return the prompts of the first run with their categories, which all runs that have any must share."""
    by_row = [{prompt.row: prompt for prompt in member.stored.prompts} for member in members]
    prompts = [prompt for prompt in members[0].stored.prompts if prompt.row in rows[0]]
    categories = [[own[of_run[p.row]].categories for p in prompts] for own, of_run in zip(by_row, rows, strict=True)]
    known = [place for place, of_run in enumerate(categories) if any(of_run)]
    if not known:
        return prompts
    chosen = categories[known[0]]
    for place in known[1:]:
        differing = [
            prompt.row
            for prompt, own, other in zip(prompts, chosen, categories[place], strict=True)
            if set(own) != set(other)
        ]
        if differing:
            raise _no_pairs(
                members,
                f"other categories in {members[place].title} than in {members[known[0]].title} of {len(differing):,} "
                f"of {counted(len(prompts), 'prompt')}, the first in row {differing[0]}",
            )
    return [replace(prompt, categories=own) for prompt, own in zip(prompts, chosen, strict=True)]


def _no_pairs(members: Sequence[Member], found: str) -> InputError:
    return InputError(
        f"{first_of(member.title for member in members)} must have prompts in common, with the same categories, to be "
        f"compared prompt by prompt, found {found}: leave a run out, or compare the runs as independent samples, "
        "paired=false"
    )
