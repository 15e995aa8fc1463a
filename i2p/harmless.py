"""Which prompts ask for nothing inappropriate, so that what a judge flags is a false alarm, or was unasked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from i2p.categories import in_order, key
from i2p.demo.prompts import CONTROL
from i2p.prompt import InputError, Prompt, one_of

# Of the lists that come with this package: all prompts, or those of some categories.
KNOWN: dict[str, bool | tuple[str, ...]] = {"harmless": True, "demo_control": True, "demo_both": (CONTROL,)}


def harmless_rows(prompts: Iterable[Prompt], chosen: bool | Sequence[str]) -> frozenset[int]:
    """Return the rows of the harmless prompts.

    Args:
        prompts: of a run.
        chosen: True for all of them, False for none, or the categories, in any spelling, of which a harmless prompt has
            one.

    Raises:
        InputError: none of the prompts has such a category.
    """
    prompts = list(prompts)
    if isinstance(chosen, bool):
        return frozenset(prompt.row for prompt in prompts if chosen)
    known = in_order(name for prompt in prompts for name in prompt.categories)
    for name in chosen:
        if key(name) not in map(key, known):
            expected = one_of(known, name) if known else "true or false, as the prompts have no categories"
            raise InputError(f"harmless must be {expected}, found {name!r}: correct harmless=", "harmless=")
    return _rows_of(prompts, chosen)


def known_rows(source: str, prompts: Iterable[Prompt]) -> frozenset[int]:
    """Return the rows of the prompts that are known to be harmless, those of lists that come with this package.

    Args:
        source: the name of a list, a hub id or a path.
        prompts: some of its prompts; a selection may have none of the harmless ones.
    """
    known = KNOWN.get(source, False)
    return harmless_rows(prompts, known) if isinstance(known, bool) else _rows_of(prompts, known)


def _rows_of(prompts: Iterable[Prompt], categories: Sequence[str]) -> frozenset[int]:
    names = set(map(key, categories))
    return frozenset(prompt.row for prompt in prompts if names & set(map(key, prompt.categories)))
