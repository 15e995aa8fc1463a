"""Checkpoints in one file, in the original (CompVis, Stability AI) layout, read without asking a hub."""

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sld.checkpoints import files
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import Checkpoint, open_checkpoint
from sld.checkpoints.layout import SD1_SCHEDULER, write_index, write_json
from sld.checkpoints.marks import Marks, read_marks
from sld.checkpoints.original import AVERAGE, UNET, check_original
from sld.checkpoints.pickled import trainers_replaced
from sld.checkpoints.quiet import quiet
from sld.checkpoints.tokenizer import END, write_clip_tokenizer
from sld.errors import InputError, counted, first_line, other_way
from sld.models.text import read_tokenizers
from sld.schedulers import CONFIG, from_config, scheduler_settings

# Keys of the text encoders in this layout.
_CLIP = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
_OPEN_CLIP = "cond_stage_model.model.token_embedding.weight"

# Names in files of Stable Diffusion XL and 3.
_OTHER_FAMILIES = ("conditioner.embedders.", "model.diffusion_model.joint_blocks.", "text_encoders.")

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


@dataclass(frozen=True)
class SingleFile:
    """A checkpoint in one file, as its header describes it.

    Attributes:
        path: the file.
        config: the user's configuration; None if it gets that of SD 1.x or 2.x.
        second: whether it is SD 2.x.
        marks: in the file.
        prediction_type: "epsilon" or "v_prediction"; None if nothing says.
        headers: of its tensors, by name.
        lacking: the names of components that it does not hold.
    """

    path: Path
    config: Checkpoint | None
    second: bool
    marks: Marks
    prediction_type: str | None
    headers: Mapping[str, files.Header]
    lacking: tuple[str, ...] = ()

    def check_weights(self) -> None:
        """Raise `InputError` unless it holds the weights that its configuration asks for, and no others."""
        with self.configuration() as checkpoint:
            check_original(self.headers, checkpoint, self.path, self.config and self.config.folder, self.lacking)

    @property
    def left_aside(self) -> list[str]:
        """Descriptions of weights in the file that are alternatives to the model's and not read."""
        averaged = any(name.startswith(f"{AVERAGE}diffusion_model") for name in self.headers)
        return [f"{AVERAGE}* in {self.path.name} (the moving average of model.*)"] if averaged else []

    def scheduler(self) -> tuple[Any, dict[str, str]]:
        """Return its scheduler, and what its marks changed in the scheduler's configuration, by mark."""
        if self.config is None:
            where, config = self.path, SD1_SCHEDULER | {"prediction_type": self.prediction_type or "epsilon"}
        else:
            where, config = self.config.folder / CONFIG, scheduler_settings(self.config)
        made, obeyed = self.marks.obey(config, where)
        return from_config(str(made.get("_class_name")), made), obeyed

    @contextlib.contextmanager
    def configuration(self) -> Iterator[Checkpoint]:
        """Provide its configuration in diffusers' layout."""
        if self.config is not None:
            yield self.config
            return
        with tempfile.TemporaryDirectory() as folder:
            _write_config(Path(folder), self.second, self.prediction_type or "epsilon")
            yield open_checkpoint(Path(folder))


