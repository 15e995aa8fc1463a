"""A small checkpoint of PixArt-Σ."""

from pathlib import Path

from diffusers import PixArtTransformer2DModel

from sld.checkpoints.layout import write_index
from sld.checkpoints.tiny.parts import make_t5, make_vae, write_t5_tokenizer
from sld.errors import InputError

# The configuration of PixArt-Sigma-XL-2-1024-MS, as far as it determines steps.
_SCHEDULER = {
    "_class_name": "DPMSolverMultistepScheduler",
    "algorithm_type": "dpmsolver++",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "solver_order": 2,
    "solver_type": "midpoint",
    "timestep_spacing": "linspace",
    "steps_offset": 0,
}


def write(folder: Path, prediction_type: str | None, sample_size: int, width: int, text_width: int) -> None:
    """Write it; the arguments are those of `write_tiny_checkpoint`."""
    if prediction_type not in (None, "epsilon"):
        raise InputError(f"prediction_type must be epsilon for PixArt-Σ, found {prediction_type!r}: leave it out")
    _transformer(sample_size, width, text_width).save_pretrained(folder / "transformer")
    make_vae(sample_size, scaling_factor=0.13025).save_pretrained(folder / "vae")
    make_t5(text_width).half().save_pretrained(folder / "text_encoder")
    write_t5_tokenizer(folder / "tokenizer")
    parts = {
        "transformer": ("diffusers", "PixArtTransformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
        "text_encoder": ("transformers", "T5EncoderModel"),
        "tokenizer": ("transformers", "T5Tokenizer"),
    }
    write_index(folder, _SCHEDULER, "PixArtSigmaPipeline", parts)


def _transformer(sample_size: int, width: int, text_width: int) -> PixArtTransformer2DModel:
    transformer = PixArtTransformer2DModel(
        sample_size=sample_size,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=width // 2,
        cross_attention_dim=width,
        caption_channels=text_width,
        norm_num_groups=8,
        interpolation_scale=1,
        use_additional_conditions=False,
    )
    # Fresh output is far smaller than noise.
    transformer.proj_out.weight.data.normal_(0.0, 0.3)
    return transformer
