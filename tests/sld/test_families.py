"""Every family equals its own pipeline in diffusers, shares nothing that it must not, and runs as any other does."""

import shutil
from dataclasses import replace

import diffusers
import pytest
import torch

import sld
from sld.checkpoints.tiny import FAMILIES

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers' with numpy 2
    pytest.mark.long,
]

PROMPTS = ["a Cat", "a dog on a hill"]
SIZE = {"height": 64, "width": 32}
STEPS = 5
EXACT = 1e-8  # of the latents' spread
MEDIUM = replace(sld.PRESETS["medium"], warmup_steps=3)  # its own ends after 10
PIPELINES = {
    "stable-diffusion-xl": diffusers.StableDiffusionXLPipeline,
    "stable-diffusion-3": diffusers.StableDiffusion3Pipeline,
    "pixart-sigma": diffusers.PixArtSigmaPipeline,
}
BETAS = ["EulerDiscreteScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"]
FLOWS = [
    diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    diffusers.FlowMatchHeunDiscreteScheduler(shift=3.0),
    diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    # As users save it: not for flows alone, and without settings of its own for the dynamic shift.
    diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, use_dynamic_shifting=True
    ),
]


@pytest.fixture(scope="module", params=PIPELINES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    return sld.write_tiny_checkpoint(tmp_path_factory.mktemp(family) / "tiny", family=family, width=16, text_width=16)


@pytest.fixture(scope="module")
def pipeline(family, folder):
    pipeline = PIPELINES[family].from_pretrained(folder, dtype=torch.float64)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def model(loaded, folder):
    return loaded(folder, dtype="float64")


def unit_normal(model, dtype=torch.float64):
    shape = model.latent_shape(SIZE["height"], SIZE["width"])
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(dtype)


def reference(pipeline, noise, negative=None, steps=STEPS, output_type="latent"):
    options = {"negative_prompt": [negative] * len(PROMPTS)} if negative is not None else {}
    if isinstance(pipeline, diffusers.PixArtSigmaPipeline):
        options |= {"use_resolution_binning": False, "clean_caption": False}
    return pipeline(
        PROMPTS, latents=noise.clone(), num_inference_steps=steps, guidance_scale=7.5, output_type=output_type, **SIZE,
        **options,
    ).images  # fmt: skip


def schedulers(family, own):
    if family == "stable-diffusion-3":
        return FLOWS
    return [getattr(diffusers, name).from_config(own.config) for name in BETAS]


def test_baseline_and_negative_prompt_equal_diffusers_pipeline(loaded, family, folder, model, pipeline, spread_error):
    own = pipeline.scheduler
    noise = unit_normal(model)
    for number, scheduler in enumerate(schedulers(family, own)):
        texts = {"baseline": None} if number else {"baseline": None, "negative": "blurry"}  # no text is a scheduler's
        methods = [sld.Method(name, negative_prompt=text) for name, text in texts.items()]
        model = loaded(folder, dtype="float64", scheduler=scheduler)
        pipeline.scheduler = scheduler
        result = sld.sample(model, PROMPTS, methods, 7.5, STEPS, noise=noise, batch_size=6, decode=False)
        for name, text in texts.items():
            error = spread_error(result.latents[name], reference(pipeline, noise, text))
            assert error < EXACT, (type(scheduler).__name__, name)
    pipeline.scheduler = own


def test_stable_diffusion_3_without_t5_equals_diffusers_without_it(tmp_path, spread_error):
    folder = sld.write_tiny_checkpoint(tmp_path / "tiny", family="stable-diffusion-3", width=16, text_width=16)
    shutil.rmtree(folder / "text_encoder_3")  # it is neither needed nor downloaded
    model = sld.load_model(folder, dtype="float64", t5=False)
    pipeline = diffusers.StableDiffusion3Pipeline.from_pretrained(
        folder, text_encoder_3=None, tokenizer_3=None, dtype=torch.float64
    )
    pipeline.set_progress_bar_config(disable=True)
    noise = unit_normal(model)
    result = sld.sample(model, PROMPTS, "baseline", 7.5, STEPS, noise=noise, batch_size=4, decode=False)
    assert spread_error(result.latents["baseline"], reference(pipeline, noise)) < EXACT
    assert not any(name.startswith("text_encoder_3") for name in model.describe()["weights"])
    with pytest.raises(sld.InputError, match="text_encoder_3"):
        sld.load_model(folder)


def test_pictures_equal_diffusers_pipeline(model, pipeline):
    noise = unit_normal(model)
    result = sld.sample(model, PROMPTS, "baseline", 7.5, STEPS, noise=noise, batch_size=4)
    expected = reference(pipeline, noise, output_type="np")
    assert abs(result.images["baseline"] / 255.0 - expected).max() < 0.51 / 255


@pytest.mark.parametrize(("preset", "steps"), [(sld.PRESETS["max"], 4), (MEDIUM, 5)], ids=["max-4", "medium-5"])
def test_safe_latent_diffusion_equals_a_hand_written_loop_on_epsilon(family, model, preset, steps, spread_error):
    """On epsilon itself: every prediction is turned into the noise it implies, guided as in the paper, turned back."""
    noise, method = unit_normal(model), sld.Method("mine", preset=preset)
    result = sld.sample(model, PROMPTS, method, 7.5, steps, noise=noise, batch_size=6, decode=False)
    scheduler = model.start(steps, **SIZE)
    texts = model.encode([None, None, *PROMPTS, sld.CONCEPT, sld.CONCEPT], **SIZE)
    latents, momentum = noise * getattr(scheduler, "init_noise_sigma", 1.0), 0.0
    for call, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(latents, timestep) if hasattr(scheduler, "scale_model_input") else latents
        output = model.predict(model.observe(scaled.repeat(3, 1, 1, 1), timestep), timestep, texts)
        gain = 1 - float(timestep) / 1000 if family == "stable-diffusion-3" else 1.0
        e_0, e_p, e_s = (output * gain).chunk(3)
        scale = ((e_p - e_s).abs() * preset.guidance_scale).clamp(max=1.0)
        gamma = torch.where(e_p - e_s >= preset.threshold, 0.0, scale) * (e_s - e_0) + preset.momentum_scale * momentum
        momentum = preset.momentum_beta * momentum + (1 - preset.momentum_beta) * gamma
        difference = e_p - e_0 - (gamma if call >= preset.warmup_steps else 0.0)
        unconditional, text, _ = output.chunk(3)
        guided = unconditional + 7.5 * (difference / gain if gain else text - unconditional)
        latents = scheduler.step(guided, timestep, latents, return_dict=False)[0]
    assert spread_error(result.latents["mine"], latents) < EXACT


def bits(result):
    return {name: latents.numpy().tobytes() for name, latents in result.latents.items()}


def test_sharing_and_neighbours_change_no_bit(loaded, folder):
    model = loaded(folder)
    methods = ["baseline", sld.Method("medium", preset=MEDIUM), "sld_max"]
    options = {"methods": methods, "steps": 4, "batch_size": 5, "decode": False, **SIZE}
    shared = sld.sample(model, PROMPTS, seeds=[1, 2], **options)
    naive = sld.sample(model, PROMPTS, seeds=[1, 2], share=False, **options)
    alone = sld.sample(model, PROMPTS[1:], seeds=[2], **options)
    assert bits(shared) == bits(naive)
    assert shared.evaluations < naive.evaluations
    for name, latents in alone.latents.items():
        assert torch.equal(shared.latents[name][1:], latents), name


def test_half_precision_gives_finite_pictures_near_those_of_float32(loaded, family, folder):
    options = {"seeds": [1], "steps": 2, "batch_size": 2, **SIZE}
    dtype = "bfloat16" if family == "pixart-sigma" else "float16"
    model = loaded(folder, dtype=dtype)
    half = sld.sample(model, PROMPTS[:1], **options)
    full = sld.sample(loaded(folder), PROMPTS[:1], **options)
    assert half.finite["baseline"].all()
    # SDXL's decoder overflows in half precision; the others' runs in it, and again in float32 where it overflows.
    assert (model._half_vae is None) == (family == "stable-diffusion-xl")
    difference = abs(half.images["baseline"].astype(float) - full.images["baseline"]).mean()
    assert difference < 0.1 * full.images["baseline"].std() + 3


def test_the_manifest_names_family_and_prediction(family, model):
    description = model.describe()
    assert description["family"] == family
    assert description["prediction_type"] == ("flow_prediction" if family == "stable-diffusion-3" else "epsilon")
    assert description["latents"] == {"channels": 16 if family == "stable-diffusion-3" else 4, "pixels": 8}
    assert len(description["weights"]) == {"pixart-sigma": 3, "stable-diffusion-xl": 4, "stable-diffusion-3": 5}[family]


def test_all_families_have_small_checkpoints():
    assert {"stable-diffusion", *PIPELINES} == set(FAMILIES)
