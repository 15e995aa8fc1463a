"""What a run is to make: the prompts, the methods, the protocol, and the units of one shard."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path

import i2p
import sld
from eval.definitions import own_definition
from eval.errors import InputError
from eval.flags import get_label_set
from eval.folder import Folder, MadeElsewhere, open_folder
from eval.folder_listing import list_and_place
from eval.folder_own import own_prompts
from eval.keys import PLAN, as_keys
from eval.memory import check_pictures
from eval.methods import check_guided, choose_methods
from eval.prompt_source import otherwise_drawn, read_prompts, recorded, selection_of
from eval.settings import ELSEWHERE, NO_PROMPTS, PromptSettings, ProtocolSettings, Settings, image_size
from i2p.sources import SHIPPED

MOST_IMAGES = 5_000_000  # twenty times I2P with ten images a prompt and five methods


@dataclass(frozen=True)
class Unit:
    """One prompt and image index; all methods draw it from the same noise."""

    prompt: i2p.Prompt
    image: int


@dataclass(frozen=True)
class Plan:
    """A whole run. `prompts` is the selection of all shards by row, with guidance and size as they will be used."""

    prompts: tuple[i2p.Prompt, ...]
    methods: tuple[sld.Method, ...] | tuple[MadeElsewhere, ...]
    protocol: i2p.Protocol
    deviations: tuple[str, ...]
    lossy: tuple[str, ...] = ()  # of the deviations those that trade accuracy for speed
    own_methods: bool = False  # a script brought some along
    shard_index: int = 0
    shard_count: int = 1
    folder: Folder | None = None  # of pictures made elsewhere, which are judged instead of drawn
    benchmark: bool = False  # the prompts are of I2P as it was published
    unused_columns: tuple[str, ...] = ()  # of the source of the prompts
    remarks: tuple[str, ...] = ()  # on how that was read, as sentences
    source_rows: tuple[int, ...] = ()  # of all prompts of the source, in its order

    @property
    def images_per_prompt(self) -> int:
        """Images a prompt and method."""
        return self.protocol.images_per_prompt

    def prompts_as_listed(self) -> list[i2p.Prompt]:
        """Return the prompts in the order of their source, which is that of a report's categories."""
        place = {row: n for n, row in enumerate(self.source_rows)}
        return sorted(self.prompts, key=lambda prompt: place.get(prompt.row, prompt.row))

    def units(self) -> list[Unit]:
        """Return this shard's units, those of one size together, each size in the order of the prompts."""
        mine = i2p.shard(self.prompts, self.shard_index, self.shard_count)
        images = self._planned_images()
        each = range(self.images_per_prompt)
        units = [Unit(p, image) for p in mine for image in (each if images is None else sorted(images.get(p.row, ())))]
        return sorted(units, key=_size)

    def _planned_images(self) -> dict[int, set[int]] | None:
        """The images of each row, where a table says which there are."""
        if not self.folder or self.folder.planned is None:
            return None
        images: dict[int, set[int]] = {}
        for _, row, image in self.folder.planned:
            images.setdefault(row, set()).add(image)
        return images

    def missing(self, done: Collection[tuple[str, int, int]]) -> list[Unit]:
        """Return this shard's units of which some method is not done."""
        return [unit for unit in self.units() if any(key not in done for key in self._keys(unit))]

    def missing_images(self, done: Collection[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
        """Return (method, row, image) of this shard's images that are not done."""
        return [key for unit in self.units() for key in self._keys(unit) if key not in done]

    def _keys(self, unit: Unit) -> list[tuple[str, int, int]]:
        keys = [(method.name, unit.prompt.row, unit.image) for method in self.methods]
        planned = self.folder.planned if self.folder else None
        return keys if planned is None else [key for key in keys if key in planned]

    @property
    def usual_size(self) -> tuple[int, int]:
        """(height, width) of most prompts of the whole run, so of every shard."""
        return Counter((prompt.height, prompt.width) for prompt in self.prompts).most_common(1)[0][0]

    @property
    def image_count(self) -> int:
        """Images of the whole run, all shards."""
        if self.folder and self.folder.planned is not None:
            return len(self.folder.planned)
        return len(self.prompts) * len(self.methods) * self.images_per_prompt


def _size(unit: Unit) -> tuple[int, int]:
    return unit.prompt.height, unit.prompt.width


def next_batch(units: Sequence[Unit], start: int, size: int) -> Sequence[Unit]:
    """Return up to `size` units from `start` on that have one picture size."""
    ahead = units[start : start + size]
    return list(takewhile(lambda unit: _size(unit) == _size(ahead[0]), ahead))


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
    protocol, deviations, lossy = _protocol(settings.protocol)
    resolved = choose_methods(settings.methods, methods)
    _check_asked(settings, protocol)
    deviations += _other_rows(protocol, settings.prompts)
    _check_published(settings, protocol, deviations)
    if methods and settings.model.kind == "published":
        raise InputError("model=published replays the baseline's results, found methods of a script: use another model")
    source = read_prompts(settings.prompts)
    selected = i2p.select(source.prompts, selection_of(settings.prompts))
    deviations += _otherwise_counted(settings, protocol, source) + otherwise_drawn(protocol, source)
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
            f"a run must have at most {MOST_IMAGES:,} images, for its bookkeeping is in memory, found "
            f"{prompts * methods * each:,} ({prompts:,} prompts, {methods} methods, {each:,} each): lower "
            "protocol.images_per_prompt, or choose fewer prompts with prompts.sample"
        )


def _plan_of_folder(settings: Settings, methods: Sequence[sld.Method]) -> Plan:
    if methods:
        raise InputError("model=images judges pictures that are there, found methods of a script: use another model")
    model, (named, changed, _) = settings.model, _protocol(settings.protocol)
    _check_published(settings, named, changed)
    _check_asked(settings, named)
    own = own_prompts(model, settings.prompts)
    # Before prompts are looked for on the hub: names that no layout knows are refused first.
    placed = None if own else list_and_place(model.path, model.layout)
    source = own.source if own else read_prompts(settings.prompts)
    selected = i2p.select(source.prompts, selection_of(settings.prompts))
    each = settings.protocol.images_per_prompt
    folder = open_folder(model.path, model.layout, model.method, each, source.prompts, selected, own, placed)
    protocol, deviations, _ = _protocol(replace(settings.protocol, images_per_prompt=folder.images_per_prompt))
    table = own.table if own else None
    deviations += _other_rows(protocol, settings.prompts) + _otherwise_counted(settings, protocol, source, table)
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
        own_definition(asdict(protocol), settings.judges, remedy)


def _other_rows(protocol: i2p.Protocol, prompts: PromptSettings) -> tuple[str, ...]:
    """Where other rows were chosen than the protocol takes, in words."""
    if protocol.selection is None:
        return ()
    own, asked = asdict(protocol.selection), asdict(selection_of(prompts))
    words = {key: [_in_words(rows[key]) for rows in (asked, own)] for key in own if asked[key] != own[key]}
    return tuple(f"prompts.{key} {here} instead of {there}" for key, (here, there) in words.items())


def _otherwise_counted(
    settings: Settings, protocol: i2p.Protocol, source: i2p.PromptList, table: str | None = None
) -> tuple[str, ...]:
    """Where other prompts are used, or a judge is not asked that the protocol asks, in words.

    Prompts that ship with `i2p` say by their name that they are others.
    """
    found = []
    if settings.prompts.source == NO_PROMPTS:
        found.append("no prompts, each picture one of its own, instead of I2P as it was published")
    elif not source.benchmark and settings.prompts.source not in SHIPPED:
        name = table or (Path(settings.prompts.path).name if settings.prompts.path else settings.prompts.source)
        found.append(f"prompts of {name} instead of I2P as it was published")
    asked = ("nudenet", *(("q16",) if protocol.q16_rule is not None else ()))
    lacking = [name for name in asked if name not in settings.judges]
    if lacking and settings.model.kind != "published":
        found.append(f"judged without {' and '.join(lacking)}")
    return tuple(found)


def _in_words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else "any" if value is None else str(value)


def _protocol(s: ProtocolSettings) -> tuple[i2p.Protocol, tuple[str, ...], tuple[str, ...]]:
    """The named protocol with the user's changes, these changes in words, and those of them that are lossy."""
    named = i2p.get_protocol(s.name)
    asked = {
        "images_per_prompt": s.images_per_prompt,
        "guidance_scale": s.guidance_scale,
        "steps": s.steps,
        "reuse": s.reuse,
        "seed_offset": s.seed_offset,
        "scheduler": s.scheduler,
        "label_set": s.nude_labels,
        "nude_threshold": s.nude_threshold,
        "q16_rule": s.q16_rule,
    }
    if s.nude_labels is not None and s.nude_threshold is None:  # a label set brings its own threshold
        asked["nude_threshold"] = get_label_set(s.nude_labels).threshold
    if s.scheduler is not None:
        from sld.schedulers import check_name  # torch takes seconds, which only who names one waits for here

        check_name(s.scheduler)
    changes = {key: value for key, value in asked.items() if value is not None and value != getattr(named, key)}
    guidance = changes.get("guidance_scale", 1.0)
    number = isinstance(guidance, int | float) and not isinstance(guidance, bool)
    if guidance != "row" and not (number and 0 <= guidance < math.inf):
        raise InputError(
            f"protocol.guidance_scale must be a finite number from 0 up, or row for each row's own, found {guidance!r}"
        )
    usual = {"scheduler": named.scheduler or "the checkpoint's own", "q16_rule": named.q16_rule or "none"}
    words = {key: f"{key} {value} instead of {usual.get(key, getattr(named, key))}" for key, value in changes.items()}
    protocol = replace(named, **changes)
    lossy = {"steps": protocol.steps < named.steps, "reuse": protocol.reuse > named.reuse}
    return protocol, tuple(words.values()), tuple(words[key] for key, is_lossy in lossy.items() if is_lossy)
