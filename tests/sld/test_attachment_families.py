"""Safety guidance attached to pipelines of other families gives the latents of `sld.sample`, or of a loop by hand."""

from dataclasses import replace

import diffusers
import numpy as np
import pytest
import tiny_pipelines
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from sld_loop import sld_loop

import sld
from sld.presets import PRESETS

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.long,
]

PROMPTS = ["a cat", "a portrait of somebody who reads by a window"]
TEXTS = {"negative": ["", ""], "prompt": PROMPTS, "concept": [sld.CONCEPT] * 2}
SIZE = {"height": 64, "width": 32}
STEPS, TOKENS = 4, 24
SHORT = {name: replace(PRESETS[name], warmup_steps=PRESETS[name].warmup_steps // 5) for name in PRESETS}
FOUR = ("weak", "medium", "strong", "max")
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
SDXL, SD3 = diffusers.StableDiffusionXLPipeline, diffusers.StableDiffusion3Pipeline
CASES = [
    *(("stable-diffusion-xl", SDXL, scheduler) for scheduler in ("ddim", "pndm", "euler", "dpm++", "lms")),
    ("stable-diffusion-3", SD3, diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)),
    ("stable-diffusion-3", SD3, diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)),
    ("stable-diffusion-3", SD3, diffusers.FlowMatchHeunDiscreteScheduler(shift=3.0)),
    ("stable-diffusion-3", SD3, diffusers.UniPCMultistepScheduler(**FLOW)),
    ("stable-diffusion-3", SD3, diffusers.DPMSolverMultistepScheduler(**FLOW)),
    ("pixart-sigma", diffusers.PixArtSigmaPipeline, "dpm++"),
]


def noise(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def latents_of(pipe, **options):
    return pipe(PROMPTS, num_inference_steps=STEPS, output_type="latent", **SIZE, **options).images


@pytest.fixture(scope="module")
def pipelines(checkpoint_of):
    kinds = {kind: family for family, kind, _ in CASES}
    return {kind: tiny_pipelines.load(checkpoint_of(family), kind) for kind, family in kinds.items()}


@pytest.fixture(scope="module")
def flux():
    return tiny_pipelines.flux()


@pytest.mark.parametrize(("family", "kind", "scheduler"), CASES)
def test_latents_equal_the_samplers(
    loaded, family, kind, scheduler, checkpoint_of, pipelines, spread_error, monkeypatch
):
    model, pipe = loaded(checkpoint_of(family), dtype="float64", scheduler=scheduler), pipelines[kind]
    presets = FOUR if scheduler == "ddim" else ("weak", "max")  # with a warm-up and without
    methods = [sld.Method(name, preset=SHORT[name]) for name in presets]
    start = noise(2, *model.latent_shape(64, 32))
    result = sld.sample(model, PROMPTS, methods, 5.0, STEPS, noise=start, decode=False)
    monkeypatch.setattr(pipe, "scheduler", type(model.scheduler).from_config(model.scheduler.config))
    options = {"use_resolution_binning": False, "clean_caption": False} if family == "pixart-sigma" else {}
    for name in presets:
        with sld.attach(pipe, SHORT[name]):
            safe = latents_of(pipe, latents=start.clone(), guidance_scale=5.0, **options)
        assert spread_error(safe, result.latents[name]) < 1e-8


def flux_by_hand(pipe, latents, preset):
    encoded = {name: pipe.encode_prompt(texts, None, max_sequence_length=TOKENS) for name, texts in TEXTS.items()}
    places = pipe._prepare_latent_image_ids(2, 4, 2, "cpu", torch.float64)

    def predict(latents, timestep, name):
        embeddings, pooled, ids = encoded[name]
        guidance, timestep = torch.full([2], 3.5), timestep.expand(2).double() / 1000
        return pipe.transformer(latents, embeddings, pooled, timestep, places, ids, guidance).sample

    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / STEPS, STEPS), mu=calculate_shift(8))
    return sld_loop(predict, scheduler, latents, 5.0, preset, lambda t: 1 - float(t) / 1000)


FLUX = {"true_cfg_scale": 5.0, "negative_prompt": ["", ""], "max_sequence_length": TOKENS}


def test_fluxs_latents_equal_a_loop_by_hand_under_four_presets(flux, spread_error):
    plain = latents_of(flux, latents=noise(2, 8, 16), **FLUX)
    assert spread_error(plain, flux_by_hand(flux, noise(2, 8, 16), None)) < 1e-8
    for name in FOUR:
        with sld.attach(flux, SHORT[name]):
            safe = latents_of(flux, latents=noise(2, 8, 16), **FLUX)
        assert spread_error(safe, flux_by_hand(flux, noise(2, 8, 16), SHORT[name])) < 1e-8
        assert spread_error(safe, plain) > 1e-3
    assert torch.equal(latents_of(flux, latents=noise(2, 8, 16), **FLUX), plain)


def test_flux_without_true_guidance_is_untouched(flux, caplog):
    options = {"latents": noise(2, 8, 16), "max_sequence_length": TOKENS}
    plain = latents_of(flux, **options)
    with sld.attach(flux):
        assert torch.equal(latents_of(flux, **options), plain)
    assert "true_cfg_scale of 1 switches guidance off" in caplog.text


def test_sd3s_evaluations_with_skipped_layers_pass_through(pipelines):
    """They are one row per picture, of a third kind, which is neither guided nor counted."""
    sd3, seen = pipelines[SD3], []
    own = sd3.transformer.forward

    def watch(*args, skip_layers=None, **kwargs):
        output = own(*args, skip_layers=skip_layers, **kwargs)
        seen.append((skip_layers, output[0]))
        return output

    options = {
        "latents": noise(2, 16, 8, 4),
        "max_sequence_length": TOKENS,
        "guidance_scale": 5.0,
        "skip_guidance_layers": [0],
        "skip_layer_guidance_stop": 0.5,
    }
    handed = []
    sd3.transformer.forward = watch
    try:
        with sld.attach(sd3, SHORT["max"]):
            # A later hook sees what the pipeline gets.
            handle = sd3.transformer.register_forward_hook(lambda _, __, output: handed.append(output[0]))
            safe = latents_of(sd3, **options)
            handle.remove()
    finally:
        del sd3.transformer.forward
    skipped = [output for layers, output in seen if layers]
    assert len(skipped) == 1
    assert all(any(output is each for each in handed) for output in skipped)
    assert len(seen) == 2 * STEPS + 1
    with sld.attach(sd3, SHORT["max"]):
        assert not torch.equal(latents_of(sd3, **options | {"skip_guidance_layers": None}), safe)
