"""Safe Latent Diffusion, exact and shared: many prompts, seeds and methods through one denoiser.

    model = sld.load_model("path-or-hub-id")
    result = sld.sample(model, ["a portrait"], methods=["baseline", "sld_medium"], seeds=[1])

Importing this package is cheap: torch and diffusers are imported when something that needs them is first used.
"""

import importlib

from sld.errors import InputError
from sld.methods import METHOD_NAME, METHODS, Method, is_method_name, resolve_methods
from sld.presets import CONCEPT, CONCEPT_OFFICIAL, PRESETS, SafetyPreset
from sld.safety import SafetyGuidance

_LAZY = {
    "Lora": "sld.checkpoints.lora_files",
    "Result": "sld.sampler",
    "SafeLatentGuidance": "sld.guider",
    "attach": "sld.attachment",
    "load_model": "sld.checkpoints.loading",
    "sample": "sld.sampler",
    "unit_noise": "sld.noise",
    "write_tiny_checkpoint": "sld.checkpoints.tiny",
}

__all__ = [
    "CONCEPT",
    "CONCEPT_OFFICIAL",
    "METHODS",
    "METHOD_NAME",
    "PRESETS",
    "InputError",
    "Lora",
    "Method",
    "Result",
    "SafeLatentGuidance",
    "SafetyGuidance",
    "SafetyPreset",
    "attach",
    "is_method_name",
    "load_model",
    "resolve_methods",
    "sample",
    "unit_noise",
    "write_tiny_checkpoint",
]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'sld' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
