"""A small checkpoint of Stable Diffusion XL's base model."""

from pathlib import Path

from diffusers import UNet2DConditionModel

from sld.checkpoints.layout import SDXL_SCHEDULER, write_index
from sld.checkpoints.tiny.parts import make_clip, make_vae
from sld.checkpoints.tokenizer import END, write_clip_tokenizer

_TIME_WIDTH = 8  # of the embedding of each number of the size conditioning


def write(folder: Path, prediction_type: str | None, sample_size: int, width: int, text_width: int) -> None:
    """Write it; the arguments are those of `write_tiny_checkpoint`."""
    _unet(sample_size, width, text_width).save_pretrained(folder / "unet")
    make_vae(sample_size, scaling_factor=0.13025).save_pretrained(folder / "vae")
    make_clip(text_width).half().save_pretrained(folder / "text_encoder")
    second = make_clip(text_width, hidden_act="gelu", pad_token_id=0, projects=True)
    second.half().save_pretrained(folder / "text_encoder_2")
    write_clip_tokenizer(folder / "tokenizer", pad_token=END)
    write_clip_tokenizer(folder / "tokenizer_2", pad_token="!")
    scheduler = SDXL_SCHEDULER | ({"prediction_type": prediction_type} if prediction_type else {})
    parts = {
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
    }
    write_index(folder, scheduler, "StableDiffusionXLPipeline", parts, force_zeros_for_empty_prompt=True)


def _unet(sample_size: int, width: int, text_width: int) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=sample_size,
        block_out_channels=(width, 2 * width),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * text_width,  # the embeddings of both text encoders
        attention_head_dim=2,
        transformer_layers_per_block=(1, 2),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=_TIME_WIDTH,
        projection_class_embeddings_input_dim=6 * _TIME_WIDTH + text_width,
    )
    unet.conv_out.weight.data.mul_(2.0)  # as for Stable Diffusion
    return unet
