"""The progress of a shard and of the others, and the exit code that follows from it."""

from __future__ import annotations

import sys

from eval.base.errors import COMPLETE, INCOMPLETE
from eval.base.layout import paragraphs
from eval.base.printing import say
from eval.base.signals import Stop
from eval.plan.plan import Plan
from eval.report.description.unjudged import lacking_of_others, nothing_judged_of, remedy_of_shard
from eval.store.rundir import RunDir


def end_shard(run: RunDir, plan: Plan) -> int | None:
    """Print the progress of a run's shards; return the exit code, None where this shard is the last and reports."""
    if plan.shard_count == 1:
        return None
    with Stop():  # a shard that is complete is not to be queued again
        done = run.done()
        remaining, all_missing = plan.shard_images.missing(done), len(plan.images.missing(done))
        if remaining:
            say(paragraphs(f"{remedy_of_shard(run, plan, run.read_scores(), remaining)}."))
            return INCOMPLETE
        if all_missing:
            say(paragraphs(lacking_of_others(plan, all_missing)))
            return shard_code(run, plan)
    return None


def shard_code(run: RunDir, plan: Plan) -> int:
    """Return the exit code of a complete shard: 3 where none of its pictures could be judged, else 0."""
    if plan.shard_count > 1 and (sentence := nothing_judged_of(run.read_scores(), plan)):
        say(sentence, sys.stderr)
        return INCOMPLETE
    return COMPLETE
