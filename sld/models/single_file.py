"""Read a checkpoint in one file, in the original (CompVis, Stability AI) layout, without asking a hub."""

import os
import tempfile
from pathlib import Path
from typing import Any

from sld.errors import InputError, first_line
from sld.models import files
from sld.models.layout import SD1_SCHEDULER, write_index, write_json
from sld.models.tokenizer import END, write_clip_tokenizer

# Keys only found in the layout in question (names: CompVis/stable-diffusion, Stability-AI/stablediffusion).
_UNET = "model.diffusion_model.input_blocks.0.0.weight"
_CLIP = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
_OPEN_CLIP = "cond_stage_model.model.token_embedding.weight"

_UNET_CONFIG = {
    "_class_name": "UNet2DConditionModel",
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "layers_per_block": 2,
}
_VAE_CONFIG = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}
_TEXT_CONFIG = {
    "model_type": "clip_text_model",
    "architectures": ["CLIPTextModel"],
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}


def load_single_file(
    path: Path, allow_pickle: bool, config: str | os.PathLike | None, prediction_type: str | None
) -> tuple[dict[str, Any], list[Path]]:
    """The components in the file by name, and the file. Arguments and errors are those of `load_model`."""
    second = check_single_file(path, allow_pickle, config, prediction_type)
    if config is not None:
        return _read(path, Path(config)), [path]
    with tempfile.TemporaryDirectory() as folder:
        _write_config(Path(folder), second, prediction_type or "epsilon")
        return _read(path, Path(folder)), [path]


def check_single_file(
    path: Path, allow_pickle: bool, config: str | os.PathLike | None, prediction_type: str | None
) -> bool:
    """Check what can be without reading the weights; return whether they are SD 2.x's. Errors as of `load_model`."""
    second = _OPEN_CLIP in _checked_keys(path, allow_pickle)
    if config is not None and prediction_type is not None:
        raise InputError(
            "Either config or prediction_type was expected, found both; the config says the prediction type."
        )
    if config is not None:
        if not (Path(config) / "model_index.json").is_file():
            raise InputError(
                f"A folder in diffusers' layout was expected as config, found no model_index.json in {config}; give "
                "the folder of a checkpoint of the same architecture."
            )
    elif prediction_type not in ({None, "epsilon"} if not second else {"epsilon", "v_prediction"}):
        expected = (
            "epsilon or v_prediction for SD 2.x, whose files do not say which" if second else "epsilon for SD 1.x"
        )
        raise InputError(
            f"prediction_type must be {expected}, found {prediction_type!r} for {path}; say what it was trained for "
            "(SD 2.x at 768 pixels: v_prediction)."
        )
    return second


def _checked_keys(path: Path, allow_pickle: bool) -> set[str]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        files.check_safetensors(path)
        with safe_open(path, framework="pt") as file:
            keys = set(file.keys())
    else:
        keys = set(files.read_tensors(path, allow_pickle))
    if _UNET not in keys or not keys & {_CLIP, _OPEN_CLIP}:
        hint = "give it as unet= beside its base checkpoint" if "conv_in.weight" in keys else "choose another file"
        raise InputError(
            f"A Stable Diffusion 1.x or 2.x checkpoint in the original layout was expected, found no "
            f"{_UNET if _UNET not in keys else _CLIP!r} among the {len(keys)} weights in {path}; {hint}."
        )
    return keys


def _read(path: Path, config: Path) -> dict[str, Any]:
    from diffusers import StableDiffusionPipeline

    try:
        pipeline = StableDiffusionPipeline.from_single_file(
            str(path), config=str(config), local_files_only=True, safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip
        parts = {name: getattr(pipeline, name) for name in ("unet", "vae", "text_encoder", "tokenizer", "scheduler")}
        missing = [
            f"{part}.{name}"
            for part in ("unet", "vae", "text_encoder")
            for name, value in parts[part].named_parameters()
            if value.is_meta
        ]
    except Exception as error:  # weights that do not fit the configuration make the library raise nearly anything
        raise InputError(
            f"A checkpoint of the architecture in the configuration was expected, found one that does not fit it "
            f"({type(error).__name__}: {first_line(error)}) in {path}; give config=FOLDER, a "
            "folder in diffusers' layout for this architecture."
        ) from error
    if missing:
        raise InputError(
            f"All weights were expected, found {missing[0]!r} (and {len(missing) - 1} more) missing in {path}; "
            "download it again, or give config=FOLDER, a folder in diffusers' layout for this architecture."
        )
    return parts


def _write_config(folder: Path, second: bool, prediction_type: str) -> None:
    """The configurations of SD 1.x, or of SD 2.x at 512 pixels (epsilon) or 768 (v-prediction), as on the hub."""
    large = prediction_type == "v_prediction"
    unet = {
        "sample_size": 96 if large else 64,
        "cross_attention_dim": 1024 if second else 768,
        "attention_head_dim": [5, 10, 20, 20] if second else 8,
        "use_linear_projection": second,
    }
    text = {
        "hidden_size": 1024 if second else 768,
        "intermediate_size": 4096 if second else 3072,
        "num_hidden_layers": 23 if second else 12,
        "num_attention_heads": 16 if second else 12,
        "hidden_act": "gelu" if second else "quick_gelu",
        "projection_dim": 512 if second else 768,
    }
    contents = {
        "unet/config.json": _UNET_CONFIG | unet,
        "vae/config.json": _VAE_CONFIG,
        "text_encoder/config.json": _TEXT_CONFIG | text,
    }
    for name, content in contents.items():
        write_json(folder / name, content)
    write_index(folder, SD1_SCHEDULER | {"prediction_type": prediction_type})
    write_clip_tokenizer(folder / "tokenizer", pad_token="!" if second else END)
