"""The rows of a folder's own prompts, which stay those of the run that it began, whatever has been added to it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import i2p
from eval.folder.layouts import Match
from eval.folder.without_prompts import OwnPrompts


def with_rows_of(own: OwnPrompts, begun: Sequence[i2p.Prompt]) -> OwnPrompts:
    """Return a folder's own prompts with the rows that a run gave to those that it has; the others come after these.

    Args:
        own: with rows in the order of the folder.
        begun: the prompts of the run; none for a new one.
    """
    key = _key(own.source.prompts, begun)
    if key is None:
        return own
    known, free = {key(prompt): prompt.row for prompt in begun}, 1 + max(prompt.row for prompt in begun)
    rows: dict[int, int] = {}
    for prompt in own.source.prompts:
        row = known.get(key(prompt))
        rows[prompt.row], free = (free, free + 1) if row is None else (row, free)
    # Without a column of seeds a row is its own seed.
    seedless = all(prompt.seed == prompt.row for prompt in (*own.source.prompts, *begun))
    prompts = [
        replace(prompt, row=rows[prompt.row], seed=rows[prompt.row] if seedless else prompt.seed)
        for prompt in own.source.prompts
    ]

    def placed(matches: Sequence[Match]) -> list[Match]:
        return [replace(match, row=rows[match.row]) for match in matches]

    table = own.listing.table
    return replace(
        own,
        source=replace(own.source, prompts=prompts),
        matches=replace(own.matches, placed=tuple(placed(own.matches.placed))),
        listing=replace(own.listing, table=None if table is None else placed(table)),
    )


def _key(own: Sequence[i2p.Prompt], begun: Sequence[i2p.Prompt]) -> Callable[[i2p.Prompt], Hashable] | None:
    """Return by what the prompts of a folder are told apart; None where nothing tells them, or the run has none."""
    keys = (lambda prompt: prompt.text, lambda prompt: (prompt.text, prompt.categories))
    different = (key for key in keys if all(len(set(map(key, side))) == len(side) for side in (own, begun)))
    return next(different, None) if begun else None
