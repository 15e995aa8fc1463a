"""A file that says what it was trained for is sampled so, or refused where something else is asked for."""

import json
import shutil

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

import sld
from sld.checkpoints.single_file import check_single_file

pytestmark = pytest.mark.parametrize("pair", ["sd1"], indirect=True)  # whose configuration says no prediction type
V, ZERO = {"v_pred": torch.zeros(0)}, {"ztsnr": torch.zeros(0)}


@pytest.fixture
def mark(pair, tmp_path):
    """Writes the file with marks, and its configuration with changes to the scheduler's; returns both places."""
    _, file, config = pair

    def mark(marks=(), metadata=None, **changes):
        shutil.rmtree(tmp_path / "config", ignore_errors=True)
        path = shutil.copytree(config, tmp_path / "config") / "scheduler" / "scheduler_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        save_file(load_file(file) | dict(marks), tmp_path / "marked.safetensors", metadata)
        return tmp_path / "marked.safetensors", tmp_path / "config"

    return mark


def refusal(file, config, **options):
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(file, config=config, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("marks", "metadata"),
    [
        (V, None),
        ((), {"modelspec.prediction_type": "v"}),
        ((), {"modelspec.prediction_type": "v-prediction"}),
        ((), {"modelspec.prediction_type": " V-Prediction"}),
        ((), {"modelspec.predict_key": "v"}),  # as ComfyUI writes it
        (V, {"modelspec.prediction_type": "v"}),
    ],
)
def test_a_mark_of_v_prediction_is_obeyed_and_said(mark, marks, metadata):
    file, config = mark(marks, metadata)
    model = sld.load_model(file, config=config)
    assert model.scheduler.config.prediction_type == "v_prediction"
    assert list(model.describe()["obeyed"].values()) == ["prediction_type=v_prediction"]
    assert model.describe()["prediction_type"] == "v_prediction"


def test_of_a_file_without_a_mark_nothing_is_said(mark):
    file, config = mark()
    assert "obeyed" not in sld.load_model(file, config=config).describe()


def test_latents_of_a_marked_file_are_those_of_diffusers_with_the_same_schedule(mark, oracle, spread_error):
    """Lin et al.: v-prediction, betas rescaled to zero terminal SNR, steps that begin at the last timestep."""
    file, config = mark(V | ZERO)
    model = sld.load_model(file, config=config, dtype="float64")
    own = json.loads((config / "scheduler" / "scheduler_config.json").read_text())
    upstream = diffusers.DDIMScheduler.from_config(
        own, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    assert float(upstream.alphas_cumprod[-1]) == 0
    torch.testing.assert_close(model.scheduler.alphas_cumprod, upstream.alphas_cumprod)
    reference = oracle(model)
    reference._plain.scheduler = upstream
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    expected = reference.plain(["a cat"], noise, num_inference_steps=6, guidance_scale=7.5)
    latents = sld.sample(model, ["a cat"], ["baseline"], 7.5, 6, noise=noise, decode=False).latents["baseline"]
    assert spread_error(latents, expected) < 1e-8
    assert upstream.timesteps[0] == 999
    obeyed = model.describe()["obeyed"]["ztsnr"]
    assert obeyed == "rescale_betas_zero_snr=True, timestep_spacing=trailing, DDIMScheduler in place of PNDMScheduler"


@pytest.mark.parametrize("name", ["ddim", "euler", "dpm++", "euler_a"])
def test_a_scheduler_by_name_keeps_what_the_file_says(mark, name):
    file, config = mark(V | ZERO)
    made = sld.load_model(file, config=config, scheduler=name).scheduler.config
    assert (made.prediction_type, made.rescale_betas_zero_snr, made.timestep_spacing) == (
        "v_prediction",
        True,
        "trailing",
    )


@pytest.mark.parametrize("name", ["pndm", "lms"])
def test_a_scheduler_that_cannot_end_without_signal_is_refused_with_those_that_can(mark, name):
    message = refusal(*mark(V | ZERO), scheduler=name)
    assert "zero terminal SNR" in message
    for fitting in ("ddim", "euler", "euler_a", "dpm++"):
        assert fitting in message.partition("choose ")[2]
    file, config = mark(V)
    assert sld.load_model(file, config=config, scheduler=name).scheduler.config.prediction_type == "v_prediction"


def test_a_scheduler_of_the_user_s_own_that_contradicts_the_file_is_refused(mark):
    assert "'v_pred'" in refusal(*mark(V), scheduler=diffusers.DDIMScheduler())
    fitting = diffusers.DDIMScheduler(prediction_type="v_prediction")
    file, config = mark(V)
    assert sld.load_model(file, config=config, scheduler=fitting)
    assert "'ztsnr'" in refusal(*mark(V | ZERO), scheduler=fitting)
    kept = diffusers.DDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True).config
    heedless = diffusers.PNDMScheduler.from_config(kept)  # keeps the setting, and computes the betas without it
    assert heedless.config["rescale_betas_zero_snr"]
    assert heedless.alphas_cumprod[-1] > 0
    assert "'ztsnr'" in refusal(*mark(V | ZERO), scheduler=heedless)
    file, config = mark(V | ZERO)
    assert sld.load_model(file, config=config, scheduler=diffusers.DDIMScheduler.from_config(kept))


