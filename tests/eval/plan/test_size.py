"""Under `official` pictures have the checkpoint's own size, and only another one is a deviation."""

import json
import shutil
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module

import i2p
import sld
from eval.config.settings import read_settings
from eval.generate.remarks import drawing_deviations
from eval.plan.make import make_plan
from eval.plan.record import make_manifest
from eval.plan.same_run import check_rerun
from eval.store.rundir import RunDir

WEIGHTS = {"source": "sd", "dtype": "float32", "weights": {}}


@pytest.fixture(scope="module")
def sd20(tmp_path_factory):
    """A checkpoint as the SD 2.0 of the published re-runs: 96 latents a side; tiny, and without weights."""
    made = sld.write_tiny_checkpoint(tmp_path_factory.mktemp("sd2") / "all", prediction_type="v_prediction", width=8)
    folder = shutil.copytree(made, made.parent / "sd20", ignore=shutil.ignore_patterns("*.safetensors"))
    for part, change in {"unet": {"sample_size": 96}, "vae": {"block_out_channels": [8, 8, 8, 8]}}.items():
        config = folder / part / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | change))
    return folder


@pytest.fixture
def settings_of(tmp_path):
    """Settings of a run under `official`."""

    def settings_of(*words):
        words = ["protocol=official", "prompts=demo", "prompts.rows=[0,1]", f"out={tmp_path}/run", *words]
        with initialize_config_module("conf", version_base="1.3"):
            return read_settings(compose("run", overrides=words))

    return settings_of


@pytest.fixture
def planned(settings_of):
    return lambda *words: make_plan(settings_of(*words))


def sizes(plan):
    return {(prompt.height, prompt.width) for prompt in plan.prompts} | {plan.protocol.size}


def test_it_is_what_the_checkpoint_s_configuration_says(planned, sd20):
    plan = planned("model=checkpoint", f"model.path={sd20}")
    assert (sizes(plan), plan.deviations) == ({(768, 768)}, ())
    plan = planned("protocol.images_per_prompt=10")  # the demo's model
    assert (sizes(plan), plan.deviations) == ({(64, 64)}, ())


@pytest.mark.parametrize(("model", "side"), [("sd14", 512), ("sd20", 512), ("sd21", 768), ("sdxl", 1024)])
def test_the_named_models_have_theirs_without_a_deviation_even_where_the_hub_cannot_be_reached(planned, model, side):
    plan = planned(f"model={model}")
    assert (sizes(plan), plan.deviations) == ({(side, side)}, ())


def test_another_size_is_a_deviation_and_the_checkpoint_s_own_is_none(planned, sd20):
    words = ["model=checkpoint", f"model.path={sd20}"]
    plan = planned(*words, "model.size=[512,768]")
    assert (sizes(plan), plan.deviations) == (
        {(512, 768)},
        ("size 512×768 instead of the checkpoint's own 768×768",),
    )
    assert planned(*words, "model.size=768").deviations == ()


def test_a_size_that_was_only_guessed_is_compared_when_the_model_is_loaded(planned):
    plan = planned("model=sd14", "protocol.scheduler=ddim")
    for side, expected in ((512, []), (768, ["size 512×512 instead of the checkpoint's own 768×768"])):
        assert drawing_deviations(plan, SimpleNamespace(default_size=(side, side))) == expected
    other = planned("model=sd14", "protocol=dataset", "protocol.scheduler=ddim")
    assert drawing_deviations(other, SimpleNamespace(default_size=(768, 768))) == []


def begin(out, settings, plan):
    """What a run leaves behind when it begins."""
    run = RunDir(out)
    run.create(make_manifest(settings, plan, WEIGHTS, {}))
    return run


def test_a_run_of_sd_1_4_that_began_with_the_size_in_the_protocol_resumes(settings_of, tmp_path, monkeypatch):
    settings = settings_of("model=sd14", "judges=[]")
    monkeypatch.setitem(i2p.PROTOCOLS, "official", _as_it_was(i2p.PROTOCOLS["official"]))
    old = make_plan(settings)
    assert old.protocol.document()["size"] == [512, 512]
    run = begin(tmp_path / "run", settings, old)
    monkeypatch.undo()
    assert check_rerun(run, settings, make_plan(settings)) is not None


def _as_it_was(protocol):
    return i2p.protocols.read_protocol(protocol.document() | {"size": [512, 512]})


def test_a_finished_run_reports_after_its_checkpoint_has_been_deleted(settings_of, sd20, tmp_path):
    words = ["model=checkpoint", f"model.path={shutil.copytree(sd20, tmp_path / 'model')}", "judges=[]"]
    settings = settings_of(*words)
    run = begin(tmp_path / "run", settings, make_plan(settings))
    shutil.rmtree(tmp_path / "model")
    assert check_rerun(run, settings, make_plan(settings)).stored.identity.protocol.size == (768, 768)


def test_a_folder_of_pictures_has_no_size(tmp_path, settings_of):
    from PIL import Image

    (tmp_path / "pictures/baseline").mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "pictures/baseline/0_0.png")
    settings = settings_of("model=images", f"model.path={tmp_path}/pictures", "prompts.rows=[0]")
    assert "size" not in make_plan(settings).recorded_protocol.document()
