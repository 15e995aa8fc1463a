"""Latents equal those of diffusers' StableDiffusionPipeline and StableDiffusionPipelineSafe."""

import numpy as np
import pytest
import torch
from diffusers.pipelines.deprecated.stable_diffusion_safe import SafetyConfig

import sld
from sld.noise import step_generators

# The oracle's: diffusers makes numpy arrays of tensors in a way that numpy 2 warns about.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.long,
]

PROMPTS = ["a cat", "a portrait of somebody who reads by a window, oil on canvas"]
OVER_77_TOKENS = "many strange things, " * 40
# s_S of the paper's weak preset; diffusers' own has a tenth of it.
SAFE = {
    "sld_weak": SafetyConfig.WEAK | {"sld_guidance_scale": 200},
    "sld_weak_diffusers": SafetyConfig.WEAK,
    "sld_medium": SafetyConfig.MEDIUM,
    "sld_strong": SafetyConfig.STRONG,
    "sld_max": SafetyConfig.MAX,
}
SIZE = {"height": 64, "width": 32}


def unit_normal(rows, dtype, seed=5):
    return torch.randn(rows, 4, 8, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def range_error(actual, reference):
    return ((actual - reference).abs().max() / (reference.max() - reference.min())).item()


def compare(model, reference, spread_error, tolerance, methods, steps=50, guidance=7.5, prompts=PROMPTS):
    noise = unit_normal(len(prompts), model.dtype)
    result = sld.sample(model, prompts, methods, guidance, steps, noise=noise, batch_size=36, decode=False)
    for method in sld.resolve_methods(methods):
        options = {"num_inference_steps": steps, "guidance_scale": guidance, "negative_prompt": method.negative_prompt}
        if method.preset is None:
            expected = reference.plain(prompts, noise, **SIZE, **options)
        else:
            expected = reference.safe(prompts, noise, **SIZE, **options, **SAFE[f"sld_{method.preset}"])
        assert result.latents[method.name].dtype == expected.dtype == model.dtype
        assert spread_error(result.latents[method.name], expected) < tolerance, method.name


def test_every_preset_equals_diffusers_in_float64(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="ddim")
    compare(model, oracle(model), spread_error, 1e-8, ["baseline", *SAFE], steps=17)  # every warm-up ends after 15


@pytest.mark.parametrize("scheduler", ["pndm", "euler", "dpm++", "lms"])
def test_presets_with_and_without_a_warm_up_equal_diffusers_in_float64(
    loaded, checkpoint, oracle, spread_error, scheduler
):
    """All of them under more schedulers: pipelines with these attached (`test_attachment`), which equal the sampler."""
    model = loaded(checkpoint, dtype="float64", scheduler=scheduler)
    compare(model, oracle(model), spread_error, 1e-8, ["baseline", "sld_strong", "sld_max"], steps=10)


@pytest.mark.parametrize("scheduler", ["ddim", "dpm++"])
def test_v_prediction_equals_diffusers_in_float64(loaded, checkpoint_v, oracle, spread_error, scheduler):
    model = loaded(checkpoint_v, dtype="float64", scheduler=scheduler)
    assert model.scheduler.config.prediction_type == "v_prediction"
    compare(model, oracle(model), spread_error, 1e-8, ["baseline", "sld_strong", "sld_max"], steps=9)


@pytest.mark.parametrize(("scheduler", "presets"), [("ddim", ["strong", "max"]), ("euler", ["max"])])
def test_float32_equals_diffusers_up_to_amplified_rounding(loaded, checkpoint, oracle, scheduler, presets):
    """The masks amplify rounding, most of all those of `max`: here the error is measured against the whole range."""
    model = loaded(checkpoint, scheduler=scheduler)
    methods = ["baseline", *(f"sld_{name}" for name in presets)]
    compare(model, oracle(model), range_error, 1e-3, methods, steps=10)


def test_a_negative_prompt_replaces_the_unconditional_branch(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="ddim")
    both = sld.Method("both", preset="strong", negative_prompt="blurry, low quality")
    compare(model, oracle(model), spread_error, 1e-8, ["negative_prompt", both], steps=9)


def test_guidance_of_one_is_the_prompt_alone(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="ddim")
    methods = ["baseline", "negative_prompt", "sld_max"]
    compare(model, oracle(model), spread_error, 1e-8, methods, steps=5, guidance=1)


def test_a_prompt_over_77_tokens_keeps_its_end_token(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="ddim")
    # The reference cannot batch a long prompt with a short one, so it gets them one by one.
    noise, prompts = unit_normal(2, torch.float64), [OVER_77_TOKENS, "a cat"]
    result = sld.sample(model, prompts, ["baseline", "sld_strong"], noise=noise, steps=9, decode=False)
    reference = oracle(model)
    for row, prompt in enumerate(prompts):
        options = {"num_inference_steps": 9, "guidance_scale": 7.5, **SIZE}
        plain = reference.plain([prompt], noise[row : row + 1], **options)
        safe = reference.safe([prompt], noise[row : row + 1], **options, **SafetyConfig.STRONG)
        assert spread_error(result.latents["baseline"][row : row + 1], plain) < 1e-8
        assert spread_error(result.latents["sld_strong"][row : row + 1], safe) < 1e-8


def test_rows_of_a_batch_keep_their_own_guidance_scale(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="pndm")
    noise, scales, prompts = unit_normal(3, torch.float64), [1.0, 1.5, 12.0], [*PROMPTS, "a dog"]
    methods = ["baseline", "negative_prompt", "sld_max"]
    result = sld.sample(model, prompts, methods, scales, 6, noise=noise, decode=False)
    reference = oracle(model)
    for row, (prompt, scale) in enumerate(zip(prompts, scales, strict=True)):
        options = {"num_inference_steps": 6, "guidance_scale": scale, **SIZE}
        single = noise[row : row + 1]
        expected = {
            "baseline": reference.plain([prompt], single, **options),
            "negative_prompt": reference.plain([prompt], single, negative_prompt=sld.CONCEPT, **options),
            "sld_max": reference.safe([prompt], single, **options, **SafetyConfig.MAX),
        }
        for name in methods:
            assert spread_error(result.latents[name][row : row + 1], expected[name]) < 1e-8, (row, name)


def test_a_scale_of_one_switches_safety_guidance_off_as_in_diffusers(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="ddim")
    values = {"warmup_steps": 0, "guidance_scale": 1, "threshold": 1.0, "momentum_scale": 0.5}
    method = sld.Method("off", preset=sld.SafetyPreset(**values, momentum_beta=0.7))
    noise = unit_normal(2, torch.float64)
    result = sld.sample(model, PROMPTS, [method], steps=5, noise=noise, decode=False)
    options = {f"sld_{name}": value for name, value in values.items()} | {"sld_mom_beta": 0.7, "num_inference_steps": 5}
    assert spread_error(result.latents["off"], oracle(model).safe(PROMPTS, noise, **SIZE, **options)) < 1e-8


def test_euler_ancestral_equals_diffusers_with_the_same_step_noise(loaded, checkpoint, oracle, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="euler_a")
    seeds, noise = [11, 12], unit_normal(2, torch.float64)
    result = sld.sample(model, PROMPTS, ["baseline", "sld_strong"], steps=9, noise=noise, seeds=seeds, decode=False)
    options = {"num_inference_steps": 9, "guidance_scale": 7.5, **SIZE}
    plain = oracle(model).plain(PROMPTS, noise, generator=step_generators(seeds, [0, 0]), **options)
    safe = oracle(model).safe(
        PROMPTS, noise, generator=step_generators(seeds, [0, 0]), **options, **SafetyConfig.STRONG
    )
    assert spread_error(result.latents["baseline"], plain) < 1e-8
    assert spread_error(result.latents["sld_strong"], safe) < 1e-8


def test_images_equal_the_pipelines_bit_for_bit(loaded, checkpoint, oracle):
    model = loaded(checkpoint, dtype="float64", scheduler="ddim")
    noise = unit_normal(2, torch.float64)
    result = sld.sample(model, PROMPTS, steps=4, noise=noise, batch_size=16)
    options = {"num_inference_steps": 4, "guidance_scale": 7.5, **SIZE}
    pictures = oracle(model).plain(PROMPTS, noise, output_type="pil", **options)
    assert result.images["baseline"].shape == (2, 64, 32, 3)
    assert result.images["baseline"].dtype == np.uint8
    np.testing.assert_array_equal(result.images["baseline"], np.stack([np.asarray(picture) for picture in pictures]))
