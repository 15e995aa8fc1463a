"""A VAE's weights in the original layout become those of diffusers, each by itself."""

import runpy
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import save_file

from sld.checkpoints.family import Component
from sld.checkpoints.replaced import replace
from sld.checkpoints.vae_names import pieces

original_vae = runpy.run_path(str(Path(__file__).parents[1] / "original_layout.py"))["original_vae"]


@pytest.fixture(scope="module")
def vae(checkpoint):
    return AutoencoderKL.from_pretrained(checkpoint / "vae")


@pytest.fixture(scope="module")
def original(vae):
    weights = {name: value + 0.5 for name, value in vae.state_dict().items()}
    return original_vae(weights, len(vae.config.block_out_channels))


def test_a_whole_vae_becomes_what_diffusers_makes_of_it(vae, original):
    reference = convert_ldm_vae_checkpoint(dict(original), dict(vae.config))
    names = {}
    for key, value in original.items():
        own_name = key.removeprefix("first_stage_model.")
        renamed = list(pieces(own_name, vae.config))
        names |= {piece.name: piece.of(value) for piece in renamed} if renamed else {own_name: value}
        assert all(piece.shape_of(tuple(value.shape)) == piece.of(value).shape for piece in renamed)
    assert names.keys() == reference.keys() == vae.state_dict().keys()
    assert all(torch.equal(value, reference[name]) for name, value in names.items())


@pytest.mark.parametrize("prefix", ["first_stage_model.", ""])
def test_a_vae_in_the_original_layout_takes_effect_whole_or_in_part(checkpoint, vae, original, tmp_path, prefix):
    path = tmp_path / "vae.safetensors"
    for word in ("", "mid.attn_1"):
        chosen = {key.replace("first_stage_model.", prefix): x for key, x in original.items() if word in key}
        save_file({key: value.contiguous() for key, value in chosen.items()}, path)
        module = AutoencoderKL.from_pretrained(checkpoint / "vae")
        audit = replace(Component("vae", "AutoencoderKL"), module, [path], path, False)
        assert audit.used == audit.different == len(chosen)
        changed = [
            name for name, value in module.state_dict().items() if not torch.equal(value, vae.state_dict()[name])
        ]
        assert len(changed) == len(chosen)


def test_names_of_diffusers_have_no_pieces(vae):
    assert not any(list(pieces(name, vae.config)) for name in vae.state_dict())
