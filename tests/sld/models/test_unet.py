"""The UNet in stages gives what diffusers' own forward gives, and refuses what it would not."""

import json

import pytest
import torch

import sld
from sld.models.unet import StagedUNet


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
