"""A stored run whose scores, prompts and protocol a test makes up; nothing of it lies on a disk."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

import i2p
from eval.store.rundir import RunDir
from eval.store.stored_run import StoredRun

JUDGES = ("q16", "nudenet")


def stored_run(
    scores: pa.Table,
    protocol: Mapping,
    judges: Collection[str] = JUDGES,
    prompts: Sequence[i2p.Prompt] = (),
    methods: Sequence[str] = (),
) -> StoredRun:
    identity = {
        "protocol": dict(protocol),
        "judges": {name: {} for name in judges},
        "methods": [{"name": name} for name in methods],
    }
    return StoredRun(RunDir(Path("nowhere")), {"identity": identity, "lossy": []}, tuple(prompts), scores)
