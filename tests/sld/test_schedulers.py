"""A scheduler's name is a whole configuration, and what its steps would raise is said before the first."""

import json
import shutil

import diffusers
import pytest
import torch

import sld
from sld import schedulers
from sld.checkpoints.layout import SD1_SCHEDULER, SDXL_SCHEDULER
from sld.models.pixart import PixArtSigma
from sld.models.stable_diffusion import StableDiffusion
from sld.models.stable_diffusion_xl import StableDiffusionXL
from sld.schedulers import NAMES, from_config
from sld.stepping import _dry_pass, describe, is_stochastic, scaled, start

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def own(name="PNDMScheduler", **changes):
    return from_config(name, SD1_SCHEDULER | {"_class_name": name} | changes)


def make_scheduler(choice, own):
    return schedulers.make_scheduler(choice, own, StableDiffusion.standard, StableDiffusion.fixed)


def own_settings(scheduler):
    return schedulers.own_settings(scheduler, StableDiffusion.standard)


def settings(scheduler):
    return {key: value for key, value in scheduler.config.items() if not key.startswith("_")}


@pytest.mark.parametrize("name", NAMES)
def test_by_name_stable_diffusion_is_stepped_as_diffusers_steps_it(name):
    """Also to the letter of the configuration, by which a run that began earlier is known."""
    made = make_scheduler(name, own())
    assert settings(made) == settings(type(made).from_config(own().config))


# As the checkpoints on the hub are saved, so far as steps depend on it.
PIXART = diffusers.DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear")
SDXL = from_config("EulerDiscreteScheduler", SDXL_SCHEDULER)


@pytest.mark.parametrize(
    ("name", "family", "saved"),
    [(name, StableDiffusionXL, SDXL) for name in NAMES]
    # DDIM and PNDM have settings of their own, which a checkpoint that was saved with another scheduler does not name.
    + [(name, PixArtSigma, PIXART) for name in NAMES if name not in ("ddim", "pndm")],
)
def test_by_name_another_family_is_stepped_as_diffusers_steps_its_checkpoint(name, family, saved):
    made = schedulers.make_scheduler(name, saved, family.standard, family.fixed)
    plain = type(made).from_config(saved.config)
    assert torch.equal(start(made, 7).timesteps, start(plain, 7).timesteps)
    ours, theirs = settings(made), settings(plain)
    assert {key: ours[key] for key in theirs if key in ours} == {key: theirs[key] for key in ours if key in theirs}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "saved",
    [
        diffusers.PNDMScheduler.from_config(SD1_SCHEDULER | {"timestep_spacing": "leading"}),
        own("EulerDiscreteScheduler", timestep_spacing="trailing", use_karras_sigmas=True),
        own("DPMSolverMultistepScheduler", algorithm_type="sde-dpmsolver++", final_sigmas_type="sigma_min"),
        own("DDIMScheduler", set_alpha_to_one=True, steps_offset=0, thresholding=True),
        diffusers.LCMScheduler(),  # its defaults are the betas of Stable Diffusion
    ],
)
def test_a_name_steps_the_same_however_a_checkpoint_was_saved(name, saved):
    timesteps = [start(make_scheduler(name, saved_by), 8).timesteps for saved_by in (own(), saved)]
    assert torch.equal(*timesteps)
    plain, second = (settings(make_scheduler(name, saved_by)) for saved_by in (own(), saved))
    assert {key: second[key] for key in plain if key in second} == {key: plain[key] for key in plain if key in second}


def test_lms_is_the_scheduler_of_esds_script():
    script = diffusers.LMSDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
    )
    started, upstream = start(make_scheduler("lms", own()), 100), start(script, 100)
    assert torch.equal(started.timesteps, upstream.timesteps)
    assert torch.equal(started.sigmas, upstream.sigmas)
    assert started.config.timestep_spacing == "linspace"


def test_a_resaved_checkpoint_draws_the_same_by_name_and_its_own_by_default(loaded, checkpoint, tmp_path):
    again = tmp_path / "again"
    diffusers.StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None).save_pretrained(again)
    saved = json.loads((again / "scheduler" / "scheduler_config.json").read_text())
    assert saved["timestep_spacing"] == "leading"  # written by diffusers, in no file of the hub's
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for name in ("lms", "euler", None):
        models = [loaded(folder, dtype="float64", scheduler=name) for folder in (checkpoint, again)]
        first, second = (sld.sample(model, ["a cat"], steps=5, noise=noise, decode=False) for model in models)
        assert torch.equal(first.latents["baseline"], second.latents["baseline"]), name