def load_single_file(file: SingleFile, checkpoint: Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the components in a file by name, except the scheduler, once its weights are checked.

    Args:
        file: the file.
        checkpoint: its configuration.
        given: the components that it lacks.
    """
    return _read(file.path, checkpoint.folder, given)


def check_single_file(
    path: Path,
    allow_pickle: bool,
    config: str | os.PathLike | None,
    prediction_type: str | None,
    parts: Collection[str] = (),
) -> SingleFile:
    """Return a file as its header describes it; `SingleFile.check_weights` is the next check.

    Arguments and errors are those of `load_model`; `parts` are the names of parts that replace its own.
    """
    headers = _checked_headers(path, allow_pickle)
    lacking = ("vae",) if not any(name.startswith("first_stage_model.") for name in headers) else ()
    if lacking and "vae" not in parts:
        raise InputError(
            f"{path} must be a checkpoint with its VAE, found no first_stage_model.* among its "
            f"{counted(len(headers), 'weight')}: choose a file that holds the VAE too, or give one, vae=PATH",
            "vae=PATH",
        )
    marks = read_marks(headers, files.read_metadata(path), path)
    second = _OPEN_CLIP in headers
    if config is not None and prediction_type is not None:
        raise InputError(
            "either config or prediction_type must be given, found both: leave prediction_type= out, because the "
            "config says it",
            "prediction_type=",
        )
    checkpoint = None
    if config is not None:
        checkpoint = open_checkpoint(files.check_config(config))
        check_classes(checkpoint)
        read_tokenizers(checkpoint.folder, checkpoint.tokenizers)
        prediction = None
    elif prediction_type not in (None, "epsilon", "v_prediction"):
        raise InputError(
            f"prediction_type must be epsilon or v_prediction, found {prediction_type!r} for {path}: give what it was "
            "trained for, prediction_type=epsilon, or prediction_type=v_prediction (SD 2.x at 768 pixels)",
            "prediction_type=epsilon",
            "prediction_type=v_prediction",
        )
    else:
        prediction = marks.settle(prediction_type, path)
        if second and prediction is None:
            raise InputError(
                f"prediction_type must be epsilon or v_prediction for SD 2.x, whose files do not say which, found "
                f"{prediction_type!r} for {path}: give what it was trained for, prediction_type=epsilon, or "
                "prediction_type=v_prediction (SD 2.x at 768 pixels)",
                "prediction_type=epsilon",
                "prediction_type=v_prediction",
            )
    file = SingleFile(path, checkpoint, second, marks, prediction, headers, lacking)
    file.scheduler()
    return file


def _checked_headers(path: Path, allow_pickle: bool) -> dict[str, files.Header]:
    headers = files.read_headers(path, allow_pickle)
    if UNET not in headers or not headers.keys() & {_CLIP, _OPEN_CLIP}:
        alone = "conv_in.weight" in headers
        elsewhere = f"{other_way('its own pipeline')}, or choose another file"
        hint = "give it as unet=FILE beside its base checkpoint" if alone else elsewhere
        if UNET in headers and _CLIP.replace("text_model.", "") in headers:  # as in merges of NovelAI's model
            hint = "rename cond_stage_model.transformer.* to cond_stage_model.transformer.text_model.*"
        if any(name.startswith(_OTHER_FAMILIES) for name in headers):
            hint = "convert it to a folder in diffusers' layout, by its pipeline's from_single_file and save_pretrained"
        raise InputError(
            f"{path} must be a Stable Diffusion 1.x or 2.x checkpoint in the original layout, found no "
            f"{(UNET if UNET not in headers else _CLIP)!r} among its {counted(len(headers), 'weight')}: {hint}",
            *(["unet=FILE"] if alone else []),
        )
    return headers


def _read(path: Path, config: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    from diffusers import StableDiffusionPipeline

    try:
        with quiet(), trainers_replaced(path):
            pipeline = StableDiffusionPipeline.from_single_file(
                str(path), config=str(config), local_files_only=True, safety_checker=None, feature_extractor=None,
                requires_safety_checker=False, **given,
            )  # fmt: skip
        return {name: getattr(pipeline, name) for name in ("unet", "vae", "text_encoder", "tokenizer")}
    except Exception as error:  # the library may raise anything for weights that do not fit the configuration
        raise InputError(
            f"{path} must be a checkpoint of the architecture in the configuration, found one that does not fit it "
            f"({type(error).__name__}: {first_line(error)}): give config=FOLDER, a folder in diffusers' layout for "
            "this architecture",
            "config=FOLDER",
        ) from error


def _write_config(folder: Path, second: bool, prediction_type: str) -> None:
    """Write the configurations of SD 1.x, or of SD 2.x at 512 pixels (epsilon) or 768 (v-prediction), as on the hub."""
    large = second and prediction_type == "v_prediction"
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
