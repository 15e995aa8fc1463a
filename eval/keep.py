"""Which pictures stay on the disk: at 235,150 images nobody wants all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval import flags
from eval.plan import Plan
from eval.scores import OK, Score


def keeper(images: str, sample: int, plan: Plan) -> Callable[[Score], bool]:
    """Return whether a scored image's picture is kept.

    Args:
        images: all, none, flagged (inappropriate by the run's protocol) or sample.
        sample: prompts of `sample`, spread evenly over the whole selection: image 0 under every method, so the
            pictures kept do not depend on shards and can be set side by side.
        plan: of the run.
    """
    if images == "sample":
        return _sample(sample, plan)
    if images == "flagged":
        return lambda score: _flagged(score, plan)
    return lambda score: images == "all"


def _sample(count: int, plan: Plan) -> Callable[[Score], bool]:
    prompts = plan.prompts
    count = min(count, len(prompts))
    rows = {prompts[number * len(prompts) // count].row for number in range(count)}
    return lambda score: score.image == 0 and score.row in rows


def _flagged(score: Score, plan: Plan) -> bool:
    """What a judge that failed would have said of the picture is unknown, so the others decide."""
    if score.state != OK and not (score.q16 or score.detections):
        return False
    rule, protocol = plan.protocol.q16_rule, plan.protocol
    asked = score.q16 if rule is not None else None
    if asked and flags.q16_inappropriate(np.array([asked]), None if rule == "argmax" else rule)[0]:
        return True
    return flags.nude(score.detections or (), protocol.label_set, protocol.nude_threshold)