@pytest.mark.parametrize("name", ["PNDMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_settings_that_came_with_a_checkpoint_and_change_pictures_are_known(name):
    assert own_settings(own(name, prediction_type="v_prediction", beta_end=0.02)) == {}
    assert own_settings(make_scheduler(None, own(name, clip_sample=True, steps_offset=0))) == {}  # as in diffusers
    usual = own(name).config.timestep_spacing
    assert own_settings(own(name, timestep_spacing="trailing")) == {"timestep_spacing": ("trailing", usual)}


def test_a_scheduler_that_needs_another_package_is_refused_with_its_name():
    with pytest.raises(sld.InputError, match=r"found DPMSolverSDEScheduler as .* which needs torch and torchsde"):
        own("DPMSolverSDEScheduler")


def test_what_a_model_was_trained_with_stays_the_models():
    model = {"prediction_type": "v_prediction", "beta_schedule": "linear", "beta_end": 0.02, "num_train_timesteps": 500}
    for name in NAMES:
        made = make_scheduler(name, own("DDIMScheduler", **model)).config
        assert {key: made[key] for key in model} == model


def test_a_model_of_zero_terminal_snr_begins_with_pure_noise_or_is_refused():
    model = own("DDIMScheduler", rescale_betas_zero_snr=True, prediction_type="v_prediction")
    for name in ("ddim", "euler", "euler_a", "dpm++"):
        made = start(make_scheduler(name, model), 10)
        assert made.config.rescale_betas_zero_snr
        assert int(made.timesteps[0]) == 999
    for name in ("pndm", "lms"):
        with pytest.raises(sld.InputError, match="choose ddim, euler, euler_a or dpm"):
            make_scheduler(name, model)


def test_a_division_by_zero_that_a_scheduler_clips_is_no_obstacle():
    """Of pure noise the picture is predicted as ±infinity, which is clipped to ±1; unclipped it is the end."""
    pure = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    assert len(start(own("DDIMScheduler", **pure, clip_sample=True), 10).timesteps) == 10
    with pytest.raises(sld.InputError, match="timestep 999 gives NaN or infinity"):
        start(own("DDIMScheduler", **pure, clip_sample=False), 10)


@pytest.mark.parametrize(
    ("scheduler", "draws"),
    [
        *((make_scheduler(name, own()), name == "euler_a") for name in NAMES),
        (own("DPMSolverMultistepScheduler", algorithm_type="sde-dpmsolver++"), True),
        (diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), True),
        (diffusers.FlowMatchEulerDiscreteScheduler(), False),
        (diffusers.DDPMScheduler(), True),
    ],
)
def test_schedulers_whose_steps_draw_noise_are_known_by_their_settings_too(scheduler, draws):
    assert is_stochastic(scheduler) is draws
    json.dumps(describe(scheduler), allow_nan=False)  # whatever their settings, a manifest has no infinity


NEVER_DRAW = [
    *("DDIM", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSinglestep", "EulerDiscrete", "FlowMatchEulerDiscrete"),
    *("FlowMatchHeunDiscrete", "HeunDiscrete", "KDPM2Discrete", "LMSDiscrete", "PNDM", "UniPCMultistep"),
]
DRAW = [
    *("CMStochasticIterative", "DDPM", "DDPMParallel", "EulerAncestralDiscrete", "FlowMatchLCM"),
    *("KDPM2AncestralDiscrete", "LCM", "SASolver", "TCD"),
]


@pytest.mark.parametrize(("name", "draws"), [*((name, False) for name in NEVER_DRAW), *((name, True) for name in DRAW)])
def test_schedulers_draw_noise_where_diffusers_steps_depend_on_the_state_of_the_random_numbers(name, draws):
    def latents(seed):
        scheduler = getattr(diffusers, f"{name}Scheduler")()
        scheduler.set_timesteps(4)
        torch.manual_seed(seed)
        latents = torch.full((1, 4, 2, 2), 0.3)
        for timestep in scheduler.timesteps:
            scaled(scheduler, latents, timestep)
            latents = scheduler.step(torch.full_like(latents, 0.5), timestep, latents, return_dict=False)[0]
        return latents

    assert torch.equal(latents(0), latents(1)) is not draws
    assert is_stochastic(getattr(diffusers, f"{name}Scheduler")()) is draws


def test_a_model_without_betas_has_no_scheduler_by_name():
    with pytest.raises(sld.InputError, match="EDMEulerScheduler, which has none"):
        make_scheduler("ddim", diffusers.EDMEulerScheduler())


@pytest.mark.parametrize(
    ("scheduler", "steps", "words"),
    [
        (make_scheduler("pndm", own()), 1000, ["PNDMScheduler", "steps_offset 1", "IndexError", "at most 999 steps"]),
        (make_scheduler("ddim", own()), 1000, ["DDIMScheduler", "timestep_spacing leading", "at most 999 steps"]),
        (make_scheduler("dpm++", own()), 1000, ["timestep 500", "NaN", "at most 999 steps"]),
        (make_scheduler("ddim", own()), 1001, ["at most 1000", "found 1001"]),
        (
            own("DPMSolverMultistepScheduler", beta_schedule="squaredcos_cap_v2", use_karras_sigmas=True),
            20,
            ["DPMSolverMultistepScheduler", "beta_schedule squaredcos_cap_v2", "use_karras_sigmas True", "IndexError"],
        ),
        (own("UniPCMultistepScheduler", use_beta_sigmas=True), 50, ["use_beta_sigmas True", "AssertionError"]),
        (own("DDPMScheduler", variance_type="learned"), 20, ["DDPMScheduler", "variance_type learned", "TypeError"]),
        (diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), 20, ["use_dynamic_shifting True", "mu"]),
        (own("DDIMScheduler", timestep_spacing="random"), 5, ["DDIMScheduler", "timestep_spacing random"]),
    ],
)
def test_steps_that_would_fail_are_refused_with_the_schedulers_settings(scheduler, steps, words):
    with pytest.raises(sld.InputError) as refused:
        start(scheduler, steps)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_steps_that_are_known_are_refused_before_a_weight_is_read(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-4:] = b"\xff\xff\xff\x7f"  # NaN, which is seen once it is read
    weights.write_bytes(content)
    with pytest.raises(sld.InputError, match="at most 999 steps"):
        sld.load_model(folder, steps=1000)
    with pytest.raises(sld.InputError, match="NaN"):
        sld.load_model(folder, steps=999)


def test_the_most_steps_that_are_named_can_be_taken():
    for name in ("pndm", "ddim", "dpm++"):
        assert len(start(make_scheduler(name, own()), 999).timesteps) >= 999


def test_a_pass_over_50_steps_is_made_once():
    scheduler = make_scheduler("ddim", own())
    _dry_pass.cache_clear()
    for _ in range(2):
        start(scheduler, 50)
    assert _dry_pass.cache_info().misses == 1


def test_a_unet_that_also_predicts_a_variance_is_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    unet = diffusers.UNet2DConditionModel.from_config(
        diffusers.UNet2DConditionModel.load_config(folder / "unet") | {"out_channels": 8}
    )
    unet.save_pretrained(folder / "unet")
    with pytest.raises(sld.InputError, match="8 output channels for 4"):
        sld.load_model(folder)


def test_a_scheduler_and_a_model_are_both_of_flow_matching_or_neither():
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert settings(make_scheduler("euler", flow)) == settings(flow)
    assert type(make_scheduler(diffusers.FlowMatchHeunDiscreteScheduler(), flow)).__name__.endswith(
        "HeunDiscreteScheduler"
    )
    with pytest.raises(sld.InputError, match="one for flow matching, found 'ddim': leave scheduler= out"):
        make_scheduler("ddim", flow)
    for choice, other in ((own(), flow), (flow, own())):
        with pytest.raises(sld.InputError, match="flow matching"):
            make_scheduler(choice, other)


@pytest.mark.parametrize(
    ("saved", "flow"),
    [
        (own("DDIMScheduler"), True),
        (own("EulerDiscreteScheduler"), True),
        (diffusers.FlowMatchEulerDiscreteScheduler(), False),
        (diffusers.FlowMatchHeunDiscreteScheduler(), False),
    ],
)
def test_a_checkpoints_scheduler_for_networks_of_another_kind_is_refused(saved, flow):
    """It would step without an error, to pictures that look like those of a bad model."""
    words = f"must be one for .*, as Some Family, found {type(saved).__name__}: correct scheduler_config.json"
    with pytest.raises(sld.InputError, match=words):
        schedulers.check_kind(saved, flow, "Some Family")
    schedulers.check_kind(saved, not flow, "Some Family")


FLOW_OF_UNIPC = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


def test_by_name_a_flow_keeps_its_shift_whatever_scheduler_it_was_saved_with():
    saved = diffusers.UniPCMultistepScheduler(**FLOW_OF_UNIPC, flow_shift=3.0)
    schedulers.check_kind(saved, True, "Some Family")
    made, plain = make_scheduler("euler", saved), diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    for scheduler in (made, plain):
        scheduler.set_timesteps(5)
    assert torch.equal(made.sigmas, plain.sigmas)
