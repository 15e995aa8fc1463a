"""A small checkpoint of Stable Diffusion 1.x, or of 2.x where it predicts v."""

from pathlib import Path

from diffusers import UNet2DConditionModel

from sld.checkpoints.layout import SD1_SCHEDULER, write_index
from sld.checkpoints.tiny.parts import make_clip, make_vae
from sld.checkpoints.tokenizer import END, write_clip_tokenizer


def write(folder: Path, prediction_type: str | None, sample_size: int, width: int, text_width: int) -> None:
    """Write it; the arguments are those of `write_tiny_checkpoint`."""
    second = prediction_type == "v_prediction"
    _unet(sample_size, width, text_width, second).save_pretrained(folder / "unet")
    make_vae(sample_size).save_pretrained(folder / "vae")
    text = {"hidden_act": "gelu", "pad_token_id": 0} if second else {}
    make_clip(text_width, **text).half().save_pretrained(folder / "text_encoder")
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
