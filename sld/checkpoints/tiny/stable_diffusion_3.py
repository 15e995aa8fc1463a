"""A small checkpoint of Stable Diffusion 3.5, with all of its three text encoders."""

from pathlib import Path

from diffusers import SD3Transformer2DModel

from sld.checkpoints.layout import write_index
from sld.checkpoints.tiny.parts import make_clip, make_t5, make_vae, write_t5_tokenizer
from sld.checkpoints.tokenizer import END, write_clip_tokenizer
from sld.errors import InputError

_SCHEDULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
_CHANNELS = 16


def write(folder: Path, prediction_type: str | None, sample_size: int, width: int, text_width: int) -> None:
    """Write it; the arguments are those of `write_tiny_checkpoint`."""
    if prediction_type is not None:
        raise InputError(
            f"prediction_type must be left out for Stable Diffusion 3, which predicts a flow, found "
            f"{prediction_type!r}: leave it out"
        )
    _transformer(sample_size, width, text_width).save_pretrained(folder / "transformer")
    vae = {"latent_channels": _CHANNELS, "scaling_factor": 1.5305, "shift_factor": 0.0609}
    make_vae(sample_size, **vae, use_quant_conv=False, use_post_quant_conv=False).save_pretrained(folder / "vae")
    make_clip(text_width, projects=True).half().save_pretrained(folder / "text_encoder")
    second = make_clip(text_width, hidden_act="gelu", pad_token_id=0, projects=True)
    second.half().save_pretrained(folder / "text_encoder_2")
    make_t5(2 * text_width).half().save_pretrained(folder / "text_encoder_3")
    write_clip_tokenizer(folder / "tokenizer", pad_token=END)
    write_clip_tokenizer(folder / "tokenizer_2", pad_token="!")
    write_t5_tokenizer(folder / "tokenizer_3")
    parts = {
        "transformer": ("diffusers", "SD3Transformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
        "text_encoder": ("transformers", "CLIPTextModelWithProjection"),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "text_encoder_3": ("transformers", "T5EncoderModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
        "tokenizer_3": ("transformers", "T5TokenizerFast"),
    }
    write_index(folder, _SCHEDULER, "StableDiffusion3Pipeline", parts)


def _transformer(sample_size: int, width: int, text_width: int) -> SD3Transformer2DModel:
    transformer = SD3Transformer2DModel(
        sample_size=sample_size,
        in_channels=_CHANNELS,
        out_channels=_CHANNELS,
        num_layers=2,
        attention_head_dim=width // 2,
        num_attention_heads=2,
        joint_attention_dim=2 * text_width,  # of T5, and of both CLIP encoders side by side
        caption_projection_dim=width,
        pooled_projection_dim=2 * text_width,
        pos_embed_max_size=2 * sample_size,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    # Fresh modulation is zero, so that neither time nor text would have an effect.
    for parameter in transformer.parameters():
        parameter.data.normal_(0.0, 0.2) if parameter.ndim > 1 else parameter.data.normal_(0.0, 0.05)
    return transformer
