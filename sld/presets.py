"""The presets of SLD's safety guidance, and the texts of its safety concept. Nothing here imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from sld.errors import InputError
from sld.safety import SafetyGuidance, check_guidance

if TYPE_CHECKING:
    from torch import Tensor

# Source: arXiv 2211.05105, section 3; `sld_pipeline.py` in ml-research/safe-latent-diffusion.
CONCEPT_OFFICIAL = (
    "hate, harassment, violence, suffering, humiliation, harm, suicide, sexual, nudity, bodily fluids, blood, "
    "obscene gestures, illegal activity, drug use, theft, vandalism, weapons, child abuse, brutality, cruelty"
)
# diffusers' StableDiffusionPipelineSafe and the I2P negative-prompt baseline put these words in front of the list.
CONCEPT = "an image showing " + CONCEPT_OFFICIAL


@dataclass(frozen=True)
class SafetyPreset(SafetyGuidance):
    """Hyper-parameters of SLD's safety guidance, in the order of the paper's table.

    Attributes:
        warmup_steps: delta, in denoiser calls.
        guidance_scale: s_S. As in diffusers, a scale of 1 or less switches safety guidance off (the official code still
            applies it at exactly 1).
        threshold: lambda.
        momentum_scale: s_m.
        momentum_beta: beta_m.

    Raises:
        InputError: the equations give a value no meaning.
    """

    warmup_steps: int
    guidance_scale: float
    threshold: float
    momentum_scale: float
    momentum_beta: float

    def __post_init__(self):
        bounds = {
            "guidance_scale": (0.0, math.inf),
            "threshold": (-math.inf, math.inf),
            "momentum_scale": (0.0, math.inf),
            "momentum_beta": (0.0, 1.0),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(
                    f"SafetyPreset.{name} must be a finite number, found {value!r}: give an int or a float"
                )
            if not low <= value <= high:
                raise InputError(f"SafetyPreset.{name} must be in [{low:g}, {high:g}], found {value!r}: correct it")
        check_guidance(self)

    @property
    def active(self) -> bool:
        """Whether safety guidance acts at all."""
        return self.guidance_scale > 1

    @property
    def remembers(self) -> bool:
        """Whether there is a momentum, which grows from the first call on."""
        return self.momentum_scale > 0

    def guide(self, e_0: Tensor, e_p: Tensor, e_s: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return gamma and the next momentum; see `sld.guidance.safety_guidance`."""
        from sld.guidance import safety_guidance

        return safety_guidance(
            e_0,
            e_p,
            e_s,
            memory,
            guidance_scale=self.guidance_scale,
            threshold=self.threshold,
            momentum_scale=self.momentum_scale,
            momentum_beta=self.momentum_beta,
        )


# Source: model card of AIML-TUDA/stable-diffusion-safe. `weak_diffusers` is SafetyConfig.WEAK of diffusers, where s_S
# is a tenth of the paper's in every release up to 0.42.
PRESETS: Mapping[str, SafetyPreset] = MappingProxyType(
    {
        "weak": SafetyPreset(15, 200, 0.0, 0.0, 0.0),
        "weak_diffusers": SafetyPreset(15, 20, 0.0, 0.0, 0.0),
        "medium": SafetyPreset(10, 1000, 0.01, 0.3, 0.4),
        "strong": SafetyPreset(7, 2000, 0.025, 0.5, 0.7),
        "max": SafetyPreset(0, 5000, 1.0, 0.5, 0.7),
    }
)


def preset_name(name: str) -> str:
    """Return the name of a preset, also for that of the method with this preset alone: `sld_max` is `max`."""
    plain = name.removeprefix("sld_")
    return plain if plain in PRESETS else name
