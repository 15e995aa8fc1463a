"""Components that the small checkpoints of several families have in common, with random weights."""

from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection


def make_vae(sample_size: int, **settings) -> AutoencoderKL:
    """Return a VAE for latents of side `sample_size`, 8 pixels per latent."""
    blocks = 4
    defaults = {"latent_channels": 4}
    vae = AutoencoderKL(
        sample_size=8 * sample_size,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        norm_num_groups=4,
        **(defaults | settings),
    )
    # Fresh weights decode to a nearly uniform grey; judges and blank detection need pictures with contrast.
    vae.decoder.conv_out.weight.data.mul_(1.5)
    return vae


def make_clip(
    width: int, *, hidden_act: str = "quick_gelu", pad_token_id: int = 49407, projects: bool = False
) -> CLIPTextModel | CLIPTextModelWithProjection:
    """Return CLIP's text encoder of this width with its full vocabulary, with or without its projection."""
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=width,
        hidden_act=hidden_act,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=pad_token_id,
    )
    encoder = (CLIPTextModelWithProjection if projects else CLIPTextModel)(config)
    # CLIP starts its embeddings at a standard deviation of 0.02, where all texts look the same to a random encoder.
    encoder.get_input_embeddings().weight.data.normal_(0.0, 0.5)
    return encoder
