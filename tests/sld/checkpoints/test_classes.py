"""The classes that model_index.json and a part's own configuration name must be of one kind."""

import json
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline

import sld
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import open_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def edit(path, drop=(), **changes):
    content = {key: value for key, value in json.loads(path.read_text()).items() if key not in drop}
    path.write_text(json.dumps(content | changes))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("model_index.json", {"tokenizer": ["transformers", "T5Tokenizer"]}, "found T5Tokenizer"),
        ("unet/config.json", {"_class_name": "UNet1DModel"}, "found UNet1DModel beside UNet2DConditionModel"),
        ("vae/config.json", {"_class_name": "AutoencoderTiny"}, "found AutoencoderTiny beside AutoencoderKL"),
        ("text_encoder/config.json", {"architectures": ["BertModel"]}, "found BertModel beside CLIPTextModel"),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": "BertTokenizer"}, "BertTokenizer beside CLIPTokenizer"),
    ],
)
def test_a_part_of_another_class_is_refused_with_both_names(copy, name, change, words):
    edit(copy / name, **change)
    for look in (lambda folder: check_classes(open_checkpoint(folder)), sld.load_model):
        with pytest.raises(sld.InputError, match=words):
            look(copy)


@pytest.mark.parametrize("name", ["CLIPTextModelWithProjection", "CLIPModel"])
def test_a_text_encoder_may_have_been_saved_as_more_than_a_text_model(copy, name):
    """transformers takes the text model out of either."""
    edit(copy / "text_encoder/config.json", architectures=[name])
    check_classes(open_checkpoint(copy))


def test_what_names_no_class_is_taken_for_what_is_expected(copy):
    edit(copy / "unet/config.json", drop=["_class_name"])
    edit(copy / "text_encoder/config.json", drop=["architectures"])
    edit(copy / "tokenizer/tokenizer_config.json", drop=["tokenizer_class"])
    assert sld.load_model(copy)


@pytest.mark.parametrize(
    ("named", "own"),
    [
        ("DDIMScheduler", "PNDMScheduler"),
        ("UniPCMultistepScheduler", "PNDMScheduler"),
        ("EulerDiscreteScheduler", None),
    ],
)
def test_the_scheduler_is_that_of_model_index_as_in_diffusers(copy, spread_error, named, own):
    edit(copy / "model_index.json", scheduler=["diffusers", named])
    edit(copy / "scheduler/scheduler_config.json", drop=["_class_name"], **({"_class_name": own} if own else {}))
    pipeline = StableDiffusionPipeline.from_pretrained(copy, safety_checker=None, feature_extractor=None)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.double()
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    expected = pipeline(["a cat"], latents=noise.clone(), num_inference_steps=5, output_type="latent").images
    problem = sld.sample(sld.load_model(copy, dtype="float64"), ["a cat"], steps=5, noise=noise, decode=False)
    assert spread_error(problem.latents["baseline"], expected) < 1e-8


def test_a_scheduler_that_nobody_knows_is_refused_with_both_names(copy):
    edit(copy / "scheduler/scheduler_config.json", _class_name="Nothing")
    with pytest.raises(sld.InputError, match=r"'Nothing' as _class_name .* beside PNDMScheduler in model_index.json"):
        sld.load_model(copy)
