"""The size of a checkpoint's own is known from its configuration alone, and is that of the loaded model."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

import sld
from sld.checkpoints import single_file
from sld.checkpoints.own_size import own_size
from sld.checkpoints.tiny import FAMILIES

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_that_of_the_loaded_model_of_every_family(checkpoint_of, tmp_path, family):
    folder = checkpoint_of(family)
    assert own_size(folder) == sld.load_model(folder).default_size
    without_weights = shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    config = without_weights / ("transformer" if (folder / "transformer").is_dir() else "unet") / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": [4, 6]}))
    factor = own_size(folder)[0] // 8  # tiny checkpoints have 8 latents a side
    assert own_size(without_weights) == (4 * factor, 6 * factor)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": None}))
    # As diffusers' pipelines have it: 64 latents of 8 pixels for Stable Diffusion, 128 for the others.
    assert own_size(without_weights) == ((512, 512) if family == "stable-diffusion" else (1024, 1024))


@pytest.mark.parametrize("pair", ["sd1"], indirect=True)
def test_a_single_file_has_the_size_of_its_configuration(pair):
    folder, file, config = pair
    assert own_size(file, config=config) == own_size(folder)


@pytest.mark.parametrize(("prediction", "side"), [("epsilon", 512), ("v_prediction", 768)])
def test_a_single_file_of_sd_2_has_the_size_that_goes_with_its_prediction(tmp_path, prediction, side):
    names = (single_file.UNET, single_file._OPEN_CLIP, "first_stage_model.x")
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "model.safetensors")
    assert own_size(tmp_path / "model.safetensors", prediction_type=prediction) == (side, side)


def test_a_file_without_a_vae_has_a_size_where_one_is_given(tmp_path):
    save_file({single_file.UNET: torch.zeros(1), single_file._CLIP: torch.zeros(1)}, tmp_path / "model.safetensors")
    assert own_size(tmp_path / "model.safetensors", parts=["vae"]) == (512, 512)
    with pytest.raises(sld.InputError, match="must be a checkpoint with its VAE"):
        own_size(tmp_path / "model.safetensors")


def test_of_a_hub_id_only_configurations_are_fetched(checkpoint, tmp_path, monkeypatch):
    asked = []

    def download(name, *, revision, allow_patterns, local_files_only):
        asked.append((name, revision, sorted(allow_patterns), local_files_only))
        return str(checkpoint)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert own_size(f"org/model@{COMMIT}") == own_size(checkpoint)
    files = ["model_index.json", "transformer/config.json", "unet/config.json", "vae/config.json"]
    assert asked == [("org/model", COMMIT, files, False)]
    own_size("org/model", local=True)
    assert asked[1] == ("org/model", None, files, True)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(sld.InputError, match=r"must be a checkpoint with model_index.json"):
        own_size(tmp_path)
    with pytest.raises(sld.InputError, match="source must be a checkpoint folder"):
        own_size(tmp_path / "none")
