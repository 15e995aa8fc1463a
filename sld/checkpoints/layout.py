"""The files that make a folder a Stable Diffusion checkpoint in diffusers' layout, besides its parts."""

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


def write_index(folder: Path, scheduler: Mapping[str, Any]) -> None:
    """Write `model_index.json` and the scheduler's configuration, whose `_class_name` names its class."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "scheduler": ("diffusers", scheduler["_class_name"]),
        "safety_checker": (None, None),
        "feature_extractor": (None, None),
    }
    write_json(folder / "model_index.json", index)
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(content), indent=2) + "\n", encoding="utf-8")
