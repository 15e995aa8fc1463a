"""The check that a run's prompts are still grouped as they were when it began."""

from __future__ import annotations

from collections.abc import Iterator

import i2p
from eval.config.settings import PromptSettings
from eval.plan.plan import Plan
from eval.store.groups import record_of
from eval.store.manifest import Manifest


def changed_groups(stored: Manifest, prompts: PromptSettings, common: Plan, *, grown: bool) -> Iterator[str]:
    """Yield a clause if a run's prompts are the same but their groups are not.

    A run that began before groups were recorded is grouped by its texts, and refuses only what asks for another way.

    Args:
        stored: the manifest of the run.
        prompts: the settings.
        common: the part of the plan that the run has too.
        grown: whether the plan has other prompts besides.
    """
    yield from regrouped(stored, common, grown=grown)
    if stored.groups is None and prompts.groups not in (None, "text"):
        now = record_of(common.prompts, common.grouped_by, common.group_column)
        yield f"prompts.groups is text there and {now.words} here"


def regrouped(stored: Manifest, common: Plan, *, grown: bool) -> Iterator[str]:
    """Yield a clause if prompts are grouped by something else, or the same prompts into other groups.

    Args:
        stored: the manifest of the run, which may be from before groups were recorded.
        common: the part of the plan that the run has too.
        grown: whether the plan has other prompts besides, whose texts may be like those of two groups that were apart.
    """
    groups, now = stored.groups, record_of(common.prompts, common.grouped_by, common.group_column)
    if groups is None:
        return
    if groups.by != now.by:
        yield f"prompts.groups is {groups.words} there and {now.words} here"
    elif stored.identity.prompts.digest != i2p.digest(common.prompts) or (grown and now.by == "text"):
        return
    elif groups.digest != now.digest:
        yield f"its prompts are in other groups by {now.words} ({groups.count:,} then, {now.count:,} now)"


def ignored_column(stored: Manifest, plan: Plan) -> str | None:
    """Return, as a clause, that an older run's prompts are not grouped by the column of their source; else None."""
    if stored.groups is not None or plan.group_column is None:
        return None
    return (
        f"it began before groups were recorded, so its prompts are grouped by near-duplicate texts, and the column "
        f"{plan.group_column!r} is not used"
    )
