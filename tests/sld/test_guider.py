"""The guider gives modular pipelines of diffusers the latents of `sld.sample`."""

import copy
import json
from dataclasses import dataclass, replace

import pytest
import tiny_pipelines
import torch

import sld
from sld.presets import PRESETS

diffusers = pytest.importorskip("diffusers", minversion="0.42", reason="diffusers' guiders are experimental")

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.long,
]

PROMPT = "a portrait of somebody who reads by a window"
STEPS = 5
SHORT = {name: replace(PRESETS[name], warmup_steps=PRESETS[name].warmup_steps // 5) for name in PRESETS}
CHANNELS = {"sdxl": 4, "sd3": 16}
FAMILIES = {"sdxl": "StableDiffusionXLAutoBlocks", "sd3": "StableDiffusion3AutoBlocks"}


def modular(family, plain):
    pipe = getattr(diffusers, FAMILIES[family])().init_pipeline()
    pipe.update_components(**{name: part for name, part in plain.components.items() if name in pipe._component_specs})
    pipe.set_progress_bar_config(disable=True)
    return pipe, plain


@dataclass(frozen=True)
class Plain(sld.SafetyGuidance):
    """Guidance that is no `SafetyPreset`."""

    warmup_steps: int = 0

    def guide(self, e_0, e_p, e_s, memory):
        return torch.zeros_like(e_p), memory


@pytest.fixture(scope="module")
def pipelines(checkpoint_of):
    sdxl = tiny_pipelines.load(checkpoint_of("stable-diffusion-xl"), diffusers.StableDiffusionXLPipeline)
    sd3 = tiny_pipelines.load(checkpoint_of("stable-diffusion-3"), diffusers.StableDiffusion3Pipeline)
    return {"sdxl": modular("sdxl", sdxl), "sd3": modular("sd3", sd3)}


@pytest.fixture(scope="module")
def models(loaded, checkpoint_of):
    families = {"sdxl": "stable-diffusion-xl", "sd3": "stable-diffusion-3"}
    return {name: loaded(checkpoint_of(family), dtype="float64") for name, family in families.items()}


def noise(seed=5, rows=1, channels=4):
    return torch.randn(rows, channels, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(pipe, guider, steps=STEPS, **options):
    if guider is not None:
        pipe.update_components(guider=guider)
    options = {"prompt": PROMPT, "negative_prompt": "blurry", "latents": noise()} | options
    return pipe(**options, num_inference_steps=steps, height=64, width=64, output_type="latent", output="images")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["weak", "medium", "strong", "max"])
def test_latents_equal_the_samplers(pipelines, models, family, name, spread_error):
    pipe, _ = pipelines[family]
    method = sld.Method("mine", preset=SHORT[name], negative_prompt="blurry")
    start = noise(channels=CHANNELS[family])
    result = sld.sample(models[family], [PROMPT], method, 5.0, STEPS, noise=start, batch_size=3, decode=False)
    guider = sld.SafeLatentGuidance(5.0, preset=SHORT[name]).encode(pipe)
    assert spread_error(draw(pipe, guider, latents=start), result.latents["mine"]) < 1e-8


@pytest.mark.parametrize("family", FAMILIES)
def test_they_equal_those_of_the_plain_pipeline_with_sld_attached(pipelines, family, spread_error):
    pipe, plain = pipelines[family]
    guider = sld.SafeLatentGuidance(5.0, preset=SHORT["strong"], concept="weapons", space="output").encode(pipe)
    options = {"num_images_per_prompt": 2, "latents": noise(rows=2, channels=CHANNELS[family])}
    with sld.attach(plain, SHORT["strong"], concept="weapons", space="output"):
        expected = plain(
            PROMPT, negative_prompt="blurry", guidance_scale=5.0, num_inference_steps=STEPS, height=64, width=64,
            output_type="latent", **options,
        ).images  # fmt: skip
    assert spread_error(draw(pipe, guider, **options), expected) < 1e-8


def test_every_run_starts_with_no_momentum(pipelines):
    pipe, _ = pipelines["sdxl"]
    guider = sld.SafeLatentGuidance(5.0, preset=SHORT["max"]).encode(pipe)
    first = draw(pipe, guider)
    draw(pipe, None, steps=3, prompt="a cat", latents=noise(6))
    assert torch.equal(draw(pipe, None), first)


def test_a_scale_of_one_guides_nothing(pipelines):
    pipe, _ = pipelines["sdxl"]
    off = draw(pipe, sld.SafeLatentGuidance(1.0))
    assert torch.equal(off, draw(pipe, diffusers.ClassifierFreeGuidance(1.0)))


@pytest.mark.parametrize("preset", ["strong", SHORT["strong"]])
def test_it_is_saved_and_read_and_made_anew(tmp_path, preset):
    guider = sld.SafeLatentGuidance(5.0, preset=preset, concept="weapons", space="output")
    guider.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "guider_config.json").read_text())
    assert saved["_class_name"] == "SafeLatentGuidance"
    assert (saved["guidance_scale"], saved["concept"], saved["space"]) == (5.0, "weapons", "output")
    read, other = sld.SafeLatentGuidance.from_pretrained(tmp_path), guider.new(concept="blood")
    assert dict(read.config)["preset"] == dict(other.config)["preset"] == dict(guider.config)["preset"]
    assert read._method == guider._method
    assert other._method == replace(guider._method, concept="blood")
    assert other.guidance_scale == 5.0


