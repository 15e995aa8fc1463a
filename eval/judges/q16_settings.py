"""The settings of Q16, the keys `q16.*`."""

from __future__ import annotations

from dataclasses import dataclass

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
