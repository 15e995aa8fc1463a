"""Safety guidance attached to pipelines of other families and other tasks gives the latents of a loop by hand."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import tiny_pipelines
import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_module
from diffusers import (
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
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
SIZE = {"height": 64, "width": 64}
STEPS, TOKENS = 5, 24
SHORT = {name: replace(PRESETS[name], warmup_steps=PRESETS[name].warmup_steps // 5) for name in PRESETS}
FOUR = ("weak", "medium", "strong", "max")


def noise(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flow_gain(timestep):
    return 1 - float(timestep) / 1000


def latents_of(pipe, prompts=PROMPTS, **options):
    options = {"num_inference_steps": STEPS, "output_type": "latent"} | options
    if hasattr(pipe, "transformer"):
        options = {"max_sequence_length": TOKENS} | options
    return pipe(prompts, **options).images


@pytest.fixture(scope="module")
def sdxl(checkpoint_xl):
    return tiny_pipelines.load(checkpoint_xl, StableDiffusionXLPipeline)


@pytest.fixture(scope="module")
def sd3():
    return tiny_pipelines.sd3()


@pytest.fixture(scope="module")
def flux():
    return tiny_pipelines.flux()


def sdxl_by_hand(pipe, latents, preset):
    """Like the pipeline, except that nothing is batched."""
    ids = torch.tensor([[64, 64, 0, 0, 64, 64]] * 2, dtype=torch.float64)
    encoded = {name: pipe.encode_prompt(texts, do_classifier_free_guidance=False) for name, texts in TEXTS.items()}
    # No negative prompt is zeros, as SDXL's configuration says.
    encoded["negative"] = tuple(None if part is None else torch.zeros_like(part) for part in encoded["negative"])

    def predict(latents, timestep, name):
        embeddings, _, pooled, _ = encoded[name]
        added = {"text_embeds": pooled, "time_ids": ids}
        return pipe.unet(latents, timestep, embeddings, added_cond_kwargs=added).sample

    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(STEPS)
    return sld_loop(predict, scheduler, latents * scheduler.init_noise_sigma, 5.0, preset)


def sd3_by_hand(pipe, latents, preset):
    encoded = {
        name: pipe.encode_prompt(texts, None, None, do_classifier_free_guidance=False, max_sequence_length=TOKENS)
        for name, texts in TEXTS.items()
    }

    def predict(latents, timestep, name):
        embeddings, _, pooled, _ = encoded[name]
        return pipe.transformer(latents, embeddings, pooled, timestep.expand(2)).sample

    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(STEPS)
    return sld_loop(predict, scheduler, latents, 5.0, preset, flow_gain)


def flux_by_hand(pipe, latents, preset):
    encoded = {name: pipe.encode_prompt(texts, None, max_sequence_length=TOKENS) for name, texts in TEXTS.items()}
    places = pipe._prepare_latent_image_ids(2, 4, 4, "cpu", torch.float64)

    def predict(latents, timestep, name):
        embeddings, pooled, ids = encoded[name]
        guidance, timestep = torch.full([2], 3.5), timestep.expand(2).double() / 1000
        return pipe.transformer(latents, embeddings, pooled, timestep, places, ids, guidance).sample

    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / STEPS, STEPS), mu=calculate_shift(16))
    return sld_loop(predict, scheduler, latents, 5.0, preset, flow_gain)


FAMILIES = {
    "sdxl": (sdxl_by_hand, (2, 4, 8, 8), {"guidance_scale": 5.0}),
    "sd3": (sd3_by_hand, (2, 4, 8, 8), {"guidance_scale": 5.0}),
    "flux": (flux_by_hand, (2, 16, 16), {"true_cfg_scale": 5.0, "negative_prompt": ["", ""]}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_latents_equal_a_loop_by_hand_under_four_presets(family, request, spread_error):
    pipe, (by_hand, shape, options) = request.getfixturevalue(family), FAMILIES[family]
    options = options | SIZE | {"latents": noise(*shape)}
    plain = latents_of(pipe, **options)
    assert spread_error(plain, by_hand(pipe, noise(*shape), None)) < 1e-8
    for name in FOUR:
        with sld.attach(pipe, SHORT[name]):
            safe = latents_of(pipe, **options)
        assert spread_error(safe, by_hand(pipe, noise(*shape), SHORT[name])) < 1e-8
        assert spread_error(safe, plain) > 1e-3
    assert torch.equal(latents_of(pipe, **options), plain)


@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "euler", "dpm++", "lms"])
def test_sdxls_latents_equal_the_samplers_under_four_presets(checkpoint_xl, sdxl, scheduler, spread_error):
    model = sld.load_model(checkpoint_xl, dtype="float64", scheduler=scheduler)
    methods = [sld.Method(name, preset=SHORT[name]) for name in FOUR]
    result = sld.sample(model, PROMPTS, methods, 5.0, STEPS, noise=noise(2, 4, 8, 8), decode=False)
    pipe = StableDiffusionXLPipeline(**sdxl.components | {"scheduler": copy.deepcopy(model.scheduler)})
    pipe.set_progress_bar_config(disable=True)
    for name in FOUR:
        with sld.attach(pipe, SHORT[name]):
            safe = latents_of(pipe, latents=noise(2, 4, 8, 8), guidance_scale=5.0)
        assert spread_error(safe, result.latents[name]) < 1e-8


def test_flux_without_true_guidance_is_untouched(flux, caplog):
    options = SIZE | {"latents": noise(2, 16, 16)}
    plain = latents_of(flux, **options)
    with sld.attach(flux):
        assert torch.equal(latents_of(flux, **options), plain)
    assert "true_cfg_scale of 1 switches guidance off" in caplog.text


def test_sd3s_evaluations_with_skipped_layers_pass_through(sd3):
    """They are one row per picture, of a third kind, which is neither guided nor counted."""
    seen = []
    own = sd3.transformer.forward

    def watch(*args, skip_layers=None, **kwargs):
        output = own(*args, skip_layers=skip_layers, **kwargs)
        seen.append((skip_layers, output[0]))
        return output

    options = SIZE | {
        "latents": noise(2, 4, 8, 8),
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
    assert len(skipped) == 2
    assert all(any(output is each for each in handed) for output in skipped)
    assert len(seen) == 2 * STEPS + 2
    with sld.attach(sd3, SHORT["max"]):
        assert not torch.equal(latents_of(sd3, **options | {"skip_guidance_layers": None}), safe)


class Wrapped(torch.nn.Module):
    """A denoiser that gives SLD to any pipeline that guides one batch of negative prompts and prompts."""

    def __init__(self, denoiser, control, text, preset):
        super().__init__()
        self.denoiser, self.control, self.text, self.preset = denoiser, control, text, preset
        self.call, self.momentum = 0, 0
        self.config, self.dtype, self.device = denoiser.config, denoiser.dtype, denoiser.device
        self.add_embedding = getattr(denoiser, "add_embedding", None)

    def forward(self, latents, timestep, return_dict=False, **inputs):
        e_0, e_p = self.denoiser(latents, timestep, return_dict=False, **inputs)[0].chunk(2)
        text = {name: value.expand(2, *value.shape[1:]) for name, value in self.text.items()}
        concept = {"encoder_hidden_states": text["encoder_hidden_states"]}
        if added := inputs.get("added_cond_kwargs"):
            concept["added_cond_kwargs"] = {"text_embeds": text["text_embeds"], "time_ids": added["time_ids"][2:]}
        if self.control is not None:
            net, picture = self.control
            picture = picture.expand(2, -1, -1, -1)
            down, middle = net(latents[2:], timestep, controlnet_cond=picture, return_dict=False, **concept)
            concept |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        e_s = self.denoiser(latents[2:], timestep, return_dict=False, **concept)[0]
        preset = self.preset
        mu = ((e_p - e_s).abs() * preset.guidance_scale).clamp(max=1) * ((e_p - e_s) < preset.threshold)
        gamma = (e_s - e_0) * mu + preset.momentum_scale * self.momentum
        self.momentum = preset.momentum_beta * self.momentum + (1 - preset.momentum_beta) * gamma
        acts, self.call = self.call >= preset.warmup_steps, self.call + 1
        return (torch.cat([e_0, e_p - gamma if acts else e_p]),)


PICTURE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
MASK = (torch.arange(64) < 32).double().expand(1, 1, 64, 64)
FULL_CONTROL = {"controlnet_conditioning_scale": 1.0}
TASKS = {
    StableDiffusionImg2ImgPipeline: {"image": PICTURE.expand(2, -1, -1, -1), "strength": 0.8},
    StableDiffusionInpaintPipeline: {"image": PICTURE, "mask_image": MASK, **SIZE},
    StableDiffusionControlNetPipeline: {"image": PICTURE},
    StableDiffusionControlNetImg2ImgPipeline: {
        "image": PICTURE.expand(2, -1, -1, -1),
        "control_image": PICTURE,
        "strength": 0.8,
    }
    | FULL_CONTROL,
    StableDiffusionControlNetInpaintPipeline: {"image": PICTURE, "control_image": PICTURE, "mask_image": MASK, **SIZE}
    | FULL_CONTROL,
    StableDiffusionXLImg2ImgPipeline: {"image": PICTURE, "strength": 0.8},
    StableDiffusionXLInpaintPipeline: {"image": PICTURE, "mask_image": MASK, **SIZE},
    StableDiffusionXLControlNetPipeline: {"image": PICTURE},
    StableDiffusionXLControlNetImg2ImgPipeline: {"image": PICTURE, "control_image": PICTURE, "strength": 0.8}
    | FULL_CONTROL,
    StableDiffusionXLControlNetInpaintPipeline: {
        "image": PICTURE,
        "control_image": PICTURE,
        "mask_image": MASK,
        **SIZE,
    },
}


@pytest.fixture(scope="module")
def sd1(checkpoint):
    return tiny_pipelines.of_model(sld.load_model(checkpoint, dtype="float64", scheduler="ddim"))


def of_task(kind, source):
    control = {}
    if "ControlNet" in kind.__name__:
        control = {"controlnet": tiny_pipelines.controlnet(source.unet)}
    pipe = kind(**source.components, **control)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
def test_other_tasks_equal_those_of_a_wrapped_denoiser(kind, sd1, sdxl, spread_error):
    source = sdxl if "XL" in kind.__name__ else sd1
    pipe, preset = of_task(kind, source), SHORT["strong"]

    def draw():
        return latents_of(pipe, generator=torch.Generator().manual_seed(3), guidance_scale=5.0, **TASKS[kind])

    plain = draw()
    with sld.attach(pipe, preset):
        safe = draw()
    if source is sdxl:
        embeddings, _, pooled, _ = source.encode_prompt(sld.CONCEPT, do_classifier_free_guidance=False)
        text = {"encoder_hidden_states": embeddings, "text_embeds": pooled}
    else:
        text = {"encoder_hidden_states": source.encode_prompt(sld.CONCEPT, "cpu", 1, False)[0]}
    control = (pipe.controlnet, PICTURE) if "ControlNet" in kind.__name__ else None
    pipe.unet = Wrapped(source.unet, control, text, preset)
    assert spread_error(safe, draw()) < 1e-8
    assert spread_error(safe, plain) > 1e-3


def test_a_controlnet_in_guess_mode_reads_the_concept_too(sd1):
    pipe = of_task(StableDiffusionControlNetPipeline, sd1)
    rows = []
    pipe.controlnet.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    with sld.attach(pipe, SHORT["max"]):
        latents_of(pipe, image=PICTURE, guess_mode=True, latents=noise(2, 4, 8, 8))
    assert rows == [2] * (2 * STEPS)


def test_weights_that_accelerate_keeps_elsewhere_are_fetched_for_the_concept(sd1):
    options = SIZE | {"latents": noise(2, 4, 8, 8)}
    with sld.attach(sd1, SHORT["max"]):
        expected = latents_of(sd1, **options)
    cpu_offload(sd1.unet, torch.device("cpu"))
    try:
        with sld.attach(sd1, SHORT["max"]):
            assert torch.equal(latents_of(sd1, **options), expected)
    finally:
        remove_hook_from_module(sd1.unet, recurse=True)


@pytest.mark.parametrize("kind", [StableDiffusion3Img2ImgPipeline, StableDiffusion3InpaintPipeline])
def test_other_tasks_of_sd3_are_guided(kind, sd3):
    pipe = of_task(kind, sd3)
    options = {"mask_image": MASK} if "Inpaint" in kind.__name__ else {}

    def draw():
        generator = torch.Generator().manual_seed(3)
        return latents_of(pipe, image=PICTURE, strength=0.8, generator=generator, **SIZE, **options)

    plain = draw()
    with sld.attach(pipe, SHORT["max"]):
        safe = draw()
        assert torch.equal(draw(), safe)
    assert not torch.equal(safe, plain)
    assert torch.equal(draw(), plain)
