"""A pipeline of diffusers with safety guidance attached gives the latents of `sld.sample`, and is left as it was."""

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from sld_loop import sld_loop
from tiny_pipelines import of_model

import sld
from sld.presets import PRESETS

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.long,
]

PROMPTS = ["a cat", "a portrait of somebody who reads by a window, oil on canvas"]
SIZE = {"height": 64, "width": 32}
# The paper's, but with warm-ups that end within a few steps.
SHORT = {name: replace(PRESETS[name], warmup_steps=PRESETS[name].warmup_steps // 4) for name in sld.PRESETS}
FOUR = ("weak", "medium", "strong", "max")
STEPS = 5


def noise(rows=2, seed=5):
    return torch.randn(rows, 4, 8, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def latents_of(pipe, prompts=PROMPTS, steps=STEPS, **options):
    options = {"latents": noise(), "guidance_scale": 7.5, **SIZE} | options
    return pipe(prompts, num_inference_steps=steps, output_type="latent", **options).images


@pytest.fixture(scope="module")
def models(loaded, checkpoint, checkpoint_v):
    return {
        "sd1": loaded(checkpoint, dtype="float64", scheduler="ddim"),
        "sd2": loaded(checkpoint_v, dtype="float64", scheduler="ddim"),
    }


@pytest.fixture
def pipe(models):
    return of_model(models["sd1"])


def with_scheduler(model, scheduler):
    model = copy.copy(model)
    if scheduler is not None:
        settings = {name: model.scheduler.config[name] for name in ("beta_start", "beta_end", "beta_schedule")}
        prediction = model.scheduler.config.prediction_type
        model.scheduler = scheduler.from_config(settings | {"prediction_type": prediction, "steps_offset": 1})
    return model


@pytest.mark.parametrize("family", ["sd1", "sd2"])
@pytest.mark.parametrize("scheduler", [None, EulerDiscreteScheduler, HeunDiscreteScheduler, UniPCMultistepScheduler])
def test_latents_equal_the_samplers(models, family, scheduler, spread_error):
    model = with_scheduler(models[family], scheduler)
    presets = FOUR if scheduler is None else ("weak", "max")  # with a warm-up and without
    methods = [sld.Method(name, preset=SHORT[name]) for name in presets]
    result = sld.sample(model, PROMPTS, methods, steps=STEPS, noise=noise(), decode=False)
    pipe = of_model(model)
    for name in presets:
        with sld.attach(pipe, preset=SHORT[name], space="output"):
            assert spread_error(latents_of(pipe), result.latents[name]) < 1e-8


def test_a_preset_by_name_keeps_its_warm_up(loaded, checkpoint, spread_error):
    model = loaded(checkpoint, dtype="float64", scheduler="pndm")  # which calls the denoiser once more
    result = sld.sample(model, PROMPTS, ["sld_weak", "sld_medium"], steps=17, noise=noise(), decode=False)
    pipe = of_model(model)
    for name in ("weak", "medium"):
        with sld.attach(pipe, name) as same:
            assert same is pipe
            assert spread_error(latents_of(pipe, steps=17), result.latents[f"sld_{name}"]) < 1e-8


@pytest.mark.parametrize("name", FOUR)
def test_epsilon_space_is_the_papers_formula_on_the_noise_that_v_implies(models, name, spread_error):
    model = models["sd2"]
    pipe = of_model(model)
    texts = {
        text: torch.cat([pipe.encode_prompt(each, "cpu", 1, False)[0] for each in prompts])
        for text, prompts in {"negative": ["", ""], "prompt": PROMPTS, "concept": [sld.CONCEPT] * 2}.items()
    }
    scheduler = DDIMScheduler.from_config(model.scheduler.config)
    scheduler.set_timesteps(STEPS)
    expected = sld_loop(
        lambda latents, t, text: model.unet(latents, t, texts[text]).sample,
        *(scheduler, noise(), 7.5, SHORT[name]),
        gain=lambda t: scheduler.alphas_cumprod[t].double().sqrt(),
    )
    with sld.attach(pipe, SHORT[name], space="epsilon"):
        in_epsilon = latents_of(pipe)
    assert spread_error(in_epsilon, expected) < 1e-8
    with sld.attach(pipe, SHORT[name]):
        assert spread_error(latents_of(pipe), in_epsilon) > 1e-6  # "output" is the default of SD 2.x


def test_a_negative_prompt_and_an_own_concept_combine(models, pipe, spread_error):
    method = sld.Method("mine", preset=SHORT["strong"], concept="weapons", negative_prompt="blurry")
    expected = sld.sample(models["sd1"], PROMPTS, method, steps=STEPS, noise=noise(), decode=False).latents["mine"]
    with sld.attach(pipe, SHORT["strong"], concept="weapons"):
        assert spread_error(latents_of(pipe, negative_prompt=["blurry", "blurry"]), expected) < 1e-8


def test_several_images_of_a_prompt_are_guided_each(pipe, spread_error):
    with sld.attach(pipe, SHORT["max"]):
        several = latents_of(pipe, PROMPTS, num_images_per_prompt=2, latents=noise(4))
        single = [latents_of(pipe, [PROMPTS[n // 2]], latents=noise(4)[n : n + 1]) for n in range(4)]
    assert spread_error(several, torch.cat(single)) < 1e-8


def test_every_call_in_a_context_starts_anew(pipe):
    with sld.attach(pipe, SHORT["max"]):
        first = latents_of(pipe)
        latents_of(pipe, ["something else"], steps=3, latents=noise(1))
        assert torch.equal(latents_of(pipe), first)


def test_where_guidance_is_nothing_the_bits_are_the_pipelines(pipe):
    plain = latents_of(pipe)
    no_masks = sld.SafetyPreset(0, 5000, -1e9, 0.0, 0.0)  # every element is far enough from the concept
    for preset in (no_masks, replace(PRESETS["max"], warmup_steps=STEPS), replace(PRESETS["max"], guidance_scale=1)):
        with sld.attach(pipe, preset):
            assert torch.equal(latents_of(pipe), plain)


@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_without_guidance_a_call_is_untouched_and_says_so(pipe, scale, caplog):
    options = {"guidance_scale": scale, "latents": noise(1).expand(2, -1, -1, -1)}  # both rows look like one guided
    plain = latents_of(pipe, **options)
    with sld.attach(pipe, SHORT["max"]):
        assert torch.equal(latents_of(pipe, **options), plain)
        assert "switches guidance off" in caplog.text


def holds_nothing(pipe):
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    hooks = (denoiser._forward_hooks, denoiser._forward_hooks_with_kwargs, denoiser._forward_pre_hooks)
    return not any(hooks) and "set_timesteps" not in vars(pipe.scheduler)


def test_leaving_the_context_leaves_the_pipeline_as_it_was(pipe):
    plain = latents_of(pipe)
    with sld.attach(pipe, SHORT["max"]):
        changed = latents_of(pipe)
        assert not holds_nothing(pipe)
    assert holds_nothing(pipe)
    assert not torch.equal(changed, plain)
    assert torch.equal(latents_of(pipe), plain)


def test_an_exception_leaves_the_pipeline_as_it_was(pipe):
    def stop(*_):
        raise KeyboardInterrupt

    plain = latents_of(pipe)
    with pytest.raises(KeyboardInterrupt), sld.attach(pipe, SHORT["max"]):
        latents_of(pipe, callback_on_step_end=stop)
    assert holds_nothing(pipe)
    assert torch.equal(latents_of(pipe), plain)


def test_a_denoiser_that_writes_into_the_same_memory_again_gives_the_same(pipe, monkeypatch):
    """As with CUDA graphs, torch.compile's reduce-overhead."""
    memory, forward = torch.empty(10_000, dtype=torch.float64), pipe.unet.forward
    with sld.attach(pipe, SHORT["max"]):
        expected = latents_of(pipe)

        def into_memory(*args, **kwargs):
            output = forward(*args, **kwargs)[0]
            return (memory[: output.numel()].view_as(output).copy_(output),)

        monkeypatch.setattr(pipe.unet, "forward", into_memory)
        assert torch.equal(latents_of(pipe), expected)


def test_another_pipeline_with_the_same_parts_is_untouched(pipe):
    other = StableDiffusionPipeline(**pipe.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    plain = latents_of(other)
    with sld.attach(pipe, SHORT["max"]):
        safe = latents_of(pipe)
        assert torch.equal(latents_of(other), plain)
        assert torch.equal(latents_of(pipe), safe)


def test_half_precision_is_guided_in_float32(models):
    pipe = of_model(models["sd1"])
    pipe.unet, pipe.text_encoder = (copy.deepcopy(part).bfloat16() for part in (pipe.unet, pipe.text_encoder))
    seen = []

    @dataclass(frozen=True)
    class Watching(sld.SafetyGuidance):
        warmup_steps: int = 0

        def guide(self, e_0, e_p, e_s, memory):
            seen.extend(prediction.dtype for prediction in (e_0, e_p, e_s))
            return torch.ones_like(e_0), memory

    with sld.attach(pipe, Watching()):
        assert latents_of(pipe, steps=2, latents=noise().bfloat16()).dtype == torch.bfloat16
    assert set(seen) == {torch.float32}
