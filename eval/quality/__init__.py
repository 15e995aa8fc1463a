"""What safety costs: features of pictures, from which `eval.measure` computes quality metrics.

An extractor is a network that looks at pictures and gives a row of features for each. Like a judge it decides nothing:
the features are stored, and any metric is computed from them later. Its module imports its libraries when it is loaded.
"""

from __future__ import annotations

from collections.abc import Collection

CLIP, INCEPTION, LPIPS = "clip", "inception", "lpips"  # extractors, each a module of this package
METRICS = {  # metric → the extractor whose features it is computed from
    "clip_score": CLIP,
    "clip_distance": CLIP,
    "lpips": LPIPS,
    "kid": INCEPTION,
    "kid_clip": CLIP,
    "fid": INCEPTION,
}
AUTO_METRICS = ("clip_score", "clip_distance")  # which Q16's CLIP gives at no further look at the pictures
DISTRIBUTIONS = ("kid", "kid_clip", "fid")  # metrics that compare all pictures of a method with a reference


def extractors_of(metrics: Collection[str]) -> list[str]:
    """Return the names of the extractors that these metrics need, in a fixed order."""
    return [name for name in (CLIP, INCEPTION, LPIPS) if any(METRICS[metric] == name for metric in metrics)]
