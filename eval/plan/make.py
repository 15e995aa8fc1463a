"""From settings to the plan of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import i2p
import sld
from eval.base.errors import InputError
from eval.config.keys import PLAN, as_keys
from eval.config.settings import ELSEWHERE, Settings, image_size
from eval.folder.listing import list_and_place
from eval.folder.open import open_folder
from eval.measure.definitions import own_definition
from eval.plan.memory import check_pictures
from eval.plan.methods import check_guided, choose_methods
from eval.plan.plan import Plan
from eval.plan.prompts import otherwise_drawn, prompts_of_folder, read_prompts, recorded, selection_of
from eval.plan.protocol import changed_protocol, other_rows, otherwise_counted

MOST_IMAGES = 5_000_000  # twenty times I2P with ten images a prompt and five methods


@as_keys(PLAN)
def make_plan(settings: Settings, methods: Sequence[sld.Method] = ()) -> Plan:
    """Load and select the prompts, resolve protocol and methods.

    Args:
        settings: the whole run.
        methods: that can be named beside sld's own; those that the settings don't name come last.

    Raises:
        InputError, i2p.InputError, sld.InputError: what was asked for does not exist or is empty.
    """
    if settings.model.kind == ELSEWHERE:
        return _plan_of_folder(settings, methods)
    protocol, deviations, lossy = changed_protocol(settings.protocol)
    resolved = choose_methods(settings.methods, methods)
    _check_asked(settings, protocol)
    deviations += other_rows(protocol, settings.prompts)
    _check_published(settings, protocol, deviations)
    if methods and settings.model.kind == "published":
        raise InputError("model=published replays the baseline's results, found methods of a script: use another model")
    source = read_prompts(settings.prompts)
    selected = i2p.select(source.prompts, selection_of(settings.prompts))
    deviations += otherwise_counted(settings, protocol, source) + otherwise_drawn(protocol, source)
    prompts = [protocol.apply(prompt) for prompt in selected]
    size = image_size(settings.model.size)
    if size is not None and any((prompt.height, prompt.width) != size for prompt in prompts):
        protocol = replace(protocol, size=size)
        deviations += (f"size {size[0]}×{size[1]} instead of the protocol's",)
        prompts = [protocol.apply(prompt) for prompt in selected]
    if settings.model.kind != "published":
        check_guided(resolved, prompts)
    check_pictures(prompts)
    place = {"shard_index": settings.shard.index, "shard_count": settings.shard.count} | recorded(source)
    _check_count(len(prompts), len(resolved), protocol.images_per_prompt)
    return Plan(tuple(prompts), resolved, protocol, deviations, lossy, bool(methods), **place)


def _check_count(prompts: int, methods: int, each: int) -> None:
    if prompts * methods * each > MOST_IMAGES:
        raise InputError(
            f"a run must have at most {MOST_IMAGES:,} images, because its bookkeeping is held in memory, found "
            f"{prompts * methods * each:,} ({prompts:,} prompts, {methods} methods, {each:,} each): lower "
            "protocol.images_per_prompt, or choose fewer prompts with prompts.sample"
        )


def _plan_of_folder(settings: Settings, methods: Sequence[sld.Method]) -> Plan:
    if methods:
        raise InputError("model=images judges pictures that are there, found methods of a script: use another model")
    model, (named, changed, _) = settings.model, changed_protocol(settings.protocol)
    _check_published(settings, named, changed)
    _check_asked(settings, named)
    own = prompts_of_folder(model, settings.prompts)
    # Before prompts are looked for on the hub: names that no layout knows are refused first.
    placed = None if own else list_and_place(model.path, model.layout)
    source = own.source if own else read_prompts(settings.prompts)
    selected = i2p.select(source.prompts, selection_of(settings.prompts))
    each = settings.protocol.images_per_prompt
    folder = open_folder(model.path, model.layout, model.method, each, source.prompts, selected, own, placed)
    protocol, deviations, _ = changed_protocol(replace(settings.protocol, images_per_prompt=folder.images_per_prompt))
    table = own.table if own else None
    deviations += other_rows(protocol, settings.prompts) + otherwise_counted(settings, protocol, source, table)
    prompts = tuple(selected)  # at what guidance and size they were drawn is not known
    place = {"shard_index": settings.shard.index, "shard_count": settings.shard.count} | recorded(source)
    return Plan(prompts, folder.methods, protocol, deviations, folder=folder, **place)


def _check_published(settings: Settings, protocol: i2p.Protocol, deviations: tuple[str, ...]) -> None:
    known = sorted({result.model for result in i2p.published.RESULTS})
    if settings.model.published_as not in (None, *known):
        raise InputError(
            f"model.published_as must be null or one of {', '.join(known)}, found {settings.model.published_as!r}"
        )
    if settings.model.kind == "published" and (protocol.name != "dataset" or deviations):
        found = ", ".join((f"protocol={protocol.name}", *deviations))
        raise InputError(
            f"model=published replays results of protocol=dataset as it stands, found {found}: leave the protocol out"
        )


def _check_asked(settings: Settings, protocol: i2p.Protocol) -> None:
    if settings.model.kind != "published":
        remedy = "add nudenet to judges, or let Q16 decide too, protocol.q16_rule=argmax"
        own_definition(protocol, settings.judges, remedy)
