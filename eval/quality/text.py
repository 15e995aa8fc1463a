"""CLIP's text encoder: prompts to embeddings of length one, to compare with those of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

PAD = 0  # behind the end token, as in open_clip, which finds the end by its number, the largest


class TextEncoder:
    """A text network with its tokenizer.

    Args:
        network: has open_clip's `encode_text` and `context_length`; on `device`, in the mode for inference.
        encode: the tokens of a text, without those of its start and its end.
        start: the token of the start.
        end: the token of the end.
        device: of the network.
        description: everything on which an embedding depends, as plain JSON values.
        batch_size: texts per call; a short batch is filled up, so that an embedding does not depend on its neighbours.
    """

    def __init__(
        self,
        network: Any,
        encode: Callable[[str], list[int]],
        start: int,
        end: int,
        device: torch.device | str,
        description: dict[str, Any],
        batch_size: int = 4,
    ):
        self._network, self._encode, self._ends, self._device = network, encode, (start, end), device
        self._description, self._batch_size = description, batch_size

    @property
    def context_length(self) -> int:
        """The most tokens of a text, start and end included."""
        return self._network.context_length

    def describe(self) -> dict[str, Any]:
        """Return everything on which an embedding depends, as plain JSON values."""
        return {**self._description, "context_length": self.context_length, "batch_size": self._batch_size}

    def cut(self, prompts: Sequence[str]) -> np.ndarray:
        """Return whether each prompt is longer than the network reads, (n,) bool; its end is then cut off."""
        return np.array([len(self._encode(prompt)) > self.context_length - 2 for prompt in prompts], dtype=bool)

    def embed(self, prompts: Sequence[str]) -> np.ndarray:
        """Return the prompts' embeddings, (n, D) float32 of length one; n is 1 or more."""
        import torch

        tokens = padded(map(self._encode, prompts), *self._ends, self.context_length)
        embeddings = []
        with torch.inference_mode():
            for batch in tokens.split(self._batch_size):
                filled = torch.cat([batch, batch[:1].expand(self._batch_size - len(batch), -1)])
                embedded = self._network.encode_text(filled.to(self._device)).float()[: len(batch)]
                embeddings.append(embedded / embedded.norm(dim=-1, keepdim=True))
        return torch.cat(embeddings).cpu().numpy()


def padded(numbers: Iterable[list[int]], start: int, end: int, length: int) -> torch.Tensor:
    """Return texts' tokens between start and end, cut to `length` and filled up, (n, length) int64."""
    import torch

    rows = [[start, *tokens[: length - 2], end] for tokens in numbers]
    return torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
