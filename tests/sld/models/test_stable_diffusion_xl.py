"""What the configuration of a Stable Diffusion XL checkpoint changes, as in diffusers, and what it must say."""

import json
import shutil

import diffusers
import pytest
import torch

import sld
from sld.models.stable_diffusion_xl import check_base

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' with numpy 2

SIZE = {"height": 64, "width": 32}
# As in Playground v2.5, whose VAE is the original one.
LATENTS = {"latents_mean": [-1.6574, 1.886, -1.383, 2.5155], "latents_std": [8.4927, 5.9022, 6.5498, 5.2299]}
BASE = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@pytest.fixture
def copy(checkpoint_of, tmp_path):
    """A copy of a checkpoint with changes to one of its configurations."""

    def copy(name, changes):
        folder = shutil.copytree(checkpoint_of("stable-diffusion-xl"), tmp_path / "copy")
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))
        return folder

    return copy


def noise(model):
    shape = model.latent_shape(**SIZE)
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def drawn(folder, output_type, prompt="a Cat"):
    """Return what diffusers' pipeline draws, and its model here."""
    model = sld.load_model(folder, dtype="float64")
    pipeline = diffusers.StableDiffusionXLPipeline.from_pretrained(folder, dtype=torch.float64)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        prompt, latents=noise(model), num_inference_steps=2, guidance_scale=7.5, output_type=output_type, **SIZE
    ).images
    return expected, model


@pytest.mark.parametrize(
    "changes",
    [LATENTS, {"latents_mean": LATENTS["latents_mean"]}, {"latents_std": LATENTS["latents_std"]}],
    ids=["both", "the mean alone", "the deviation alone"],
)
def test_latents_are_moved_and_stretched_where_the_vae_says_both(copy, changes):
    expected, model = drawn(copy("vae/config.json", changes), "np")
    result = sld.sample(model, ["a Cat"], "baseline", 7.5, 2, noise=noise(model))
    assert expected.std() > 0.02
    assert abs(result.images["baseline"] / 255.0 - expected).max() < 0.51 / 255


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("prompt", ["a Cat", ""])
def test_no_text_is_zeros_where_the_checkpoint_says_so_and_an_empty_prompt_never(copy, spread_error, zeros, prompt):
    folder = copy("model_index.json", {"force_zeros_for_empty_prompt": zeros})
    expected, model = drawn(folder, "latent", prompt)
    result = sld.sample(model, [prompt], "baseline", 7.5, 2, noise=noise(model), decode=False)
    assert spread_error(result.latents["baseline"], expected) < 1e-8


@pytest.mark.parametrize(
    "changes",
    [
        {"addition_embed_type": None},
        {"addition_embed_type": "text_image"},
        {"projection_class_embeddings_input_dim": 2560},  # the refiner, of five numbers
        {"addition_time_embed_dim": None},
    ],
)
def test_a_unet_that_is_not_the_base_models_is_refused(changes):
    check_base(BASE, 1280, "SOURCE")
    with pytest.raises(sld.InputError, match=r"SOURCE must hold the UNet of a Stable Diffusion XL base model"):
        check_base(BASE | changes, 1280, "SOURCE")
