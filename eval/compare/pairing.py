"""How the settings of two runs differ, and whether they share prompts, noise and judges, so that pictures are pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import i2p
import sld
from eval.measure.definitions import definition_of
from eval.store.changes import changed_keys
from eval.store.records import MethodRecord
from eval.store.stored_run import StoredRun

PLACES = "in A", "in B"
# Noise is drawn from the row's seed in the shape of the latents, which depends on these and on the picture's size.
MODEL = "family", "latents"


def settings_apart(first: StoredRun, second: StoredRun) -> list[str]:
    """Return in which settings two runs differ, as clauses.

    If only one has pictures made elsewhere, how the other's were drawn is not compared.
    """
    elsewhere = [stored.manifest.made_elsewhere for stored in (first, second)]
    if all(elsewhere):
        unknown = "The pictures of both were made elsewhere: how, and what the methods' names mean, is not known"
        return [unknown, *changed_keys(first.identity.document(), second.identity.document(), places=PLACES)]
    if not any(elsewhere):
        by_name = ({**stored.identity.document(), "methods": stored.methods} for stored in (first, second))
        return [*changed_keys(*by_name, places=PLACES), *_methods_apart(first, second)]
    unknown = (
        f"The pictures of {'A' if elsewhere[0] else 'B'} were made elsewhere: how is not known, so it is not compared"
    )
    judged = [_as_judged(stored) for stored in (first, second)]
    return [unknown, *changed_keys(*judged, places=PLACES)]


def _methods_apart(first: StoredRun, second: StoredRun) -> Iterator[str]:
    """In which settings the methods that both runs name differ."""
    second_methods = {method.name: method for method in second.identity.methods}
    for method in first.identity.methods:
        if namesake := second_methods.get(method.name):
            descriptions = [_in_full(method), _in_full(namesake)]
            if not all(description["preset"] for description in descriptions):  # a concept has no effect without one
                descriptions = [{**description, "concept": None} for description in descriptions]
            yield from changed_keys(*descriptions, f"methods.{method.name}", PLACES)


def _in_full(method: MethodRecord) -> dict:
    """A method's description with the numbers of its preset in place of its name."""
    preset = method.preset
    numbers = sld.PRESETS.get(preset) if isinstance(preset, str) else None
    return {**method.description, "preset": preset if numbers is None else asdict(numbers)}


def _as_judged(stored: StoredRun) -> dict:
    """An identity without how pictures were drawn: no prompts' digest either, since it covers guidance and size."""
    return {
        "prompts": {"count": stored.identity.prompts.count},
        "protocol": stored.protocol.without_drawing().document(),
        "methods": stored.methods,
        "judges": stored.identity.document()["judges"],
    }


def common_prompts(first: StoredRun, second: StoredRun) -> list[i2p.Prompt]:
    """Return the prompts of `first` whose rows both runs have."""
    rows = {prompt.row for prompt in second.prompts}
    return [prompt for prompt in first.prompts if prompt.row in rows]


def no_pairs(first: StoredRun, second: StoredRun) -> Iterator[str]:
    """Yield as clauses why pictures of the same row and number in both runs are no pairs; nothing where they are."""
    second_prompts = {prompt.row: prompt for prompt in second.prompts}
    common = [(prompt, second_prompts[prompt.row]) for prompt in common_prompts(first, second)]
    if not common:
        yield "they have no row in common"
    drawn = not any(stored.manifest.made_elsewhere for stored in (first, second))
    noise = (("seed", ("seed",)), ("size", ("height", "width"))) if drawn else ()
    for what, names in (("text", ("text",)), ("categories", ("categories",)), *noise):
        rows = [a.row for a, b in common if any(getattr(a, name) != getattr(b, name) for name in names)]
        if rows:
            yield f"{what} differs in {len(rows):,} of {len(common):,} common rows, the first {rows[0]}"
    for name, stored in (("A", first), ("B", second)):
        if not stored.judges:
            yield f"{name} is a replay, whose pictures come from no known noise"
        if stored.manifest.made_elsewhere:
            yield f"{name} judged pictures made elsewhere, whose noise is not known"
    if drawn:
        yield from _noise_differences(first, second)
    judges = (stored.identity.document()["judges"] for stored in (first, second))
    yield from changed_keys(*judges, "judges", PLACES)
    definitions = [definition_of(stored.protocol, stored.judges) for stored in (first, second)]
    if not definitions[0].same_as(definitions[1]):
        yield f"inappropriate is {definitions[0].counts} in A and {definitions[1].counts} in B"


def _noise_differences(first: StoredRun, second: StoredRun) -> Iterator[str]:
    models = [{key: stored.identity.model.description.get(key) for key in MODEL} for stored in (first, second)]
    for key in MODEL:
        if None in (models[0][key], models[1][key]):
            yield f"model.{key} is not on record in {'A' if models[0][key] is None else 'B'}, so the noise is not known"
        elif models[0][key] != models[1][key]:
            yield f"model.{key} is {models[0][key]} in A and {models[1][key]} in B, so the noise has another shape"
    yield from changed_keys(first.protocol.noise, second.protocol.noise, "protocol.noise", PLACES)
