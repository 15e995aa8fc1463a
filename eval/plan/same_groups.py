"""The check that a run's prompts are still grouped as they were when it began."""

from __future__ import annotations

from collections.abc import Iterator

import i2p
from eval.config.settings import PromptSettings
from eval.plan.plan import Plan
from eval.store.groups import GroupsRecord, record_of
from eval.store.manifest import Manifest


def changed_groups(stored: Manifest, prompts: PromptSettings, plan: Plan) -> Iterator[str]:
    """Yield a clause if a run's prompts are the same but their groups are not.

    A run that began before groups were recorded is grouped by its texts, and refuses only what asks for another way.
    """
    now = record_of(plan.prompts, plan.grouped_by, plan.group_column)
    if stored.groups is not None:
        yield from regrouped(stored.groups, now, grown=stored.identity.prompts.digest != i2p.digest(plan.prompts))
    elif prompts.groups not in (None, "text"):
        yield f"prompts.groups is text there and {now.words} here"


def regrouped(stored: GroupsRecord, now: GroupsRecord, *, grown: bool) -> Iterator[str]:
    """Yield a clause if prompts are grouped by something else, or the same prompts into other groups.

    Args:
        stored: the groups of the run.
        now: those of the plan.
        grown: whether these are of other prompts too, which may belong to the groups that were there.
    """
    if stored.by != now.by:
        yield f"prompts.groups is {stored.words} there and {now.words} here"
    elif stored.digest != now.digest and not grown:
        yield f"its prompts are in other groups by {now.words} ({stored.count:,} then, {now.count:,} now)"


def ignored_column(stored: Manifest, plan: Plan) -> str | None:
    """Return, as a clause, that an older run's prompts are not grouped by the column of their source; else None."""
    if stored.groups is not None or plan.group_column is None:
        return None
    return (
        f"it began before groups were recorded, so its prompts are grouped by near-duplicate texts, and the column "
        f"{plan.group_column!r} is not used"
    )
