"""The groups of prompts that are alike, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eval.store.groups import in_words, largest_of
from eval.store.manifest import Manifest

LARGE = 0.1  # share of the prompts in one group from which on intervals are noticeably wider


def groups_fact(manifest: Manifest, groups: Mapping[int, int]) -> str:
    """Return by what the prompts of a run are grouped, how many groups there are, and the size of the largest.

    Args:
        manifest: of the run.
        groups: row → number of its group.
    """
    by, column = _grouped_by(manifest)
    return in_words(by, column, groups, pictures=manifest.without_prompts)


def groups_notes(manifest: Manifest, groups: Mapping[int, int]) -> Iterator[str]:
    """Yield as a sentence that one group holds many of the prompts, and what to do; nothing where none does.

    Args:
        manifest: of the run.
        groups: row → number of its group.
    """
    largest, count = largest_of(groups), len(groups)
    _, column = _grouped_by(manifest)
    if largest > 1 and largest > LARGE * count:
        kind = "near-duplicate prompts" if column is None else f"the column {column!r}"
        holds = f"{largest:,} of the {count:,} prompts" if largest < count else f"all {count:,} prompts"
        effect = "they are wide" if largest < count else "there are none for new prompts"
        remedy = "prompts that differ more"
        if column is not None:
            remedy += ", or prompts.groups=text if the column groups prompts that are not alike"
        yield (
            f"One group of {kind} holds {holds}. Intervals and tests count groups, since prompts of one group tell "
            f"little more than one of them, so {effect}: choose {remedy}."
        )


def clusters(manifest: Manifest) -> str:
    """Return by what intervals are clustered and tests flip or shuffle, in a word or three."""
    by, column = _grouped_by(manifest)
    if manifest.without_prompts:
        return "picture"
    if by == "rows":
        return "prompt"
    return "group of near-duplicate prompts" if column is None else f"group of the column {column!r}"


def _grouped_by(manifest: Manifest) -> tuple[str, str | None]:
    if manifest.groups is None:  # an older run
        return ("rows" if manifest.without_prompts else "text"), None
    return manifest.groups.by, manifest.groups.column
