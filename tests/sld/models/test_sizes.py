"""The size of picture that a checkpoint draws by default is that of diffusers' pipeline."""

import json
import shutil

import pytest
from diffusers import StableDiffusionPipeline

import sld
from sld.models.sizes import default_size


@pytest.mark.filterwarnings("ignore:The configuration file of the unet:FutureWarning")
@pytest.mark.parametrize(
    "config",
    [
        {"sample_size": 8},
        {"sample_size": [8, 16]},
        {"sample_size": 32, "_diffusers_version": "0.8.0"},
        {"sample_size": 32, "_diffusers_version": "0.9.0.dev0"},
        {"sample_size": 96, "_diffusers_version": "0.2.2"},
        {"sample_size": [8, 16], "_diffusers_version": "0.8.0"},
    ],
)
def test_it_is_that_of_diffusers_pipeline(checkpoint, tmp_path, config):
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, feature_extractor=None)
    size = pipeline.unet.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    factor = pipeline.vae_scale_factor
    assert sld.load_model(folder).default_size == (height * factor, width * factor)


def test_without_one_it_is_512():
    assert default_size({"sample_size": None}, 8, "model") == default_size({}, 8, "model") == (512, 512)


@pytest.mark.parametrize("size", ["64", [64], [64, None], 0, 2.5])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(sld.InputError, match="sample_size must be"):
        default_size({"sample_size": size}, 8, "model")
