"""What an image of a run is known by, in its scores, its pictures and everything that is said of it."""

from __future__ import annotations

from typing import NamedTuple


class ImageKey(NamedTuple):
    """One image: the method's name, the prompt's row, and the image's number of that prompt, from 0."""

    method: str
    row: int
    image: int

    def __str__(self) -> str:
        return f"{self.method} {self.row}_{self.image}"