def test_a_copy_keeps_the_encoded_concept_but_not_that_of_another_text(pipelines):
    pipe, _ = pipelines["sdxl"]
    guider = sld.SafeLatentGuidance(3.0, preset=SHORT["max"]).encode(pipe)
    direct = draw(pipe, sld.SafeLatentGuidance(5.0, preset=SHORT["max"]).encode(pipe))
    assert torch.equal(draw(pipe, guider.new(guidance_scale=5.0)), direct)
    with pytest.raises(sld.InputError, match="must be encoded"):
        draw(pipe, guider.new(concept="blood"))


def test_step_zero_clears_the_momentum():
    guider = sld.SafeLatentGuidance(5.0, preset=SHORT["max"])
    e_0, e_p, e_s = (noise(seed) for seed in range(3))

    def predict(step):
        guider.set_state(step, 3, torch.tensor(500))
        return guider.forward(e_p, e_0, e_s).pred

    first, second = predict(0), predict(1)
    assert not torch.equal(second, first)  # by the momentum
    assert torch.equal(predict(0), first)
    assert torch.equal(predict(1), second)


def test_half_precision_is_guided_in_float32():
    guider = sld.SafeLatentGuidance(7.5, preset=SHORT["max"])
    half = [noise(seed).half() for seed in range(3)]

    def predict(predictions):
        guider.set_state(0, 3, torch.tensor(500))
        return guider.forward(*predictions).pred

    assert torch.equal(predict(half), predict([x.float() for x in half]).half())


def test_only_the_second_of_three_calls_is_unconditional():
    """As in diffusers' own guidance; a ControlNet in guess mode is left out of that call alone."""
    guider, plain = sld.SafeLatentGuidance(5.0), diffusers.ClassifierFreeGuidance(5.0)
    for each in (guider, plain):
        each.set_state(0, 3, torch.tensor(500))
    calls = []
    for _ in range(3):
        for each in (guider, plain):
            each.prepare_models(None)
        calls.append((guider.is_conditional, plain.is_conditional))
    assert calls[:2] == [(True, True), (False, False)]
    assert calls[2][0]


def test_a_guider_that_is_disabled_asks_for_one_prediction_as_diffusers_own_does():
    guider, plain = sld.SafeLatentGuidance(5.0), diffusers.ClassifierFreeGuidance(5.0)
    assert (guider.num_conditions, plain.num_conditions) == (3, 2)
    for each in (guider, plain):
        each.disable()
        assert each.num_conditions == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_concept_has_to_be_encoded(pipelines, family):
    with pytest.raises(sld.InputError, match="must be encoded before the pipeline runs"):
        draw(pipelines[family][0], sld.SafeLatentGuidance(5.0))


def test_a_distilled_denoiser_is_refused(pipelines, monkeypatch):
    pipe, _ = pipelines["sdxl"]
    unet = copy.deepcopy(pipe.unet)
    unet.register_to_config(time_cond_proj_dim=32)
    monkeypatch.setattr(pipe, "unet", unet)
    with pytest.raises(sld.InputError, match="found time_cond_proj_dim in its configuration"):
        sld.SafeLatentGuidance().encode(pipe)


def test_a_pipeline_whose_parts_are_not_loaded_is_refused():
    with pytest.raises(sld.InputError, match="without denoiser or text encoders: call its load_components"):
        sld.SafeLatentGuidance().encode(diffusers.StableDiffusionXLAutoBlocks().init_pipeline())


def test_a_pipeline_without_text_encoders_or_without_the_block_that_uses_them_is_refused(pipelines):
    parts = pipelines["sdxl"][1].components
    pipe = diffusers.StableDiffusionXLAutoBlocks().init_pipeline()
    pipe.update_components(unet=parts["unet"])
    with pytest.raises(sld.InputError, match="without denoiser or text encoders: call its load_components"):
        sld.SafeLatentGuidance().encode(pipe)
    blocks = diffusers.StableDiffusionXLAutoBlocks()
    blocks.sub_blocks.pop("text_encoder")
    pipe = blocks.init_pipeline()
    pipe.update_components(unet=parts["unet"])
    with pytest.raises(sld.InputError, match="found no block text_encoder in a StableDiffusionXLModularPipeline: "):
        sld.SafeLatentGuidance().encode(pipe)


def test_a_picture_that_steers_beside_the_prompt_is_refused(pipelines):
    guider = sld.SafeLatentGuidance(5.0).encode(pipelines["sdxl"][0])
    pair = (torch.zeros(1, 4, 8), torch.zeros(1, 4, 8))
    with pytest.raises(sld.InputError, match="steered by texts alone, found an IP-Adapter's picture: leave it out"):
        guider.prepare_inputs({"encoder_hidden_states": pair, "image_embeds": ([pair[0]], [pair[1]])})


def test_sd3_needs_a_negative_prompt(pipelines):
    pipe, _ = pipelines["sd3"]
    with pytest.raises(sld.InputError, match="must get a negative prompt, found none"):
        draw(pipe, sld.SafeLatentGuidance(5.0).encode(pipe), negative_prompt=None)


def test_other_pipelines_and_presets_are_refused(pipelines):
    with pytest.raises(sld.InputError, match=r"found a StableDiffusionXLPipeline: use one of these, or sld\.attach"):
        sld.SafeLatentGuidance().encode(pipelines["sdxl"][1])
    with pytest.raises(sld.InputError, match=r"must be one of weak, .* found 'mild'"):
        sld.SafeLatentGuidance(preset="mild")
    with pytest.raises(sld.InputError, match=r"a dictionary of warmup_steps, .* found one of threshold: give these"):
        sld.SafeLatentGuidance(preset={"threshold": 0.1})
    with pytest.raises(sld.InputError, match="can be saved as numbers, found a Plain: give one of these"):
        sld.SafeLatentGuidance(preset=Plain())
    with pytest.raises(sld.InputError, match="found a StableDiffusionXLModularPipeline, for which there is"):
        sld.attach(pipelines["sdxl"][0])
