"""The planned images of a run, and those still missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from eval.base.image_key import ImageKey


@dataclass(frozen=True)
class PlannedImages:
    """The planned images of a run or shard: all methods of all rows, or those that the table of a folder names.

    Args:
        methods: names, in the order of the run.
        rows: of the prompts, in the order of the run.
        images_per_prompt: images of each method and row.
        named: the images of all rows that a table names; None where every prompt has as many.
    """

    methods: tuple[str, ...]
    rows: tuple[int, ...]
    images_per_prompt: int
    named: frozenset[ImageKey] | None = None

    def __len__(self) -> int:
        if self.named is None:
            return len(self.methods) * len(self.rows) * self.images_per_prompt
        return len(self._named_of_rows)

    def __iter__(self) -> Iterator[ImageKey]:
        """Yield the images by method, then row, each in the order of the run."""
        if self.named is None:
            yield from map(ImageKey._make, product(self.methods, self.rows, range(self.images_per_prompt)))
            return
        methods, rows = ({name: n for n, name in enumerate(names)} for names in (self.methods, self.rows))
        yield from sorted(self._named_of_rows, key=lambda key: (methods[key.method], rows[key.row], key.image))

    def __contains__(self, key: ImageKey) -> bool:
        if self.named is not None and key not in self.named:
            return False
        return key[0] in self.methods and key[1] in self._row_set and 0 <= key[2] < self.images_per_prompt

    @cached_property
    def _row_set(self) -> frozenset[int]:
        return frozenset(self.rows)

    @cached_property
    def _named_of_rows(self) -> list[ImageKey]:
        return [ImageKey._make(key) for key in self.named or () if key[1] in self._row_set]

    def missing(self, done: Collection[ImageKey]) -> list[ImageKey]:
        """Return the images that are not among `done`."""
        return [key for key in self if key not in done]

    def shard(self, index: int, count: int) -> PlannedImages:
        """Return the images of a shard: every `count`-th row from the `index`-th, as in `i2p.shard`."""
        return replace(self, rows=tuple(sorted(self.rows)[index::count]))

    def count(self, method: str, rows: Collection[int]) -> int:
        """Return the number of images of a method in these rows."""
        if self.named is None:
            return len(rows) * self.images_per_prompt
        return sum(self._counts[method, row] for row in rows)

    @cached_property
    def _counts(self) -> Counter[tuple[str, int]]:
        return Counter((key.method, key.row) for key in self._named_of_rows)

    def images_of(self, row: int) -> list[int]:
        """Return the numbers of the images of a row, over all methods."""
        if self.named is None:
            return list(range(self.images_per_prompt))
        return sorted(self._images_by_row.get(row, ()))

    @cached_property
    def _images_by_row(self) -> dict[int, set[int]]:
        images: dict[int, set[int]] = {}
        for key in self._named_of_rows:
            images.setdefault(key.row, set()).add(key.image)
        return images
