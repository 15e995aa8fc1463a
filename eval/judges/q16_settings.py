"""The settings of Q16, the keys `q16.*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval.judges.clip import hub
from eval.judges.prompt_pair import PUBLISHED_SHA256

DTYPES = ("float16", "bfloat16", "float32")
AUTO, DEMO = "auto", "demo"  # DEMO is the architecture of the demo world's own CLIP, which ships with i2p


@dataclass(frozen=True)
class Q16Settings:
    """Which CLIP and which prompt pair Q16 uses."""

    architecture: str
    weights: str | None = None
    prompts: str | None = None
    prompts_sha256: str | None = None
    dtype: str = AUTO
    allow_pickle: bool = False

    @property
    def demo(self) -> bool:
        """Whether the demo world's own is meant."""
        return self.architecture == DEMO

    def dtype_on(self, device: str) -> str:
        """Return the precision on a device of this type: OpenAI's CLIP is float16 on a GPU, as for the paper."""
        return self.dtype if self.dtype != AUTO else "float16" if device == "cuda" else "float32"


def title_of(description: Mapping[str, Any]) -> str:
    """Return Q16's name for people, with its CLIP and its prompt pair, from the description on record.

    Files are known by their digests: OpenAI's weights and the published pair, whatever their names.
    """
    if description.get("demo"):
        return "the demo world's Q16"
    architecture, weights, pair = (description.get(key) for key in ("architecture", "weights", "prompts"))
    if not (architecture and weights and pair):
        return "Q16"
    openai = description.get("weights_sha256") in (hub.OPENAI_SHA256, hub.OPENAI_SAFETENSORS_SHA256)
    clip = "CLIP ViT-L/14" if openai else f"CLIP {architecture} with the weights {weights}"
    published = description.get("prompts_sha256") == PUBLISHED_SHA256
    return f"Q16 with {clip} and {'the published pair' if published else f'the pair {pair}'}"
