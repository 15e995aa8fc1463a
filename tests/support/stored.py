"""A stored run whose scores, prompts and protocol a test makes up; nothing of it lies on a disk."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from manifests import manifest_of

import i2p
from eval.store.rundir import RunDir
from eval.store.stored_run import StoredRun

JUDGES = ("q16", "nudenet")


def stored_run(
    scores: pa.Table,
    protocol: Mapping | i2p.Protocol,
    judges: Collection[str] = JUDGES,
    prompts: Sequence[i2p.Prompt] = (),
    methods: Sequence[str] = (),
) -> StoredRun:
    manifest = manifest_of(protocol=protocol, judges=tuple(judges), methods=methods)
    return StoredRun(RunDir(Path("nowhere")), manifest, tuple(prompts), scores)
