"""Half precision decodes in float16 what it can, and the rest in float32; nothing that is broken looks whole."""

import pytest
import torch
from diffusers import AutoencoderKL

import sld
from i2p.demo import trained
from sld.decoding import decode_images, quantise


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    """A float16 model whose decoder overflows on latents of 30 times the usual size, and diffusers' own decoder."""
    folder = sld.write_tiny_checkpoint(tmp_path_factory.mktemp("loud") / "model", width=8, text_width=16)
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    vae.decoder.conv_in.weight.data.mul_(1000)
    vae.save_pretrained(folder / "vae")
    return sld.load_model(folder, dtype="float16"), vae


@torch.no_grad()
def by_diffusers(vae, latents, dtype):
    return vae.to(dtype).decode(latents.to(dtype) / vae.config.scaling_factor).sample.float()


def test_pictures_that_overflow_in_float16_are_decoded_again_in_float32_and_the_others_are_not(loud):
    model, vae = loud
    latents = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    latents[2] *= 30
    exact, half = by_diffusers(vae, latents, torch.float32), by_diffusers(vae, latents, torch.float16)
    assert torch.isfinite(half).flatten(1).all(1).tolist() == [True, True, False, True]
    decoded = model.decode(latents)
    assert torch.equal(decoded[2], exact[2])
    for row in (0, 1, 3):
        assert torch.equal(decoded[row], half[row])
        assert not torch.equal(decoded[row], exact[row])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_stay_so_and_harm_no_neighbour(loud, value):
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    together = decode_images(loud[0], latents, 4)[0]
    latents[1, 0, 3, 3] = value
    pixels, finite = decode_images(loud[0], latents, 4)
    assert finite.tolist() == [True, False, True]
    assert torch.equal(pixels[[0, 2]], together[[0, 2]])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_decodes_to_within_two_levels_of_float32(dtype):
    models = [sld.load_model(trained.model_folder(), dtype=name) for name in (dtype, "float32")]
    latents = torch.randn(2, *models[0].latent_shape(64, 64), generator=torch.Generator().manual_seed(1))
    half, exact = (quantise(model.decode(latents)).int() for model in models)
    assert (half - exact).abs().max() <= 2
    assert exact.float().std() > 20  # levels, so that two of them say something
