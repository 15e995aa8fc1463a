"""Prompts that are in a list more than once, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import i2p
from eval.base.words import counted, first_of
from eval.store.manifest import Manifest


def repeats_notes(manifest: Manifest, prompts: Sequence[i2p.Prompt]) -> Iterator[str]:
    """Yield as a sentence how many prompts repeat the text and the seed of another; nothing where none does.

    Args:
        manifest: of the run.
        prompts: as the run used them.
    """
    if manifest.without_prompts:
        return
    first: dict[tuple[str, int], i2p.Prompt] = {}
    repeats = [p for p in prompts if first.setdefault((p.text, p.seed), p) is not p]
    if not repeats:
        return
    rows = first_of((f"{p.row} as {first[p.text, p.seed].row}" for p in repeats), 3)
    verb = "has" if len(repeats) == 1 else "have"
    yield (
        f"{counted(len(repeats), 'prompt')} {verb} the text and the seed of an earlier one (rows {rows}), and each "
        f"counts as a prompt of its own{_pictures(manifest, repeats, first)}."
    )


def _pictures(manifest: Manifest, repeats: Sequence[i2p.Prompt], first: dict[tuple[str, int], i2p.Prompt]) -> str:
    """Return what repeated prompts draw, as a clause; empty where the run drew no pictures."""
    model = manifest.identity.model
    if model.made_elsewhere or model.replayed:
        return ""
    same = sum(_drawn_by(p) == _drawn_by(first[p.text, p.seed]) for p in repeats)
    if same == len(repeats):
        return ", though the same pictures are drawn again"
    if not same:
        return "; guidance scale or size differ, and so do the pictures"
    return f"; {same:,} of them with the same guidance scale and size, so that the same pictures are drawn again"


def _drawn_by(prompt: i2p.Prompt) -> tuple[float | None, int | None, int | None]:
    return prompt.guidance_scale, prompt.height, prompt.width
