"""What a checkpoint of Stable Diffusion 3 must hold."""

import pytest

import sld
from sld.models.stable_diffusion_3 import FAMILY

CHANNELS = {"in_channels": 16, "out_channels": 16}


@pytest.mark.parametrize("vae", [{"latent_channels": 16}, {"latent_channels": 16, "shift_factor": None}])
def test_a_vae_without_shift_is_refused_before_anything_is_drawn(vae):
    with pytest.raises(sld.InputError, match="SOURCE must hold a VAE of Stable Diffusion 3, found one without shift"):
        FAMILY.check({"transformer": CHANNELS, "vae": vae}, "SOURCE")
    FAMILY.check({"transformer": CHANNELS, "vae": vae | {"shift_factor": 0.0}}, "SOURCE")


def test_a_picture_is_as_long_as_the_positions_that_were_learned_and_no_longer(loaded, checkpoint_of):
    model = loaded(checkpoint_of("stable-diffusion-3"))
    config = model.network.config
    longest = config.pos_embed_max_size * config.patch_size * 8
    assert model.latent_shape(longest, longest)[1:] == (longest // 8, longest // 8)
    for size in ((longest + 16, 64), (64, longest + 16)):
        with pytest.raises(
            sld.InputError, match=f"must be at most {longest} pixels for this model, found {longest + 16}"
        ):
            model.latent_shape(*size)
