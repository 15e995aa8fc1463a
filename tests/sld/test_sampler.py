"""What can be asked of the sampler, and what it refuses."""

import json

import diffusers
import numpy as np
import pytest
import torch

import sld
from sld.sampler import _finish
from sld.trajectories import common_trajectories, plan_courses

ODD = ["", "two\nlines", "<script>alert(1)</script>", "🙂 ¿qué? 100 % $x_1$", "Null", "x" * 1093]


def test_odd_prompts_are_prompts(model):
    result = sld.sample(model, ODD, ["sld_max"], steps=2, seeds=range(len(ODD)))
    assert result.finite["sld_max"].all()
    assert result.images["sld_max"].shape == (len(ODD), 64, 64, 3)
    assert len({image.tobytes() for image in result.images["sld_max"]}) == len(ODD)


def test_the_result_has_one_entry_a_method(model):
    seen = []
    result = sld.sample(
        model, ["a cat"] * 3, ["sld_weak", "baseline"], steps=3, seeds=[1, 2, 3], height=64, width=96,
        on_step=lambda done, calls: seen.append((done, calls)),
    )  # fmt: skip
    assert list(result.latents) == list(result.images) == list(result.finite) == ["sld_weak", "baseline"]
    assert result.latents["baseline"].shape == (3, 4, 8, 12)
    assert result.images["baseline"].shape == (3, 64, 96, 3)
    assert result.images["baseline"].dtype == np.uint8
    assert result.finite["baseline"].shape == (3,)
    assert result.finite["baseline"].dtype == bool
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_pictures_of_the_tiny_checkpoint_have_contrast(model):
    images = sld.sample(model, ["a cat"] * 4, steps=10, seeds=range(4)).images["baseline"]
    assert (images.std(axis=(1, 2, 3)) > 20).all()
    assert len({image.tobytes() for image in images}) == 4


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_every_dtype_samples_close_to_float64(loaded, checkpoint, dtype):
    options = {"prompts": ["a cat"] * 2, "steps": 4, "seeds": [1, 2]}
    exact = sld.sample(loaded(checkpoint, dtype="float64", scheduler="ddim"), **options)
    model = loaded(checkpoint, dtype=dtype, scheduler="ddim")
    result = sld.sample(model, **options)
    assert result.latents["baseline"].dtype == (torch.float64 if dtype == "float64" else torch.float32)
    assert model.vae.dtype == (torch.float64 if dtype == "float64" else torch.float32)
    assert result.finite["baseline"].all()
    difference = result.images["baseline"].astype(int) - exact.images["baseline"]
    assert abs(difference).mean() < (1 if dtype.startswith("float") else 8)


