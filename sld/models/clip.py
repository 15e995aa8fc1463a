"""The two CLIP text encoders that Stable Diffusion XL and 3 have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sld.models.networks import placed
from sld.models.text import Texts

_PARTS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))


class ClipPair:
    """Both text encoders, each with its tokenizer.

    Args:
        parts: of the checkpoint, by name.
        device: of the encoders.
        dtype: in which they run.
    """

    def __init__(self, parts: Mapping[str, Any], device: torch.device, dtype: torch.dtype):
        self._device = device
        self._encoders = [
            (Texts(parts[tokenizer], parts[encoder].config), placed(parts[encoder], device, dtype))
            for tokenizer, encoder in _PARTS
        ]
        self.texts = tuple(reader for reader, _ in self._encoders)

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, list[Tensor]]:
        """Return the last hidden states but one side by side, (N, tokens, K), and the first output of each encoder.

        The first output of an encoder with a projection is the projected pooled text, (N, P).
        """
        outputs = []
        for reader, encoder in self._encoders:
            tokens = reader.read(texts).input_ids.to(self._device)
            outputs.append(encoder(tokens, output_hidden_states=True))
        return torch.cat([output.hidden_states[-2] for output in outputs], dim=-1), [output[0] for output in outputs]
