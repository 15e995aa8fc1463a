"""The plan of a run: the prompts, the methods, the protocol, and the units of one shard."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import i2p
import sld
from eval.base.image_key import ImageKey
from eval.folder.open import Folder, MadeElsewhere, Picture
from eval.store.pictures import check_unchanged, holds_list
from eval.store.planned import PlannedImages
from eval.store.rundir import RunDir

Size = tuple[int, int]  # (height, width) of pictures, in pixels
REPLAYED = "the dataset's own results for Stable Diffusion 1.4, ten images per prompt"


@dataclass(frozen=True)
class Unit:
    """One prompt and image index; its methods draw it from the same noise.

    Attributes:
        prompt: as drawn.
        image: its number.
        methods: the names of those that draw it; empty for all of the plan's.
    """

    prompt: i2p.Prompt
    image: int
    methods: tuple[str, ...] = ()


class Kind(NamedTuple):
    """What the units of a batch have in common: the size of their pictures, and their methods as in `Unit`."""

    size: Size
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The plan of a whole run, and which shard of it this process makes.

    Attributes:
        prompts: the selection, of all shards, sorted by row, with guidance and size as drawn.
        methods: resolved.
        protocol: with the user's changes.
        deviations: from the protocol and its prompts, in words.
        lossy: the deviations that trade accuracy for speed.
        own_methods: whether a script brought methods.
        shard_index: of the shard.
        shard_count: of the run.
        benchmark: whether the prompts are I2P's as published.
        unused_columns: of the source of the prompts.
        remarks: on how the source was read, as sentences.
        source_rows: of all prompts of the source, in its order.
        population: the prompts from which a sample is drawn; None where nothing was published of them.
        grouped_by: what the groups of the prompts are, a name in `i2p.groups.BY`.
        group_column: the column of the source that holds them; None where they are of texts or rows.
    """

    prompts: tuple[i2p.Prompt, ...]
    methods: tuple[sld.Method, ...] | tuple[MadeElsewhere, ...]
    protocol: i2p.Protocol
    deviations: tuple[str, ...]
    lossy: tuple[str, ...] = ()
    own_methods: bool = False
    shard_index: int = 0
    shard_count: int = 1
    benchmark: bool = False
    unused_columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    source_rows: tuple[int, ...] = ()
    population: i2p.Population | None = None
    grouped_by: str = "text"
    group_column: str | None = None

    @property
    def images_per_prompt(self) -> int:
        """Images per prompt and method."""
        return self.protocol.images_per_prompt

    @cached_property
    def guided(self) -> bool:
        """Whether any picture is: prompts whose guidance scale is 1 or less need one evaluation in place of two."""
        return any(prompt.is_guided for prompt in self.prompts)

    @property
    def brings_prompts(self) -> bool:
        """Whether the prompts are what lies beside the pictures."""
        return False

    def prompts_as_listed(self) -> list[i2p.Prompt]:
        """Return the prompts in the order of their source, as the categories of a report are ordered."""
        position = {row: n for n, row in enumerate(self.source_rows)}
        return sorted(self.prompts, key=lambda prompt: position.get(prompt.row, prompt.row))

    @cached_property
    def images(self) -> PlannedImages:
        """The images of the whole run, all shards."""
        return PlannedImages(
            tuple(method.name for method in self.methods),
            tuple(prompt.row for prompt in self.prompts),
            self.images_per_prompt,
            self._named_images(),
        )

    @cached_property
    def shard_images(self) -> PlannedImages:
        """The images of this shard."""
        return self.images.shard(self.shard_index, self.shard_count)

    def _named_images(self) -> frozenset[ImageKey] | None:
        return None

    def units(self) -> list[Unit]:
        """Return the units of this shard, grouped by picture size, each group in the order of the prompts."""
        prompts = i2p.shard(self.prompts, self.shard_index, self.shard_count)
        return sorted((Unit(p, image) for p in prompts for image in self.shard_images.images_of(p.row)), key=size_of)

    def missing(self, done: Collection[ImageKey]) -> list[Unit]:
        """Return the units of this shard that some method lacks, with these methods, grouped by kind."""
        lacking: dict[tuple[int, int], list[str]] = {}
        for key in self.shard_images.missing(done):
            lacking.setdefault((key.row, key.image), []).append(key.method)
        units = []
        for unit in self.units():
            names = tuple(lacking.get((unit.prompt.row, unit.image), ()))
            if names:
                units.append(replace(unit, methods=() if len(names) == len(self.methods) else names))
        return sorted(units, key=kind_of)

    def methods_of(self, kind: Kind) -> Sequence[sld.Method]:
        """Return the methods that draw units of a kind."""
        return [method for method in self.methods if not kind.methods or method.name in kind.methods]

    def count_images(self, units: Iterable[Unit]) -> int:
        """Return how many images units have."""
        return sum(len(unit.methods) or len(self.methods) for unit in units)

    def count_to_make(self, done: Collection[ImageKey]) -> int:
        """Return how many images of this shard are to be made now."""
        return len(self.shard_images.missing(done))

    def describe_source(self) -> dict[str, Any] | None:
        """Return the manifest's description of where the pictures come from; None where a loaded model gives it."""
        return None

    @property
    def recorded_protocol(self) -> i2p.Protocol:
        """The protocol as recorded in the manifest."""
        return self.protocol

    def check_pictures(self, run: RunDir, done: Collection[ImageKey]) -> None:
        """Refuse a run whose judged pictures are missing or changed; only a folder's can be."""

    def lists_pictures(self, run: RunDir) -> bool:
        """Return whether the run directory lists the pictures as they are; only a folder's are listed."""
        return True

    @property
    def usual_size(self) -> Size:
        """The most frequent (height, width) of the prompts of the whole run, the same for all shards."""
        return Counter((prompt.height, prompt.width) for prompt in self.prompts).most_common(1)[0][0]


