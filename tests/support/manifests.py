"""Manifests as a test needs them: a whole one, of which it names what matters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import i2p
from eval.store.identity import Identity
from eval.store.manifest import Manifest
from eval.store.records import JudgeRecord, MethodRecord, ModelRecord, PromptsRecord, Runtime, SettingsRecord

PROMPTS = PromptsRecord("abc", 3)
RUNTIME = Runtime({"platform": "here"}, ("python", "-m", "eval.run"), "today")


def manifest_of(
    *,
    model: Mapping[str, Any] | None = None,
    prompts: PromptsRecord = PROMPTS,
    protocol: str | Mapping[str, Any] | i2p.Protocol = "dataset",
    methods: Sequence[str | Mapping[str, Any]] = ("baseline",),
    judges: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("q16", "nudenet"),
    kind: str = "checkpoint",
    source: str = "i2p",
    path: str | None = None,
    **fields: Any,
) -> Manifest:
    """A run's manifest; a protocol is a name, or the changes to `dataset`; other fields are those of `Manifest`."""
    if isinstance(protocol, str):
        protocol = i2p.get_protocol(protocol)
    elif isinstance(protocol, Mapping):
        protocol = replace(i2p.get_protocol("dataset"), **protocol)
    described = judges if isinstance(judges, Mapping) else {name: {} for name in judges}
    record = ModelRecord({"source": "sd"} if model is None else dict(model))
    identity = Identity(
        record,
        prompts,
        protocol.without_drawing() if record.made_elsewhere else protocol,
        tuple(MethodRecord({"name": method} if isinstance(method, str) else dict(method)) for method in methods),
        {name: JudgeRecord(dict(judge)) for name, judge in described.items()},
    )
    settings = {"model": {"kind": kind}, "prompts": {"source": source, "path": path}}
    defaults = {"settings": SettingsRecord(settings), "runtime": RUNTIME}
    if source == "i2p" and path is None:
        defaults["benchmark"] = "AIML-TUDA/i2p"
    return Manifest(identity, **{**defaults, **fields})
