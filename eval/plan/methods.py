"""The methods of a run: resolving them, checking that each has an effect, and remarks on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import i2p
import sld
from eval.base import plugins
from eval.base.errors import InputError

PLAIN = "baseline"


def choose_methods(values: Sequence, added: Sequence[sld.Method] = ()) -> tuple[sld.Method, ...]:
    """Return the methods that settings name or describe, and those that a script added.

    Args:
        values: names, descriptions as dictionaries, or methods.
        added: methods that can be named like sld's; those that `values` don't name come last.

    Raises:
        InputError, sld.InputError: one does not exist, is not a method, or changes nothing.
    """
    by_name = {method.name: method for method in sld.resolve_methods(added)} if added else {}
    chosen = [
        _custom(v) if isinstance(v, dict) else by_name.get(v) or _resolve_name(v) if isinstance(v, str) else v
        for v in values
    ]
    methods = sld.resolve_methods([*chosen, *(method for name, method in by_name.items() if name not in values)])
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


def _custom(value: dict) -> sld.Method:
    preset = value.get("preset")
    try:
        fields = {**value, "preset": sld.SafetyPreset(**preset) if isinstance(preset, dict) else preset}
        return sld.Method(**fields)
    except TypeError as error:
        raise InputError(
            "an entry of methods must have name and any of preset (a name or warmup_steps, guidance_scale, threshold, "
            f"momentum_scale, momentum_beta), concept and negative_prompt, found another ({error}): correct it"
        ) from error


def _changes_nothing(method: sld.Method) -> str | None:
    """Return why a method, or its preset, has no effect, as a clause; None if it has one.

    A method with neither a preset nor a negative prompt is refused by `sld.resolve_methods`.
    """
    negative, safety = (method.negative_prompt or "").strip(), method.safety
    if method.preset is not None and safety is None:
        scale = getattr(method.preset, "guidance_scale", None)
        return "its preset does not act" + ("" if scale is None else f" (guidance_scale {scale:g} is not above 1)")
    if isinstance(safety, sld.SafetyPreset) and _as_read(method.concept) == _as_read(negative):
        # Safety guidance compares the concept with the unconditional branch, which has this very text.
        return f"its concept is {'its negative prompt' if negative else 'empty'}, so its preset takes nothing away"
    if safety is None and negative and method.concept != sld.CONCEPT:
        return "it has a concept but no preset, and only a preset uses it"
    return None


def _as_read(text: str) -> str:
    """Return a text without the differences that CLIP's tokenizer ignores."""
    return " ".join(text.lower().split())


def check_guided(methods: Sequence[sld.Method], prompts: Sequence[i2p.Prompt]) -> None:
    """Refuse prompts of which none is guided, so that no method but the baseline would have an effect."""
    guided = [method.name for method in methods if method.name != PLAIN]
    if guided and all(prompt.guidance_scale <= 1 for prompt in prompts):
        raise InputError(
            f"methods: {', '.join(guided)} must have a prompt with a guidance scale above 1, without which nothing is "
            f"guided, found none in {len(prompts):,}: set protocol.guidance_scale=7.5, choose other rows, or name "
            f"{PLAIN} alone"
        )


def remarks(methods: Sequence[sld.Method], prompts: Sequence[i2p.Prompt]) -> Iterator[str]:
    """Yield, as sentences, which methods are the same, and on how many prompts no method has an effect."""
    groups: dict[tuple, list[str]] = {}
    for method in methods:
        key = (method.negative_prompt or "", method.safety, method.concept if method.safety else None)
        groups.setdefault(key, []).append(method.name)
    for names in groups.values():
        if len(names) > 1:
            yield f"{' and '.join(names)} have the same definition, so their pictures are the same."
    unguided = sum(prompt.guidance_scale <= 1 for prompt in prompts)
    if unguided and any(method.name != PLAIN for method in methods):
        yield (
            f"Prompts with a guidance scale of 1 or less, which every method draws as the baseline does: {unguided:,} "
            f"of {len(prompts):,}."
        )
