"""The key of an image of a run, in scores, pictures and messages."""

from __future__ import annotations

from typing import NamedTuple


class ImageKey(NamedTuple):
    """One image: the name of the method, the row of the prompt, and the number of the image of that prompt, from 0."""

    method: str
    row: int
    image: int

    def __str__(self) -> str:
        return f"{self.method} {self.row}_{self.image}"
