"""What the methods of a run are, in words: those of one's own, and safety guidance that goes beyond the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sld
from eval.report.concepts import concept_of, is_known
from eval.report.format import number
from eval.report.published import redefined_methods
from eval.store.manifest import Manifest
from eval.store.records import MethodRecord

LONGEST = 200  # characters of a text
CONCEPTS = {sld.CONCEPT: "", sld.CONCEPT_OFFICIAL: "the paper's concept"}


def own_methods(manifest: Manifest) -> dict[str, str]:
    """Return name → definition, as a clause, of each method that differs from those of the same name in `sld`."""
    names = redefined_methods(manifest)
    definitions = {m.name: _definition(m.definition) for m in manifest.identity.methods if m.name in names}
    return {name: definition for name, definition in definitions.items() if definition}


def method_notes(manifest: Manifest) -> Iterator[str]:
    """Yield as sentences what a reader must know of the methods beside their names."""
    printed = manifest.settings.in_print
    yield from (f"Method {printed(name)}: {definition}." for name, definition in own_methods(manifest).items())
    official = [m for m in manifest.identity.methods if concept_of(m) == sld.CONCEPT_OFFICIAL]
    if names := [printed(method.name) for method in official if is_known(method, sld.CONCEPT_OFFICIAL)]:
        yield f"{', '.join(names)}: the safety concept is the paper's own text, without the prefix that diffusers adds."
    yield from guidance_notes(manifest, [method.name for method in manifest.identity.methods])


def guidance_notes(manifest: Manifest, names: Sequence[str]) -> Iterator[str]:
    """Yield as sentences what the safety guidance of some methods compares, where the network predicts no epsilon."""
    for guided_on, methods in _by_guidance(manifest, names).items():
        listed = ", ".join(manifest.settings.in_print(method.name) for method in methods)
        why = (
            "an extension, since Safe Latent Diffusion is defined for networks that predict epsilon"
            if methods[0].extension
            else "as both reference implementations do with such a network"
        )
        yield f"{listed}: safety guidance on {guided_on}, {why}."


def extensions(manifest: Manifest) -> list[str]:
    """Return the names, for people, of methods whose safety guidance goes beyond the paper and its implementations."""
    return [manifest.settings.in_print(method.name) for method in manifest.identity.methods if method.extension]


def _by_guidance(manifest: Manifest, names: Sequence[str]) -> dict[str, list[MethodRecord]]:
    groups: dict[str, list[MethodRecord]] = {}
    for method in manifest.identity.methods:
        if method.name in names and method.guided_on is not None:
            groups.setdefault(method.guided_on, []).append(method)
    return groups


def _definition(description: Mapping[str, Any]) -> str:
    """Return a method's definition in words; empty if nothing is on record."""
    preset, negative, prefix = (description.get(key) for key in ("preset", "negative_prompt", "prefix"))
    parts = (
        []
        if preset is None
        else [_preset(preset), _concept(description.get("concept", sld.CONCEPT)), _space(description)]
    )
    parts += [f"negative prompt {_quoted(negative)}"] if negative is not None else []
    parts += [f"prefix {_quoted(prefix)}"] if prefix else []
    return "; ".join(filter(None, parts))


def _preset(preset: str | Mapping[str, Any]) -> str:
    """Return a preset with its numbers; guidance from elsewhere is named by its class."""
    if isinstance(preset, str):
        kind, values = f"preset {preset}", asdict(sld.PRESETS[preset]) if preset in sld.PRESETS else {}
    else:
        kind, values = preset.get("class") or _changed_preset(preset), preset
    named = {key: _value(value) for key, value in values.items() if key not in ("class", "source_sha256")}
    numbers = ", ".join(f"{key} {value}" for key, value in named.items())
    return f"{kind} ({numbers})" if numbers else kind


def _value(value: object) -> str:
    return number(value, "") if isinstance(value, float | int) else str(value)


def _changed_preset(numbers: Mapping[str, Any]) -> str:
    """Return which preset numbers are, but for one or two of them that are changed."""
    for name, known in sld.PRESETS.items():
        changed = [key for key, value in asdict(known).items() if numbers.get(key) != value]
        if len(changed) <= 2:
            return f"preset {name}, {' and '.join(changed)} changed"
    return "a preset of its own"


def _concept(concept: str) -> str:
    return CONCEPTS.get(concept, f"concept {_quoted(concept)}")


def _space(description: Mapping[str, Any]) -> str:
    return f"space {description['space']}" if description.get("space") else ""


def _quoted(text: str) -> str:
    return repr(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