def test_half_precision_rounds_neither_noise_nor_steps(loaded, checkpoint):
    """Diffusers' own steps in float32, of a denoiser that predicts zeros: only what enters the denoiser is rounded."""
    model = loaded(checkpoint, dtype="float16", scheduler="ddim")
    model.predict = lambda observed, timestep, texts: torch.zeros(len(texts[0]), 4, 8, 8, dtype=torch.float16)
    latents = sld.sample(model, ["a cat"], seeds=[7], steps=3, decode=False).latents["baseline"]
    expected = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7))
    scheduler = diffusers.DDIMScheduler.from_config(model.scheduler.config)
    scheduler.set_timesteps(3)
    for timestep in scheduler.timesteps:
        expected = scheduler.step(torch.zeros_like(expected), timestep, expected).prev_sample
    assert torch.equal(latents, expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_is_said_to_be_so(model, value):
    noise = torch.randn(3, 4, 8, 8)
    noise[1, 2, 3, 3] = value
    result = sld.sample(model, ["a cat"] * 3, ["baseline", "sld_max"], steps=2, noise=noise)
    for name in ("baseline", "sld_max"):
        assert result.finite[name].tolist() == [True, False, True]
        assert result.images[name].dtype == np.uint8


def test_one_number_that_is_not_finite_is_enough(model):
    latents = torch.randn(3, 4, 8, 8)
    latents[1, 2, 3, 3] = float("inf")
    courses = plan_courses(sld.resolve_methods(["baseline"]), 2, share=True)
    finished = _finish(model, common_trajectories(courses, True, latents, None, None), False, 4)
    assert finished["baseline"][2].tolist() == [True, False, True]


def test_broken_pixels_of_finite_latents_are_reported(checkpoint):
    model = sld.load_model(checkpoint, scheduler="ddim")
    model.vae.decoder.conv_out.bias.fill_(float("nan"))
    result = sld.sample(model, ["a cat"], steps=2, seeds=[1])
    assert torch.isfinite(result.latents["baseline"]).all()
    assert result.finite["baseline"].tolist() == [False]


def test_the_models_scheduler_is_not_changed(checkpoint):
    scheduler = diffusers.PNDMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    model = sld.load_model(checkpoint, scheduler=scheduler)
    assert scheduler.config.steps_offset == 0
    assert model.scheduler.config.steps_offset == 1
    first = sld.sample(model, ["a cat"], steps=6, seeds=[1], decode=False)
    again = sld.sample(model, ["a cat"], steps=6, seeds=[1], decode=False)
    assert torch.equal(first.latents["baseline"], again.latents["baseline"])
    assert model.scheduler.timesteps is None
    # Without skip_prk_steps this scheduler takes four denoiser calls for each of its first steps.
    assert first.evaluations > 2 * 7


def test_a_description_is_ready_for_a_manifest(model, checkpoint):
    description = json.loads(json.dumps(model.describe()))
    assert description["source"] == str(checkpoint)
    assert description["scheduler"] == "DDIMScheduler"
    assert description["prediction_type"] == "epsilon"
    assert description["scheduler_config"]["steps_offset"] == 1
    assert description["dtype"] == "float32"
    assert sorted(description["weights"]) == [
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    assert all(len(digest) == 64 for digest in description["weights"].values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompts": []}, "at least one prompt"),
        ({"prompts": "a cat"}, "put it in a list"),
        ({"prompts": ["a cat", None]}, "found None in row 1"),
        ({"methods": ["sld_huge"]}, "found 'sld_huge'"),
        ({"steps": 0}, "steps must be"),
        ({"steps": 1001}, "found 1001"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"height": 60}, "height must be a multiple of 8 pixels, found 60"),
        ({"width": 0}, "width must be a multiple of 8 pixels, found 0"),
        ({"width": -8}, "width must be a multiple of 8 pixels, found -8"),
        ({"seeds": None}, "found neither"),
        ({"seeds": [1, 2]}, "found 2 and 1 for 1 prompt:"),
        ({"seeds": ["1"]}, "whole numbers"),
        ({"indices": [0, 1]}, "found 1 and 2 for 1 prompt:"),
        ({"noise": torch.zeros(1, 4, 8, 7), "width": 64}, r"found \(1, 4, 8, 7\)"),
        ({"noise": torch.zeros(2, 4, 8, 8)}, r"found \(2, 4, 8, 8\)"),
        ({"noise": np.zeros((1, 4, 8, 8))}, "must be a tensor"),
        ({"guidance_scale": [7.5, 7.5]}, "found 2 for 1 prompt:"),
        ({"guidance_scale": float("nan")}, "found nan in row 0"),
        ({"guidance_scale": "high"}, "found 'high'"),
    ],
)
def test_what_cannot_be_sampled_is_refused_in_one_sentence(model, arguments, words):
    with pytest.raises(sld.InputError, match=words) as caught:
        sld.sample(model, **({"prompts": ["a cat"], "steps": 2, "seeds": [1]} | arguments))
    assert "\n" not in str(caught.value)


def test_a_stochastic_scheduler_needs_seeds(checkpoint):
    model = sld.load_model(checkpoint, scheduler="euler_a")
    with pytest.raises(sld.InputError, match="found only noise with EulerAncestralDiscreteScheduler"):
        sld.sample(model, ["a cat"], steps=2, noise=torch.randn(1, 4, 8, 8))
