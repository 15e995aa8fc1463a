"""The dataset's own per-prompt results as scores: a reference row that needs no GPU (`model=published`)."""

from __future__ import annotations

import hashlib
import json

import i2p
from eval.manifest import make_manifest, open_run
from eval.plan import Plan
from eval.rundir import RunDir
from eval.scores import OK, Score
from eval.settings import Settings

SOURCE = "the dataset's own results for Stable Diffusion 1.4, ten images a prompt"


def describe(plan: Plan) -> dict:
    """Return the description for the manifest, with a digest of the results of the whole run's prompts, all shards.

    Raises:
        i2p.InputError: a prompt has no published result.
    """
    results = [[outcome.row, outcome.positives] for outcome in i2p.published.replay(plan.prompts)]
    return {"source": SOURCE, "results_sha256": hashlib.sha256(json.dumps(results).encode()).hexdigest()}


def write_missing(run: RunDir, settings: Settings, plan: Plan) -> None:
    """Open the run and write the scores of this shard's prompts that are not there yet."""
    open_run(run, make_manifest(settings, plan, describe(plan), {}), plan)
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
