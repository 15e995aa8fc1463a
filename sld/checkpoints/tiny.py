"""A small, randomly initialised checkpoint of the real architecture, for tests and for trying things out."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from sld.checkpoints.layout import SD1_SCHEDULER, write_index
from sld.checkpoints.quiet import quiet
from sld.checkpoints.tokenizer import END, write_clip_tokenizer
from sld.errors import InputError


def write_tiny_checkpoint(
    folder: str | os.PathLike,
    *,
    prediction_type: str = "epsilon",
    seed: int = 0,
    sample_size: int = 8,
    width: int = 32,
    text_width: int = 32,
) -> Path:
    """Write a Stable Diffusion checkpoint with random weights in diffusers' layout and return its folder.

    The weights are a function of the arguments. The folder appears complete or not at all.

    Args:
        folder: new, empty, or a checkpoint, which is replaced.
        prediction_type: "epsilon", or "v_prediction" for a checkpoint like SD 2.x, whose tokenizer pads with `!`.
        seed: of the weights.
        sample_size: an eighth of the pictures' side in pixels.
        width: of the UNet's first level, a multiple of 8.
        text_width: of the text encoder, a multiple of 2.

    Raises:
        InputError: the prediction type is unknown, or something that is no checkpoint would be replaced.
    """
    folder = Path(folder)
    if prediction_type not in ("epsilon", "v_prediction"):
        raise InputError(f"prediction_type must be epsilon or v_prediction, found {prediction_type!r}: correct it")
    if folder.exists() and not (folder / "model_index.json").exists() and (folder.is_file() or any(folder.iterdir())):
        raise InputError(f"folder must be new, empty or a checkpoint's, found other files at {folder}: choose another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            torch.manual_seed(seed)
            _write(work, prediction_type, sample_size, width, text_width)
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(work, folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(work)
    return folder


def _write(folder: Path, prediction_type: str, sample_size: int, width: int, text_width: int) -> None:
    second = prediction_type == "v_prediction"
    _unet(sample_size, width, text_width, second).save_pretrained(folder / "unet")
    _vae(sample_size).save_pretrained(folder / "vae")
    _text_encoder(text_width, second).half().save_pretrained(folder / "text_encoder")
    write_clip_tokenizer(folder / "tokenizer", pad_token="!" if second else END)
    write_index(folder, SD1_SCHEDULER | ({"prediction_type": prediction_type} if second else {}))


def _unet(sample_size: int, width: int, text_width: int, second: bool) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=sample_size,
        block_out_channels=(width, 2 * width),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=2,
        norm_num_groups=8,
        use_linear_projection=second,
    )
    # A trained UNet predicts noise of about unit variance; a fresh one's output is far smaller.
    unet.conv_out.weight.data.mul_(2.0)
    return unet


def _vae(sample_size: int) -> AutoencoderKL:
    blocks = 4
    vae = AutoencoderKL(
        sample_size=8 * sample_size,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        norm_num_groups=4,
        latent_channels=4,
    )
    # Fresh weights decode to a nearly uniform grey; judges and blank detection need pictures with contrast.
    vae.decoder.conv_out.weight.data.mul_(1.5)
    return vae


def _text_encoder(text_width: int, second: bool) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=text_width,
        intermediate_size=2 * text_width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=text_width,
        hidden_act="gelu" if second else "quick_gelu",
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=0 if second else 49407,
    )
    encoder = CLIPTextModel(config)
    # CLIP starts its embeddings at a standard deviation of 0.02, where all texts look the same to a random encoder.
    encoder.get_input_embeddings().weight.data.normal_(0.0, 0.5)
    return encoder
