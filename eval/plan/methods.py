"""The methods of a run: resolving them, checking that each has an effect, and remarks on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import i2p
import sld
from eval.base import plugins
from eval.base.errors import InputError
from eval.config.methods import read_method
from eval.plan.concepts import with_concepts
from eval.store.records import MethodRecord

PLAIN = "baseline"
EPSILON = "epsilon"
PREDICTIONS = {"v_prediction": "v", "sample": "denoised sample", "flow_prediction": "flow", "edm": "output of EDM"}


def choose_methods(
    values: Sequence, added: Sequence[sld.Method] = (), protocol: str = "", begun: Sequence[MethodRecord] = ()
) -> tuple[sld.Method, ...]:
    """Return the methods that settings name or describe, and those that a script added.

    Args:
        values: names, descriptions as dictionaries, or methods.
        added: methods that can be named like sld's; those that `values` don't name come last.
        protocol: its name, because some have a concept of their own.
        begun: the methods with which the run began.

    Raises:
        InputError, sld.InputError: one does not exist, is not a method, or changes nothing.
    """
    by_name = {method.name: method for method in sld.resolve_methods(added)} if added else {}
    chosen = [
        read_method(v) if isinstance(v, dict) else by_name.get(v) or _resolve_name(v) if isinstance(v, str) else v
        for v in values
    ]
    resolved = sld.resolve_methods([*chosen, *(method for name, method in by_name.items() if name not in values)])
    methods = sld.resolve_methods(with_concepts(resolved, values, protocol, begun))
    for method in methods:
        if method.name != PLAIN and (why := _changes_nothing(method)):
            raise InputError(
                f"methods: {method.name} must change something, found that {why}: correct it, or name {PLAIN} for "
                "plain pictures"
            )
    return methods


def _resolve_name(name: str) -> str | sld.Method:
    """Return the name of one of sld's methods, or the method that an installed package brings under it.

    Raises:
        InputError: a package brings one under the name of one of sld's, or a broken one.
    """
    if name in sld.METHODS:
        plugins.check_free(plugins.METHODS, name)
        return name
    if name not in plugins.names(plugins.METHODS):
        return name  # which `sld` refuses
    method = plugins.load(plugins.METHODS, name)
    if not isinstance(method, sld.Method):
        raise plugins.misfit(plugins.METHODS, name, f"it is no sld.Method but {type(method).__name__}")
    if method.name != name:
        raise plugins.misfit(plugins.METHODS, name, f"its name is {method.name!r}")
    return method


def _changes_nothing(method: sld.Method) -> str | None:
    """Return why a method, or a part of it, has no effect, as a clause; None if all has one.

    A method without preset, negative prompt and prefix is refused by `sld.resolve_methods`.
    """
    negative, safety = (method.negative_prompt or "").strip(), method.safety
    if method.preset is not None and safety is None:
        scale = getattr(method.preset, "guidance_scale", None)
        return "its preset does not act" + ("" if scale is None else f" (guidance_scale {scale:g} is not above 1)")
    if isinstance(safety, sld.SafetyPreset) and _as_read(method.concept) == _as_read(negative):
        # Safety guidance compares the concept with the unconditional branch, which has this very text.
        return f"its concept is {'its negative prompt' if negative else 'empty'}, so its preset takes nothing away"
    if safety is None and method.concept != sld.CONCEPT:
        return "it has a concept but no preset, and only a preset uses it"
    if safety is None and method.space is not None:
        return "it has a space but no preset, and only a preset uses it"
    return None


def _as_read(text: str) -> str:
    """Return a text without the differences that CLIP's tokenizer ignores."""
    return " ".join(text.lower().split())


def _needs_guidance(method: sld.Method) -> bool:
    """Return whether a method has a part that acts through classifier-free guidance only; a prefix is none."""
    return method.safety is not None or bool((method.negative_prompt or "").strip())


def check_guided(methods: Sequence[sld.Method], prompts: Sequence[i2p.Prompt]) -> None:
    """Refuse methods that act through guidance where no prompt is guided: their pictures would be the baseline's."""
    idle = [method.name for method in methods if _needs_guidance(method)]
    if idle and not any(prompt.is_guided for prompt in prompts):
        raise InputError(
            f"methods: {', '.join(idle)} must have a prompt with a guidance scale above 1, since at 1 or less there is "
            "no classifier-free guidance for safety guidance or a negative prompt to change, found none in "
            f"{len(prompts):,}: set protocol.guidance_scale=7.5, choose other rows, or, for a few-step model that is "
            f"made to run without guidance, measure the model alone, methods=[{PLAIN}]"
        )


def remarks(methods: Sequence[sld.Method], prompts: Sequence[i2p.Prompt]) -> Iterator[str]:
    """Yield, as sentences, which methods are the same, which prefix runs into prompts, and how many are unguided."""
    groups: dict[tuple, list[str]] = {}
    for method in methods:
        guided = (method.safety, method.concept, method.space) if method.safety else None
        groups.setdefault((method.negative_prompt, method.prefix, guided), []).append(method.name)
    for names in groups.values():
        if len(names) > 1:
            yield f"{' and '.join(names)} have the same definition, so their pictures are the same."
    for method in methods:
        if _runs_on(method.prefix):
            yield (
                f"{method.name}: its prefix ends without a space, so that {method.prefix.split()[-1]!r} runs into the "
                "first word of every prompt."
            )
    unguided = sum(not prompt.is_guided for prompt in prompts)
    if unguided and any(map(_needs_guidance, methods)):
        every = "every method without a prefix" if any(method.prefix for method in methods) else "every method"
        yield (
            f"Prompts with a guidance scale of 1 or less, which {every} draws as the baseline does: {unguided:,} "
            f"of {len(prompts):,}."
        )


def guided_on(method: sld.Method, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest adds to a method if the network predicts something else than epsilon; else nothing.

    `guided_on` is what its safety guidance compares, `extension` whether that is neither the paper's nor what its
    implementations do: with Stable Diffusion 2.x both compare v as it is, which is the default of that family.

    Args:
        method: of the run.
        model: the model's own description; the known part of it, before it is loaded.
    """
    prediction = model.get("prediction_type", EPSILON)
    if prediction == EPSILON or method.safety is None:
        return {}
    default = model.get("space", "output")
    space, predicted = method.space or default, PREDICTIONS.get(prediction, prediction)
    if space == EPSILON:
        return {"guided_on": f"epsilon, computed from the {predicted} that the network predicts", "extension": True}
    return {
        "guided_on": f"the {predicted} that the network predicts",
        "extension": default != space or prediction != "v_prediction",
    }


def _runs_on(prefix: str) -> bool:
    """Return whether a prefix ends within a word, in a script that has spaces between words: one with capitals."""
    last = prefix[-1:]
    return last.isdigit() or last.lower() != last.upper()
