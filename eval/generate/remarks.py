"""Remarks that need the loaded model: texts that are cut off, methods that never act, its scheduler."""

from __future__ import annotations

from collections.abc import Iterator

from eval.plan import methods
from eval.plan.batches import calls_per_picture
from eval.plan.plan import Plan
from eval.plan.size import leaves_size, size_deviations
from sld.models import LoadedModel
from sld.models.text import Texts


def drawing_remarks(plan: Plan, model: LoadedModel) -> list[str]:
    """Return, as sentences for a report, where pictures are not drawn as their prompts and methods suggest.

    Args:
        plan: the whole run, all shards.
        model: from `sld.load_model`.
    """
    return [*methods.remarks(plan.methods, plan.prompts), *_cut(plan, model.texts), *_never_acting(plan, model)]


def drawing_deviations(plan: Plan, model: LoadedModel) -> list[str]:
    """Return, in words, what of the loaded checkpoint deviates from the protocol and is not among the plan's yet.

    That is a size other than its own where the protocol leaves the size to it; and where it brings the scheduler, with
    which settings other than its family's this was saved.
    """
    sizes = size_deviations(plan.protocol.size, model.default_size) if leaves_size(plan.protocol) else ()
    return [*(clause for clause in sizes if clause not in plan.deviations), *_own_scheduler(plan, model)]


def _own_scheduler(plan: Plan, model: LoadedModel) -> list[str]:
    from sld.schedulers import own_settings

    if plan.protocol.scheduler is not None:
        return []
    name = type(model.scheduler).__name__
    return [
        f"{name} with {key} {value} instead of {usual}, as the checkpoint was saved"
        for key, (value, usual) in own_settings(model.scheduler, model.standard).items()
    ]


def _cut(plan: Plan, texts: Texts) -> Iterator[str]:
    by_prefix: dict[str, list[str]] = {}
    for method in plan.methods:
        by_prefix.setdefault(method.prefix, []).append(method.name)
    for prefix, names in by_prefix.items():
        cut = sum(texts.are_cut([prefix + prompt.text for prompt in plan.prompts]))
        if cut:
            prefixed = f" with the prefix of {', '.join(names)}" if prefix else ""
            yield (
                f"Prompts cut off{prefixed} because the text encoder reads {texts.length} tokens{texts.beside}: "
                f"{cut:,} of {len(plan.prompts):,}."
            )
    concepts = {method.name: method.concept for method in plan.methods if method.safety is not None}
    negatives = {method.name: method.negative_prompt for method in plan.methods if method.negative_prompt}
    for what, texts_by_method in (("Safety concepts", concepts), ("Negative prompts", negatives)):
        names = [
            name
            for name, is_cut in zip(texts_by_method, texts.are_cut([*texts_by_method.values()]), strict=True)
            if is_cut
        ]
        if names:
            yield f"{what} cut off at {texts.length} tokens{texts.beside}: those of {', '.join(names)}."


def _never_acting(plan: Plan, model: LoadedModel) -> Iterator[str]:
    calls = calls_per_picture(model, plan)
    names = [m.name for m in plan.methods if m.safety is not None and m.safety.warmup_steps >= calls]
    if names:
        yield f"{', '.join(names)}: safety guidance never acts: its warm-up outlasts the {calls} denoiser calls."
