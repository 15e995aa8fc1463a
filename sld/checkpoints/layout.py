"""The files that make a folder a checkpoint in diffusers' layout, besides its parts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The scheduler configuration of SD v1.4. Values that it omits must stay omitted: other schedulers then
# use their defaults.
SD1_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
# That of SDXL base 1.0.
SDXL_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "interpolation_type": "linear",
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
    "clip_sample": False,
}
SD1_PARTS = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "safety_checker": (None, None),
    "feature_extractor": (None, None),
}


def write_index(
    folder: Path,
    scheduler: Mapping[str, Any],
    pipeline: str = "StableDiffusionPipeline",
    parts: Mapping[str, tuple[str | None, str | None]] = SD1_PARTS,
    **settings: Any,
) -> None:
    """Write `model_index.json` and the scheduler's configuration.

    Args:
        folder: the checkpoint's.
        scheduler: its configuration, whose `_class_name` names its class.
        pipeline: the class of diffusers' pipeline.
        parts: library and class of each part but the scheduler; (None, None) for one that is left out.
        settings: of the pipeline.
    """
    index = {
        "_class_name": pipeline,
        **parts,
        "scheduler": ("diffusers", scheduler["_class_name"]),
        **settings,
    }
    write_json(folder / "model_index.json", index)
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)


def named_class(index: Mapping[str, Any], part: str) -> str | None:
    """Return the class that the content of model_index.json names for a part; None if it names none."""
    entry = index.get(part)
    return entry[1] if isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[1], str) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(content), indent=2) + "\n", encoding="utf-8")
