"""The guider gives modular pipelines of diffusers the latents of Safe Latent Diffusion by hand."""

import copy
import json
from dataclasses import replace

import pytest
import tiny_pipelines
import torch
from sld_loop import sld_loop

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
FAMILIES = {"sdxl": "StableDiffusionXLAutoBlocks", "sd3": "StableDiffusion3AutoBlocks"}


def modular(family, plain):
    pipe = getattr(diffusers, FAMILIES[family])().init_pipeline()
    pipe.update_components(**{name: part for name, part in plain.components.items() if name in pipe._component_specs})
    pipe.set_progress_bar_config(disable=True)
    return pipe, plain


@pytest.fixture(scope="module")
def pipelines(checkpoint_xl):
    sdxl = tiny_pipelines.load(checkpoint_xl, diffusers.StableDiffusionXLPipeline)
    return {"sdxl": modular("sdxl", sdxl), "sd3": modular("sd3", tiny_pipelines.sd3())}


def noise(seed=5, rows=1):
    return torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(pipe, guider, steps=STEPS, **options):
    if guider is not None:
        pipe.update_components(guider=guider)
    options = {"prompt": PROMPT, "negative_prompt": "blurry", "latents": noise()} | options
    return pipe(**options, num_inference_steps=steps, height=64, width=64, output_type="latent", output="images")


def by_hand(family, plain, preset):
    texts = {"negative": "blurry", "prompt": PROMPT, "concept": sld.CONCEPT}
    scheduler = type(plain.scheduler).from_config(plain.scheduler.config)
    scheduler.set_timesteps(STEPS)
    if family == "sdxl":
        encoded = {name: plain.encode_prompt(text, do_classifier_free_guidance=False) for name, text in texts.items()}
        ids = torch.tensor([[64, 64, 0, 0, 64, 64]], dtype=torch.float64)

        def predict(latents, timestep, name):
            embeddings, _, pooled, _ = encoded[name]
            added = {"text_embeds": pooled, "time_ids": ids}
            return plain.unet(latents, timestep, embeddings, added_cond_kwargs=added).sample

        return sld_loop(predict, scheduler, noise() * scheduler.init_noise_sigma, 5.0, preset)
    encoded = {
        name: plain.encode_prompt(text, None, None, do_classifier_free_guidance=False) for name, text in texts.items()
    }

    def predict(latents, timestep, name):
        embeddings, _, pooled, _ = encoded[name]
        return plain.transformer(latents, embeddings, pooled, timestep.expand(1)).sample

    return sld_loop(predict, scheduler, noise(), 5.0, preset, lambda timestep: 1 - float(timestep) / 1000)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["weak", "medium", "max"])
def test_latents_equal_a_loop_by_hand(pipelines, family, name, spread_error):
    pipe, plain = pipelines[family]
    guider = sld.SafeLatentGuidance(5.0, preset=SHORT[name]).encode(pipe)
    assert spread_error(draw(pipe, guider), by_hand(family, plain, SHORT[name])) < 1e-8


@pytest.mark.parametrize("family", FAMILIES)
def test_they_equal_those_of_the_plain_pipeline_with_sld_attached(pipelines, family, spread_error):
    pipe, plain = pipelines[family]
    guider = sld.SafeLatentGuidance(5.0, preset=SHORT["strong"], concept="weapons", space="output").encode(pipe)
    with sld.attach(plain, SHORT["strong"], concept="weapons", space="output"):
        expected = plain(
            PROMPT, negative_prompt="blurry", latents=noise(rows=2), num_inference_steps=STEPS, guidance_scale=5.0,
            num_images_per_prompt=2, height=64, width=64, output_type="latent",
        ).images  # fmt: skip
    drawn = draw(pipe, guider, num_images_per_prompt=2, latents=noise(rows=2))
    assert spread_error(drawn, expected) < 1e-8


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
    with pytest.raises(sld.InputError, match="found a StableDiffusionXLModularPipeline, for which there is"):
        sld.attach(pipelines["sdxl"][0])