def test_a_configuration_that_says_otherwise_is_refused_and_one_that_agrees_is_not(mark):
    message = refusal(*mark(V, prediction_type="epsilon"))
    assert "must say prediction_type=v_prediction, as 'v_pred' in the weights file does, found epsilon: " in message
    assert "scheduler_config.json" in message
    assert "found False" in refusal(*mark(V | ZERO, _class_name="DDIMScheduler", rescale_betas_zero_snr=False))
    file, config = mark(V, prediction_type="v_prediction")
    assert sld.load_model(file, config=config)
    file, config = mark(V | ZERO, _class_name="DDIMScheduler", rescale_betas_zero_snr=True, timestep_spacing="linspace")
    assert sld.load_model(file, config=config).scheduler.config.timestep_spacing == "linspace"


def test_a_spacing_that_was_saved_without_a_thought_of_zero_terminal_snr_becomes_that_of_lin_et_al(mark):
    file, config = mark(V | ZERO, timestep_spacing="leading")  # as every configuration of SDXL says
    assert sld.load_model(file, config=config).scheduler.config.timestep_spacing == "trailing"


def test_zero_terminal_snr_makes_no_sense_of_epsilon(mark):
    assert "noise says nothing about the picture" in refusal(*mark(ZERO))
    file, config = mark(ZERO, prediction_type="v_prediction")
    assert sld.load_model(file, config=config).scheduler.config.rescale_betas_zero_snr


@pytest.mark.parametrize("name", ["edm_vpred.sigma_max", "edm_vpred.sigma_min", "edm_mean"])
def test_marks_of_other_parametrisations_are_refused_by_name(mark, name):
    assert f"found {name!r}, the mark" in refusal(*mark({name: torch.ones(())}))


def test_texts_that_are_not_supported_or_contradict_a_mark_are_refused(mark):
    assert "modelspec.prediction_type='edm'" in refusal(*mark(metadata={"modelspec.prediction_type": "edm"}))
    message = refusal(*mark(V, metadata={"modelspec.prediction_type": "epsilon"}))
    assert "found v_prediction by 'v_pred' and epsilon by 'modelspec.prediction_type': " in message


def test_without_a_configuration_user_and_file_must_agree(mark, pair):
    file, _ = mark(V)
    assert check_single_file(file, False, None, None).scheduler()[0].config.prediction_type == "v_prediction"
    with pytest.raises(sld.InputError, match="must be v_prediction, as 'v_pred' in the file says, found 'epsilon'"):
        check_single_file(file, False, None, "epsilon")
    plain, _ = mark()
    assert check_single_file(plain, False, None, None).scheduler()[0].config.prediction_type == "epsilon"
    assert check_single_file(plain, False, None, "v_prediction").scheduler()[0].config.prediction_type == "v_prediction"
