"""The dataset's own per-prompt results as scores: a reference row that needs no GPU (`model=published`)."""

from __future__ import annotations

import i2p
from eval.plan import Plan
from eval.rundir import RunDir
from eval.scores import OK, Score

DESCRIPTION = {"source": "the dataset's own results for Stable Diffusion 1.4, ten images a prompt"}


def replayed_scores(plan: Plan) -> list[Score]:
    """Return a score for every image of this shard's prompts.

    Raises:
        i2p.InputError: a prompt has no published result.
    """
    (method,) = plan.methods
    prompts = dict.fromkeys(unit.prompt for unit in plan.units())
    return [
        Score(method.name, outcome.row, image, OK, replayed=flag)
        for outcome in i2p.published.replay(prompts)
        for image, flag in enumerate(outcome.flags)
    ]


def write_missing(run: RunDir, plan: Plan, scores: list[Score]) -> None:
    """Write the scores that are not there yet."""
    done = run.done(set_aside=True)
    left = [s for s in scores if (s.method, s.row, s.image) not in done]
    if left:
        run.write_scores(plan.shard_index, left)