@dataclass(frozen=True)
class ReplayPlan(Plan):
    """A run of the dataset's own results."""

    def describe_source(self) -> dict[str, Any]:
        """Return the source, with a digest of the results of the whole run's prompts, all shards.

        Raises:
            i2p.InputError: a prompt has no published result.
        """
        results = [[outcome.row, outcome.positives] for outcome in i2p.published.replay(self.prompts)]
        return {"source": REPLAYED, "results_sha256": hashlib.sha256(json.dumps(results).encode()).hexdigest()}


@dataclass(frozen=True, kw_only=True)
class FolderPlan(Plan):
    """A run over the pictures of a folder, which are judged instead of drawn."""

    folder: Folder

    @property
    def brings_prompts(self) -> bool:
        """Whether the prompts are what lies beside the pictures."""
        return self.folder.brings_prompts

    def _named_images(self) -> frozenset[ImageKey] | None:
        return self.folder.planned

    def pictures(self) -> list[Picture]:
        """Return the existing pictures of this shard, in the order of the folder."""
        rows = set(self.shard_images.rows)
        return [picture for picture in self.folder.pictures if picture.row in rows]

    def pictures_left(self, done: Collection[ImageKey]) -> list[Picture]:
        """Return the pictures of this shard that are not judged yet."""
        return [picture for picture in self.pictures() if picture.key not in done]

    def count_to_make(self, done: Collection[ImageKey]) -> int:
        """Return how many pictures of this shard are to be judged now."""
        return len(self.pictures_left(done))

    def describe_source(self) -> dict[str, Any]:
        """Return the description of the folder, which stands in place of a model's."""
        return self.folder.describe()

    @property
    def recorded_protocol(self) -> i2p.Protocol:
        """The protocol without the part on drawing, which does not apply."""
        return self.protocol.without_drawing()

    def check_pictures(self, run: RunDir, done: Collection[ImageKey]) -> None:
        """Refuse a folder in which pictures that were judged are missing or have another size."""
        check_unchanged(run, self.folder, done)

    def lists_pictures(self, run: RunDir) -> bool:
        """Return whether the run directory lists the pictures of the folder as they are."""
        return holds_list(run, self.folder)


def size_of(unit: Unit) -> Size:
    """Return the (height, width) of a unit's pictures, in pixels."""
    return unit.prompt.height, unit.prompt.width


def kind_of(unit: Unit) -> Kind:
    """Return the kind of a unit; only units of one kind are drawn together."""
    return Kind(size_of(unit), unit.methods)
