"""The UNet in stages gives what diffusers' own forward gives, and refuses what it would not."""

import json

import pytest
import torch

import sld
from sld.models.unet import StagedUNet, check_text_to_image


@pytest.mark.parametrize("size", [(8, 8), (4, 12), (5, 7)])
@pytest.mark.parametrize("which", ["checkpoint", "checkpoint_v", "demo"])
def test_the_stages_together_equal_the_forward_of_diffusers(which, size, request):
    from i2p.demo import trained

    folder = trained.model_folder() if which == "demo" else request.getfixturevalue(which)
    unet = sld.load_model(folder, dtype="float64").unet
    stages, generator = StagedUNet(unet), torch.Generator().manual_seed(0)
    latents = torch.randn(3, unet.config.in_channels, *size, generator=generator, dtype=torch.float64)
    texts = torch.randn(3, 9, unet.config.cross_attention_dim, generator=generator, dtype=torch.float64)
    timestep = torch.tensor(321)
    with torch.no_grad():
        staged = stages.predict(stages.observe(latents, timestep), timestep, stages.project(texts))
        reference = unet(latents, timestep, texts).sample
    assert staged.shape == reference.shape
    assert (staged - reference).abs().max() < 1e-12 * reference.std()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class_embed_type": "timestep"}, "class_embed_type='timestep'"),
        ({"dual_cross_attention": True}, "dual_cross_attention=True"),
        ({"in_channels": 9}, "9 input channels for 4"),
    ],
)
def test_another_unet_is_refused_with_what_is_odd_about_it(tmp_path, change, words):
    from diffusers import UNet2DConditionModel

    folder = sld.write_tiny_checkpoint(tmp_path / "model", width=8, text_width=16)
    config = json.loads((folder / "unet" / "config.json").read_text()) | change
    UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    with pytest.raises(sld.InputError, match="Stable Diffusion 1.x or 2.x, found one with " + words):
        sld.load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"addition_embed_type": "text_time"},
        {"attention_type": "gated"},
        {"center_input_sample": True},
        {"class_embed_type": "projection"},
        {"class_embeddings_concat": True},
        {"cross_attention_norm": "layer_norm"},
        {"dual_cross_attention": True},
        {"encoder_hid_dim_type": "text_proj"},
        {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"},
        {"num_class_embeds": 1000},
        {"only_cross_attention": [True, False]},
        {"resnet_time_scale_shift": "scale_shift"},
        {"time_cond_proj_dim": 256},
        {"time_embedding_act_fn": "silu"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_stages_leave_out_is_refused_by_its_setting(checkpoint, change):
    """Each of these makes diffusers' forward compute something that the stages do not."""
    unet, vae = (json.loads((checkpoint / part / "config.json").read_text()) for part in ("unet", "vae"))
    check_text_to_image(unet, vae, "here")
    ((key, value),) = change.items()
    with pytest.raises(sld.InputError) as caught:
        check_text_to_image(unet | change, vae, "here")
    assert f"found one with {key}={value!r}: choose another one" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"out_channels": 8}, "8 output channels for 4"),
        ({"down_block_types": ["CrossAttnDownBlock2D", "AttnDownBlock2D"]}, "a block AttnDownBlock2D"),
        ({"up_block_types": ["UpBlock2D", "SimpleCrossAttnUpBlock2D"]}, "a block SimpleCrossAttnUpBlock2D"),
        ({"down_block_types": ["DownBlock2D", "DownBlock2D"]}, "no CrossAttnDownBlock2D"),
    ],
)
def test_other_channels_and_blocks_are_refused(checkpoint, change, words):
    unet, vae = (json.loads((checkpoint / part / "config.json").read_text()) for part in ("unet", "vae"))
    with pytest.raises(sld.InputError, match=f"found one with {words}: choose another one"):
        check_text_to_image(unet | change, vae, "here")
