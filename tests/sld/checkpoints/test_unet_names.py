"""A UNet's weights in the original layout get the names that diffusers gives them, also where only some are there."""

import runpy
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

from sld.checkpoints.unet_names import diffusers_name, is_original, modules_by_original_name

original_unet = runpy.run_path(str(Path(__file__).parents[1] / "original_layout.py"))["original_unet"]
PREFIX = "model.diffusion_model."
UNETS = {
    "SD 1.x": {
        "layers_per_block": 2,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "block_out_channels": (8, 8, 8, 8),
    },
    "SD 2.x": {
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "block_out_channels": (8, 16),
        "use_linear_projection": True,
    },
    "SDXL": {
        "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (8, 8, 16),
        "transformer_layers_per_block": (1, 2, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 80,
    },
}


@pytest.fixture(scope="module", params=UNETS)
def unet(request):
    with torch.device("meta"):
        settings = UNETS[request.param]
        return UNet2DConditionModel(norm_num_groups=4, attention_head_dim=4, cross_attention_dim=8, **settings)


@pytest.fixture(scope="module")
def original(unet):
    """A number in place of each weight, by its name in the original layout."""
    blocks, layers = len(unet.config.block_out_channels), unet.config.layers_per_block
    named = original_unet(unet.state_dict(), blocks, layers)
    return {name: torch.tensor(number) for number, name in enumerate(named)}


def ours(original, unet):
    modules = modules_by_original_name(unet.config)
    return {diffusers_name(name.removeprefix(PREFIX), modules): number for name, number in original.items()}


def by_diffusers(original, unet):
    return convert_ldm_unet_checkpoint(dict(original), dict(unet.config))


def test_a_whole_unet_gets_the_names_that_diffusers_gives_it(unet, original):
    assert ours(original, unet).keys() == unet.state_dict().keys()
    assert ours(original, unet) == by_diffusers(original, unet)


def test_each_weight_alone_gets_the_same_name_as_in_the_whole(unet, original):
    whole = {number.item(): name for name, number in by_diffusers(original, unet).items()}
    for name, number in original.items():
        assert ours({name: number}, unet) == {whole[number.item()]: number}


def test_diffusers_drops_weights_of_a_part_and_we_do_not(unet, original):
    # It insists on the size embedding of an SDXL UNet.
    part = {name: number for name, number in original.items() if "attn2.to_" in name or "label_emb" in name}
    assert len(ours(part, unet)) == len(part) > len(by_diffusers(part, unet))


def test_names_of_the_two_layouts_never_equal_each_other(unet, original):
    assert all(is_original(name.removeprefix(PREFIX)) for name in original)
    assert not any(is_original(name) for name in unet.state_dict())


def test_a_name_without_a_place_gets_none(unet):
    modules = modules_by_original_name(unet.config)
    for name in ("input_blocks.99.0.in_layers.0.weight", "out.1.weight", "middle_block.3.norm.weight", "time_embed"):
        assert diffusers_name(name, modules) is None
