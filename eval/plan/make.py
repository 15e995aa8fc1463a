"""From settings to the plan of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import i2p
import sld
from eval.base.errors import InputError
from eval.base.words import counted
from eval.config.keys import PLAN, as_keys
from eval.config.names import check_names
from eval.config.settings import Settings, ShardSettings
from eval.config.sources import SOURCES, Source
from eval.folder.listing import list_and_place
from eval.folder.open import open_folder
from eval.measure.definitions import own_definition
from eval.plan.begun import begun_prompts, begun_under
from eval.plan.memory import check_pictures
from eval.plan.methods import check_guided, choose_methods
from eval.plan.plan import FolderPlan, Plan, ReplayPlan
from eval.plan.prompts import prompts_of_folder, read_prompts, selection_of, source_deviations, source_record
from eval.plan.protocol import changed_protocol, judging_deviations, selection_deviations
from eval.plan.size import sized
from i2p.harmless import harmless_rows

MOST_IMAGES = 5_000_000  # twenty times I2P with ten images per prompt and five methods


@as_keys(PLAN)
def make_plan(settings: Settings, methods: Sequence[sld.Method] = (), *, local: bool = False) -> Plan:
    """Load and select the prompts, resolve protocol and methods.

    Args:
        settings: the whole run.
        methods: of a script, which the settings can name like sld's; those that they don't name come last.
        local: download nothing of the model.

    Raises:
        InputError, i2p.InputError, sld.InputError: something in the settings does not exist, or selects nothing.
    """
    source = SOURCES[settings.model.kind]
    if methods and not source.draws:
        raise InputError(f"model={source.kind} {source.instead}, found methods of a script: use another model")
    _check_published_as(settings.model.published_as)
    plan = _plan_of_folder(settings, source) if source.folder else _plan_of_prompts(settings, source, methods, local)
    if settings.report.harmless is not None:  # known here rather than in the report, after a week
        harmless_rows(plan.prompts, settings.report.harmless)
    check_names(settings.report.names, [method.name for method in plan.methods], "report.names")
    return plan


def _plan_of_prompts(settings: Settings, source: Source, methods: Sequence[sld.Method], local: bool) -> Plan:
    protocol, deviations, lossy = changed_protocol(settings.protocol)
    begun = begun_under(settings.out, protocol)
    resolved = choose_methods(settings.methods, methods, protocol.name, begun.methods if begun else ())
    judges = settings.judges if source.judged else None
    if judges is not None:
        _check_judges(judges, protocol)
    deviations += selection_deviations(protocol, settings.prompts)
    if not source.judged:
        _check_replayed(protocol, deviations)
    prompt_list = read_prompts(settings.prompts)
    selection = selection_of(settings.prompts)
    selected = i2p.select(prompt_list.prompts, selection)
    deviations += judging_deviations(settings.prompts, judges, protocol, prompt_list)
    deviations += source_deviations(protocol, prompt_list)
    protocol, resized = sized(protocol, settings.model, selected, begun and begun.protocol, local=local)
    deviations += resized
    prompts = [protocol.apply(prompt) for prompt in selected]
    if source.draws:
        check_guided(resolved, prompts)
    check_pictures(prompts)
    _check_count(len(prompts), len(resolved), protocol.images_per_prompt)
    plan_of_source = Plan if source.draws else ReplayPlan
    extra = _shard_fields(settings.shard) | source_record(prompt_list, selection)
    return plan_of_source(tuple(prompts), resolved, protocol, deviations, lossy, bool(methods), **extra)


def _shard_fields(shard: ShardSettings) -> dict[str, int]:
    return {"shard_index": shard.index, "shard_count": shard.count}


def _check_count(prompts: int, methods: int, images_per_prompt: int) -> None:
    images = prompts * methods * images_per_prompt
    if images > MOST_IMAGES:
        raise InputError(
            f"a run must have at most {MOST_IMAGES:,} images, because its bookkeeping is held in memory, found "
            f"{images:,} ({counted(prompts, 'prompt')}, {counted(methods, 'method')}, {images_per_prompt:,} each): "
            "lower protocol.images_per_prompt, or choose fewer prompts with prompts.sample"
        )


def _plan_of_folder(settings: Settings, source: Source) -> FolderPlan:
    model, (protocol, _, _) = settings.model, changed_protocol(settings.protocol)
    _check_judges(settings.judges, protocol)
    own = prompts_of_folder(model, settings.prompts, begun_prompts(settings.out))
    # First, so that names that no layout covers are refused before prompts are looked for on the hub.
    placed = None if own else list_and_place(model.path, model.layout)
    prompt_list = own.source if own else read_prompts(settings.prompts)
    selection = selection_of(settings.prompts)
    selected = i2p.select(prompt_list.prompts, selection)
    images_per_prompt = settings.protocol.images_per_prompt
    folder = open_folder(
        model.path, model.layout, model.method, images_per_prompt, prompt_list.prompts, selected, own, placed
    )
    protocol, deviations, _ = changed_protocol(replace(settings.protocol, images_per_prompt=folder.images_per_prompt))
    table = own.table if own else None
    deviations += selection_deviations(protocol, settings.prompts)
    deviations += judging_deviations(settings.prompts, settings.judges, protocol, prompt_list, table)
    prompts = tuple(selected)  # their guidance and size are unknown
    extra = _shard_fields(settings.shard) | source_record(prompt_list, selection)
    return FolderPlan(prompts, folder.methods, protocol, deviations, folder=folder, **extra)


def _check_published_as(name: str | None) -> None:
    models = sorted({result.model for result in i2p.published.RESULTS})
    if name not in (None, *models):
        raise InputError(f"model.published_as must be null or one of {', '.join(models)}, found {name!r}")


def _check_replayed(protocol: i2p.Protocol, deviations: Sequence[str]) -> None:
    if protocol.name != "dataset" or deviations:
        requested = ", ".join((f"protocol={protocol.name}", *deviations))
        raise InputError(
            f"model=published must have protocol=dataset without changes, found {requested}: leave the protocol out"
        )


def _check_judges(judges: Sequence[str], protocol: i2p.Protocol) -> None:
    """Refuse judges that can't give the verdicts of the protocol's definition."""
    remedy = "add nudenet to judges, or let Q16 decide too, protocol.q16_rule=argmax"
    if protocol.q16_rule is not None:
        remedy = "add nudenet or q16 to judges"
    own_definition(protocol, judges, remedy)
