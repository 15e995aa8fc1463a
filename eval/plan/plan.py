"""What a run is to make: the prompts, the methods, the protocol, and the units of one shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile

import i2p
import sld
from eval.folder.open import Folder, MadeElsewhere


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
