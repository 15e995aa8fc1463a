"""What a run was made from: the part of a manifest that all its processes share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import i2p
from eval.store.records import JudgeRecord, MethodRecord, ModelRecord, PromptsRecord
from i2p.protocols import NOISE, read_protocol

IDENTITY = ("model", "prompts", "protocol", "methods", "judges")
# Sentences of older runs and their current wording.
REWORDED = {"one CPU generator a prompt, seeded with the row's seed; image k is its k-th draw": NOISE}


@dataclass(frozen=True)
class Identity:
    """What a run was made from: all that a rerun must share, except what `eval.store.changes` leaves free."""

    model: ModelRecord
    prompts: PromptsRecord
    protocol: i2p.Protocol
    methods: tuple[MethodRecord, ...]
    judges: Mapping[str, JudgeRecord]

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "model": dict(self.model.description),
            "prompts": {"digest": self.prompts.digest, "count": self.prompts.count},
            "protocol": self.protocol.document(),
            "methods": [dict(method.description) for method in self.methods],
            "judges": {name: dict(judge.description) for name, judge in self.judges.items()},
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Identity:
        """Return the identity in the document of a manifest; raises as `Manifest.read`."""
        model = ModelRecord(mapping(document["model"]))
        protocol = read_protocol(_reworded(mapping(document["protocol"])))
        return cls(
            model,
            PromptsRecord(document["prompts"]["digest"], document["prompts"]["count"]),
            # The first versions recorded the whole protocol of runs over pictures made elsewhere.
            protocol.without_drawing() if model.made_elsewhere else protocol,
            tuple(MethodRecord(mapping(method)) for method in document["methods"]),
            {name: JudgeRecord(mapping(judge)) for name, judge in mapping(document["judges"]).items()},
        )


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object of a document; TypeError if it is none."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, found {value!r}")
    return value


def _reworded(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {key: REWORDED.get(value, value) if isinstance(value, str) else value for key, value in protocol.items()}
