"""Safety guidance attached to pipelines of other tasks, and to parts that accelerate moves."""

from dataclasses import replace

import pytest
import tiny_pipelines
import torch
from accelerate import cpu_offload
from accelerate.hooks import remove_hook_from_module
from diffusers import (
    DDIMScheduler,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusion3Pipeline,
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

import sld
from sld.presets import PRESETS

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.long,
]

PROMPTS = ["a cat", "a portrait of somebody who reads by a window"]
SIZE = {"height": 64, "width": 64}
STEPS, TOKENS = 4, 24
SHORT = {name: replace(PRESETS[name], warmup_steps=PRESETS[name].warmup_steps // 5) for name in PRESETS}


def noise(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def latents_of(pipe, prompts=PROMPTS, **options):
    options = {"num_inference_steps": STEPS, "output_type": "latent"} | options
    if hasattr(pipe, "transformer"):
        options = {"max_sequence_length": TOKENS} | options
    return pipe(prompts, **options).images


@pytest.fixture(scope="module")
def sdxl(checkpoint_of):
    pipe = tiny_pipelines.load(checkpoint_of("stable-diffusion-xl"), StableDiffusionXLPipeline)
    # Its own, Euler, rounds latents to float32, where the last bit of float64 can change more than the tolerance.
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    return pipe


@pytest.fixture(scope="module")
def sd3(checkpoint_of):
    return tiny_pipelines.load(checkpoint_of("stable-diffusion-3"), StableDiffusion3Pipeline)


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


def test_a_controlnet_is_exchanged_before(sd1):
    pipe = of_task(StableDiffusionControlNetPipeline, sd1)
    with sld.attach(pipe):
        pipe.controlnet = tiny_pipelines.controlnet(sd1.unet)
        with pytest.raises(sld.InputError, match=r"pipe\.controlnet must remain the same"):
            latents_of(pipe, image=PICTURE)


def test_several_controlnets_read_the_concept_like_the_one_that_they_add_up_to(sd1, spread_error):
    net = tiny_pipelines.controlnet(sd1.unet)
    drawn = []
    for nets, image, scale in (([net, net], [PICTURE, PICTURE], [0.5, 0.5]), (net, PICTURE, 1.0)):
        pipe = StableDiffusionControlNetPipeline(**sd1.components, controlnet=nets)
        pipe.set_progress_bar_config(disable=True)
        with sld.attach(pipe, SHORT["max"]):
            options = {"image": image, "controlnet_conditioning_scale": scale, "latents": noise(2, 4, 8, 8)}
            drawn.append(latents_of(pipe, **options))
    assert spread_error(*drawn) < 1e-8


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
