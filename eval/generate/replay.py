"""The dataset's own per-prompt results as scores: a reference that needs no GPU (`model=published`)."""

from __future__ import annotations

from collections.abc import Sequence

import i2p
import sld
from eval.config.settings import Settings
from eval.plan.plan import ReplayPlan
from eval.plan.record import make_manifest
from eval.plan.same_run import open_run
from eval.store.rundir import RunDir
from eval.store.scores import OK, Score


def make_missing(run: RunDir, plan: ReplayPlan, settings: Settings, methods: Sequence[sld.Method] = ()) -> None:
    """Open the run and write the missing scores of this shard's prompts (`eval.generate.sources`)."""
    open_run(run, make_manifest(settings, plan, plan.describe_source(), {}), plan)
    (method,) = plan.methods
    prompts = dict.fromkeys(unit.prompt for unit in plan.units())
    scores = [
        Score(method.name, outcome.row, image, OK, replayed=flag)
        for outcome in i2p.published.replay(prompts)
        for image, flag in enumerate(outcome.flags)
    ]
    done = run.done(set_aside=True)
    missing = [score for score in scores if score.key not in done]
    if missing:
        run.write_scores(plan.shard_index, missing)
