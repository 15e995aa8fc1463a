"""The text from which safety guidance steers away, under a protocol whose source has another one than diffusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sld
from eval.store.records import MethodRecord

# The paper's own code has no prefix, unlike diffusers' pipeline, which the official re-runs use.
CONCEPTS = {"paper": sld.CONCEPT_OFFICIAL}
OF_DIFFUSERS = "weak_diffusers"  # a preset that is in no paper


def with_concepts(
    methods: Sequence[sld.Method], values: Sequence, protocol: str, begun: Sequence[MethodRecord] = ()
) -> list[sld.Method]:
    """Return methods with the protocol's concept where the settings leave it open.

    Methods of a script or package are complete. A run that began before there was a choice keeps diffusers' text.

    Args:
        methods: resolved.
        values: the settings that name or describe them.
        protocol: its name.
        begun: the methods with which the run began under this protocol.
    """
    concept = CONCEPTS.get(protocol, sld.CONCEPT)
    left_open = {name for value in values if (name := _left_open(value)) is not None}
    kept = {method.name: method.definition for method in begun}
    return [
        replace(method, concept=concept)
        if method.name in left_open and takes_concept(method.preset) and kept.get(method.name) != method.describe()
        else method
        for method in methods
    ]


def takes_concept(preset: object) -> bool:
    """Return whether a method with this preset has the protocol's concept."""
    return preset not in (None, OF_DIFFUSERS)


def _left_open(value: object) -> str | None:
    """Return the name of a method whose concept the settings leave open."""
    if isinstance(value, Mapping):
        entry: Mapping[Any, Any] = value
        return entry.get("name") if entry.get("concept") is None else None
    return value if isinstance(value, str) and value in sld.METHODS else None
