"""CLIP's text encoder: prompts to embeddings of length one, to compare with those of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from i2p.demo import trained
from sld.checkpoints.files import sha256

if TYPE_CHECKING:
    import open_clip
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


def demo_text_encoder(device: torch.device | str = "cpu", batch_size: int = 4) -> TextEncoder:
    """Return the text encoder of the demo world's small CLIP.

    Args:
        device: for the network.
        batch_size: texts per call.

    Raises:
        InputError: its files are missing, or not the trained ones.
    """
    from safetensors.torch import load_file

    from sld.models.text import load_tokenizer

    files = trained.clip_files()
    model = json.loads(files.config.read_text(encoding="utf-8"))["model_cfg"]
    config = json.loads(files.text_config.read_text(encoding="utf-8"))
    network = text_network(model, config)
    network.load_state_dict({name: value.float() for name, value in load_file(files.text).items()})
    tokenizer = load_tokenizer(files.tokenizer)
    return TextEncoder(
        network.to(device).eval(),
        lambda text: tokenizer(text, add_special_tokens=False, verbose=False).input_ids,
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        device,
        {
            "config": config,
            "weights_sha256": sha256(files.text),
            "tokenizer_sha256": sha256(files.tokenizer / "vocab.json"),
        },
        batch_size,
    )


def text_network(model: dict[str, Any], text: dict[str, Any]) -> open_clip.CLIP:
    """Return open_clip's CLIP with random weights and without its image network.

    Args:
        model: a `model_cfg` of open_clip.
        text: a `text_cfg` in place of its own.
    """
    import open_clip

    network = open_clip.CLIP(**{**model, "text_cfg": text})
    del network.visual
    return network


def padded(numbers: Iterable[list[int]], start: int, end: int, length: int) -> torch.Tensor:
    """Return texts' tokens between start and end, cut to `length` and filled up, (n, length) int64."""
    import torch

    rows = [[start, *tokens[: length - 2], end] for tokens in numbers]
    return torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
