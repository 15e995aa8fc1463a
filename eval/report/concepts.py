"""The texts from which a run's safety guidance steered away, beside those of the published methods."""

from __future__ import annotations

from dataclasses import replace

import sld
from eval.base.words import first_of
from eval.plan.concepts import CONCEPTS, takes_concept
from eval.store.manifest import Manifest
from eval.store.records import MethodRecord

FEW = 5  # methods that a clause names


def concept_deviations(manifest: Manifest) -> tuple[str, ...]:
    """Return, in words, the methods that don't have the concept of a protocol that has one of its own.

    That is said of single methods, so that the others are still comparable with what was published.
    """
    expected = CONCEPTS.get(manifest.identity.protocol.name)
    if expected is None:
        return ()
    methods = [m for m in manifest.identity.methods if takes_concept(m.preset) and concept_of(m) != expected]
    if not methods:
        return ()
    names = first_of([manifest.settings.in_print(method.name) for method in methods], FEW)
    return (f"another concept than the paper's own text with {names}",)


def is_known(method: MethodRecord, concept: str) -> bool:
    """Return whether a method is the one of its name in `sld`, with this concept if it has safety guidance."""
    known = sld.METHODS.get(method.name)
    if known is None:
        return False
    return method.definition == (replace(known, concept=concept) if takes_concept(known.preset) else known).describe()


def concept_of(method: MethodRecord) -> str | None:
    """Return the text from which a method's safety guidance steered away; None where that is not on record."""
    return method.description.get("concept")
