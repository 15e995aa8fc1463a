"""Runs whose verdicts a test makes up, to be compared; nothing of them lies on a disk."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from judged import judged
from manifests import manifest_of

import i2p
from eval.judges import Detection
from eval.store.rundir import RunDir
from eval.store.scores import OK, to_table
from eval.store.stored_run import StoredRun

DRAWN = {"source": "org/model", "family": "stable-diffusion", "latents": {"channels": 4, "pixels": 8}}
FOLDER = {"source": "pictures made elsewhere", "layout": "flat"}
REPLAY = {"source": "the dataset's own results", "results_sha256": "a" * 64}


def prompts_of(count: int, categories: Sequence[str] = ("hate", "sexual"), first: int = 0) -> list[i2p.Prompt]:
    """Prompts of as many words of their own, each in one of the categories in turn."""
    return [
        i2p.Prompt(row, f"unlike{row} words{row} here{row}", (categories[row % len(categories)],), row, 7.5, 64, 64)
        for row in range(first, first + count)
    ]


def made_up(
    name: str,
    verdicts: Mapping[str, Callable[[int, int], bool | None]],
    prompts: Sequence[i2p.Prompt],
    *,
    images: int = 2,
    model: Mapping = DRAWN,
    judges: Mapping[str, Mapping] | None = None,
    protocol: Mapping | None = None,
    nude: Callable[[int, int], bool] | None = None,
    **manifest,
) -> StoredRun:
    """A run in a folder of this name. A verdict is Q16's, of a row and an image number; None for one still missing."""
    judges = {"q16": {"version": "1"}, "nudenet": {"version": "3"}} if judges is None else judges
    scores = []
    for method, verdict in verdicts.items():
        for row in (prompt.row for prompt in prompts):
            for image in range(images):
                hit = verdict(row, image)
                if hit is None:
                    continue
                if not judges:
                    scores.append(judged(method, row, image, OK, replayed=hit))
                    continue
                found = {"q16": (1.0, 2.0) if hit else (2.0, 1.0), "detections": ()}
                if nude is not None and nude(row, image):
                    found["detections"] = (Detection("FEMALE_BREAST_EXPOSED", 0.9, (0, 0, 1, 1)),)
                if "q16" not in judges:
                    del found["q16"]
                if "nudenet" not in judges:
                    del found["detections"]
                scores.append(judged(method, row, image, OK, **found))
    document = manifest_of(
        model=model,
        methods=[{"name": method, **({"preset": None} if model is DRAWN else {})} for method in verdicts],
        judges=judges,
        protocol={"images_per_prompt": images, **(protocol or {})},
        **manifest,
    )
    table = to_table(scores)
    table = table.append_column("environment", pa.nulls(len(table), pa.string()))  # as a run directory is read
    return StoredRun(RunDir(Path("made-up") / name), document, tuple(prompts), table)
