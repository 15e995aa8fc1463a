"""How a weight of one layout is stored in another."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """A weight of diffusers' layout in one of the original layout.

    Attributes:
        name: in diffusers' layout.
        third: which third of the rows; None for all of them.
        swapped: whether its halves change places.
        linear: whether a convolution of one pixel is a matrix.
    """

    name: str
    third: int | None = None
    swapped: bool = False
    linear: bool = False

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the piece's shape in a weight of this shape."""
        if self.linear and shape[2:] == (1, 1):
            return shape[:2]
        return shape if self.third is None or not shape else (shape[0] // 3, *shape[1:])

    def of(self, weight: Tensor) -> Tensor:
        """Return the piece of a weight."""
        if self.third is not None:
            return weight.chunk(3)[self.third]
        if self.swapped:
            return weight.roll(len(weight) // 2, 0)
        return weight.reshape(self.shape_of(tuple(weight.shape)))
