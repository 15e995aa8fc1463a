"""Components that the small checkpoints of several families have in common, with random weights."""

from pathlib import Path

from diffusers import AutoencoderKL
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"-()"
_WORDS = ("a", "the", "of", "in", "on", "by", "with", "cat", "dog", "red", "house", "water", "person", "painting")
_WORDS += ("portrait", "light", "oil", "zebra")


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


def make_t5(width: int) -> T5EncoderModel:
    """Return T5's encoder of this width, for the vocabulary of `write_t5_tokenizer`."""
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(_t5_vocabulary()),
            d_model=width,
            d_kv=width // 2,
            d_ff=2 * width,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )
    encoder.get_input_embeddings().weight.data.normal_(0.0, 0.5)
    return encoder


def write_t5_tokenizer(folder: Path) -> None:
    """Write T5's tokenizer with a small vocabulary: letters, and words that begin with a space's mark."""
    T5Tokenizer(vocab=_t5_vocabulary(), extra_ids=0, model_max_length=512).save_pretrained(folder)


def _t5_vocabulary() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    return [*special, *((f"▁{word}", -5.0) for word in _WORDS), *((letter, -6.0) for letter in _LETTERS)]
