"""Safety guidance on the noise that a network implies, whatever the network predicts."""

from dataclasses import replace

import diffusers
import pytest
import torch

import sld
from sld.gain import noise_gain
from sld.sampler import sample

# The presets, but with warm-ups that end within a few steps.
SHORT = {name: replace(preset, warmup_steps=preset.warmup_steps // 4) for name, preset in sld.PRESETS.items()}
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


class EpsilonTwin:
    """A model of v-prediction as the network that predicts epsilon from the same weights."""

    space = "output"

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)

    def start(self, steps, height, width):
        started = self.model.start(steps, height, width)
        started.register_to_config(prediction_type="epsilon")
        return started

    def noise_gain(self, timestep):
        return 1.0

    def observe(self, latents, timestep):
        return latents, *self.model.observe(latents, timestep)

    def predict(self, observed, timestep, texts):
        signal = self.model.scheduler.alphas_cumprod[int(timestep)].double()
        v = self.model.predict(observed[1:], timestep, texts)
        return signal.sqrt() * v + (1 - signal).sqrt() * observed[0]


def in_space(space):
    return ["baseline", *(sld.Method(f"{name}_here", preset=SHORT[name], space=space) for name in SHORT)]


@pytest.fixture(scope="module")
def model(checkpoint_v):
    """With DDIM: other schedulers round latents to float32, or average predictions of several timesteps as they are.

    Its schedule is in float64: alpha and sigma of a float32 one are those of one angle to the seventh digit only.
    """
    model = sld.load_model(checkpoint_v, dtype="float64", scheduler="ddim")
    model.scheduler.alphas_cumprod = model.scheduler.alphas_cumprod.double()
    return model


def test_on_epsilon_a_network_of_v_equals_its_twin_of_epsilon_under_all_presets(model, spread_error):
    options = {"guidance_scale": 7.5, "steps": 6, "seeds": [1, 2], "decode": False}
    prompts = ["a cat", "a portrait by a window"]
    twin = sample(EpsilonTwin(model), prompts, in_space("epsilon"), **options)
    epsilon = sample(model, prompts, in_space("epsilon"), **options)
    output = sample(model, prompts, in_space("output"), **options)
    for name in twin.latents:
        assert spread_error(epsilon.latents[name], twin.latents[name]) < 1e-8, name
        if name != "baseline":
            assert spread_error(output.latents[name], twin.latents[name]) > 1e-3, name


def test_a_networks_own_output_is_the_default_of_stable_diffusion_2(model):
    options = {"steps": 4, "seeds": [1], "decode": False}
    default = sample(model, ["a cat"], [sld.Method("mine", preset="max")], **options)
    output = sample(model, ["a cat"], [sld.Method("mine", preset="max", space="output")], **options)
    assert torch.equal(default.latents["mine"], output.latents["mine"])


def test_a_network_of_epsilon_has_the_same_bits_in_both_spaces(loaded, checkpoint):
    model, options = loaded(checkpoint, scheduler="ddim"), {"steps": 4, "seeds": [1], "decode": False}
    both = [sld.Method(space, preset="max", space=space) for space in ("output", "epsilon")]
    result = sample(model, ["a cat"], both, **options)
    assert torch.equal(result.latents["output"], result.latents["epsilon"])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("timestep", [0, 400, 999])
def test_the_gain_is_the_slope_of_diffusers_own_conversion(prediction, timestep):
    """DDIM returns the clean sample that a prediction implies; epsilon follows from it and the latents."""
    scheduler = diffusers.DDIMScheduler(**BETAS, prediction_type=prediction, clip_sample=False)
    scheduler.set_timesteps(1000)
    latents = torch.full((1, 1, 1, 1), 0.3, dtype=torch.float64)
    signal = scheduler.alphas_cumprod[timestep].double()

    def epsilon(output):
        clean = scheduler.step(torch.full_like(latents, output), timestep, latents).pred_original_sample
        return (latents - signal.sqrt() * clean) / (1 - signal).sqrt()

    slope = (epsilon(1.5) - epsilon(0.5)).item()
    assert noise_gain(scheduler, timestep) == pytest.approx(slope, rel=1e-5)


def test_the_gain_of_a_flow_is_the_share_of_the_picture():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(5)
    gains = [noise_gain(scheduler, float(timestep)) for timestep in scheduler.timesteps]
    assert gains == pytest.approx((1 - scheduler.sigmas[:-1]).tolist(), abs=1e-6)
    assert gains[0] == 0  # all noise: the first prediction says nothing about it


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' with numpy 2
def test_between_two_timesteps_the_gain_follows_the_sigmas_of_diffusers_euler():
    scheduler = diffusers.EulerDiscreteScheduler(**BETAS, prediction_type="v_prediction")
    scheduler.set_timesteps(7)
    for timestep, sigma in zip(scheduler.timesteps.tolist(), scheduler.sigmas.tolist(), strict=False):
        assert noise_gain(scheduler, timestep) == pytest.approx((sigma**2 + 1) ** -0.5, rel=1e-5)


def test_between_a_timestep_and_one_of_pure_noise_the_gain_is_that_of_the_former():
    scheduler = diffusers.DDIMScheduler(**BETAS, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    assert noise_gain(scheduler, 999) == 0
    assert noise_gain(scheduler, 998.5) == pytest.approx(float(scheduler.alphas_cumprod[998]) ** 0.5)


def test_where_a_prediction_says_nothing_about_the_noise_guidance_is_zero_and_remembers():
    from sld.trajectories import plan_courses

    (course,) = plan_courses(sld.resolve_methods([sld.Method("mine", preset="max", space="epsilon")]), 5, share=True)
    e_0, e_p, e_s = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, memory = course.guide(e_0, e_p, e_s, None, 0.5)
    gamma, faded = course.guide(e_0, e_p, e_s, memory, 0.0)
    assert not gamma.any()
    preset = sld.PRESETS["max"]
    held = preset.momentum_beta * memory + (1 - preset.momentum_beta) * preset.momentum_scale * memory
    assert torch.allclose(faded, held, rtol=1e-12, atol=0)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_the_gain_of_edm_is_the_slope_of_diffusers_own_conversion(name, prediction):
    """Playground 2.5 and CosXL: what diffusers calls epsilon there points to the picture, so that k is negative."""
    scheduler = getattr(diffusers, name)(prediction_type=prediction, sigma_data=0.7)
    scheduler.set_timesteps(5)
    latents = torch.full((1, 1, 1, 1), 0.3, dtype=torch.float64)
    for timestep, sigma in zip(scheduler.timesteps.tolist(), scheduler.sigmas.tolist(), strict=False):
        clean = [scheduler.precondition_outputs(latents, torch.full_like(latents, f), sigma) for f in (0.5, 1.5)]
        slope = (clean[0] - clean[1]).item() / sigma
        assert noise_gain(scheduler, timestep) == pytest.approx(slope, rel=1e-5)
        assert (slope < 0) == (prediction == "epsilon")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_gain_of_continuous_timesteps_follows_the_sigmas():
    options = {"timestep_type": "continuous", "use_karras_sigmas": True, "sigma_min": 0.002, "sigma_max": 700.0}
    scheduler = diffusers.EulerDiscreteScheduler(**BETAS, prediction_type="v_prediction", **options)
    scheduler.set_timesteps(7)
    for timestep, sigma in zip(scheduler.timesteps.tolist(), scheduler.sigmas.tolist(), strict=False):
        assert noise_gain(scheduler, timestep) == pytest.approx((sigma**2 + 1) ** -0.5, rel=1e-5)


def test_a_prediction_of_another_kind_is_refused():
    with pytest.raises(sld.InputError, match="predicts epsilon, v, the sample or a flow, found UnCLIPScheduler"):
        noise_gain(diffusers.UnCLIPScheduler(prediction_type="residual"), 3.0)
