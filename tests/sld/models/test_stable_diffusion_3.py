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
