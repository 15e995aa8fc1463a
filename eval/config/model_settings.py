"""The settings of a run's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sld.checkpoints.family import TITLES

AUTO = "auto"


@dataclass(frozen=True)
class ModelSettings:
    """The source of the pictures; `kind` is a key of `eval.config.sources.SOURCES`."""

    kind: str
    path: str | None = None
    unet: str | None = None
    transformer: str | None = None
    vae: str | None = None
    text_encoder: str | None = None
    text_encoder_2: str | None = None
    text_encoder_3: str | None = None
    lora: list[Any] | None = None
    size: Any = None
    config: str | None = None
    prediction_type: str | None = None
    t5: bool = True
    allow_pickle: bool = False
    published_as: str | None = None
    layout: str = AUTO
    method: str | None = None

    @property
    def parts(self) -> dict[str, str]:
        """What replaces the checkpoint's own parts: a path or hub id, by the part's name."""
        return {part: given for part in TITLES if (given := getattr(self, part)) is not None}
