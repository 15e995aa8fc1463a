"""The dataset's own per-prompt results as scores: a reference row that needs no GPU (`model=published`)."""

from __future__ import annotations

import i2p
from eval.config.settings import Settings
from eval.plan.plan import Plan
from eval.plan.record import describe_replay, make_manifest
from eval.plan.same_run import open_run
from eval.store.rundir import RunDir
from eval.store.scores import OK, Score


def write_missing(run: RunDir, settings: Settings, plan: Plan) -> None:
    """Open the run and write the scores of this shard's prompts that are not there yet."""
    open_run(run, make_manifest(settings, plan, describe_replay(plan), {}), plan)
    (method,) = plan.methods
    prompts = dict.fromkeys(unit.prompt for unit in plan.units())
    scores = [
        Score(method.name, outcome.row, image, OK, replayed=flag)
        for outcome in i2p.published.replay(prompts)
        for image, flag in enumerate(outcome.flags)
    ]
    done = run.done(set_aside=True)
    left = [s for s in scores if (s.method, s.row, s.image) not in done]
    if left:
        run.write_scores(plan.shard_index, left)
