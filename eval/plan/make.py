"""From settings to the plan of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import i2p
import sld
from eval.base.errors import InputError
from eval.config.keys import PLAN, as_keys
from eval.config.settings import Settings, ShardSettings, image_size
from eval.config.sources import SOURCES, Source
from eval.folder.listing import list_and_place
from eval.folder.open import open_folder
from eval.measure.definitions import own_definition
from eval.plan.memory import check_pictures
from eval.plan.methods import check_guided, choose_methods
from eval.plan.plan import FolderPlan, Plan, ReplayPlan
from eval.plan.prompts import otherwise_drawn, prompts_of_folder, read_prompts, recorded, selection_of
from eval.plan.protocol import changed_protocol, other_rows, otherwise_counted

MOST_IMAGES = 5_000_000  # twenty times I2P with ten images per prompt and five methods


@as_keys(PLAN)
def make_plan(settings: Settings, methods: Sequence[sld.Method] = ()) -> Plan:
    """Load and select the prompts, resolve protocol and methods.

    Args:
        settings: the whole run.
        methods: that can be named beside sld's own; those that the settings don't name come last.

    Raises:
        InputError, i2p.InputError, sld.InputError: what was asked for does not exist or is empty.
    """
    source = SOURCES[settings.model.kind]
    if methods and not source.draws:
        raise InputError(f"model={source.kind} {source.instead}, found methods of a script: use another model")
    _check_published_as(settings.model.published_as)
    return _plan_of_folder(settings, source) if source.folder else _plan_of_prompts(settings, source, methods)


def _plan_of_prompts(settings: Settings, source: Source, methods: Sequence[sld.Method]) -> Plan:
    protocol, deviations, lossy = changed_protocol(settings.protocol)
    resolved = choose_methods(settings.methods, methods)
    judges = settings.judges if source.judged else None
    if judges is not None:
        _check_judges(judges, protocol)
    deviations += other_rows(protocol, settings.prompts)
    if not source.judged:
        _check_replayed(protocol, deviations)
    prompt_list = read_prompts(settings.prompts)
    selected = i2p.select(prompt_list.prompts, selection_of(settings.prompts))
    deviations += otherwise_counted(settings.prompts, judges, protocol, prompt_list)
    deviations += otherwise_drawn(protocol, prompt_list)
    prompts = [protocol.apply(prompt) for prompt in selected]
    size = image_size(settings.model.size)
    if size is not None and any((prompt.height, prompt.width) != size for prompt in prompts):
        protocol = replace(protocol, size=size)
        deviations += (f"size {size[0]}×{size[1]} instead of the protocol's",)
        prompts = [protocol.apply(prompt) for prompt in selected]
    if source.draws:
        check_guided(resolved, prompts)
    check_pictures(prompts)
    _check_count(len(prompts), len(resolved), protocol.images_per_prompt)
    plan_of_source = Plan if source.draws else ReplayPlan
    place = _place(settings.shard) | recorded(prompt_list)
    return plan_of_source(tuple(prompts), resolved, protocol, deviations, lossy, bool(methods), **place)


def _place(shard: ShardSettings) -> dict[str, int]:
    return {"shard_index": shard.index, "shard_count": shard.count}


def _check_count(prompts: int, methods: int, each: int) -> None:
    if prompts * methods * each > MOST_IMAGES:
        raise InputError(
            f"a run must have at most {MOST_IMAGES:,} images, because its bookkeeping is held in memory, found "
            f"{prompts * methods * each:,} ({prompts:,} prompts, {methods} methods, {each:,} each): lower "
            "protocol.images_per_prompt, or choose fewer prompts with prompts.sample"
        )


def _plan_of_folder(settings: Settings, source: Source) -> FolderPlan:
    model, (named, _, _) = settings.model, changed_protocol(settings.protocol)
    _check_judges(settings.judges, named)
    own = prompts_of_folder(model, settings.prompts)
    # Before prompts are looked for on the hub: names that no layout knows are refused first.
    placed = None if own else list_and_place(model.path, model.layout)
    prompt_list = own.source if own else read_prompts(settings.prompts)
    selected = i2p.select(prompt_list.prompts, selection_of(settings.prompts))
    each = settings.protocol.images_per_prompt
    folder = open_folder(model.path, model.layout, model.method, each, prompt_list.prompts, selected, own, placed)
    protocol, deviations, _ = changed_protocol(replace(settings.protocol, images_per_prompt=folder.images_per_prompt))
    table = own.table if own else None
    deviations += other_rows(protocol, settings.prompts)
    deviations += otherwise_counted(settings.prompts, settings.judges, protocol, prompt_list, table)
    prompts = tuple(selected)  # at what guidance and size they were drawn is not known
    place = _place(settings.shard) | recorded(prompt_list)
    return FolderPlan(prompts, folder.methods, protocol, deviations, folder=folder, **place)


def _check_published_as(name: str | None) -> None:
    known = sorted({result.model for result in i2p.published.RESULTS})
    if name not in (None, *known):
        raise InputError(f"model.published_as must be null or one of {', '.join(known)}, found {name!r}")


def _check_replayed(protocol: i2p.Protocol, deviations: Sequence[str]) -> None:
    if protocol.name != "dataset" or deviations:
        asked = ", ".join((f"protocol={protocol.name}", *deviations))
        raise InputError(
            f"model=published replays results of protocol=dataset as it stands, found {asked}: leave the protocol out"
        )


def _check_judges(judges: Sequence[str], protocol: i2p.Protocol) -> None:
    """Whether the protocol's definition can be had of these judges."""
    remedy = "add nudenet to judges, or let Q16 decide too, protocol.q16_rule=argmax"
    if protocol.q16_rule is not None:
        remedy = "add nudenet or q16 to judges"
    own_definition(protocol, judges, remedy)
