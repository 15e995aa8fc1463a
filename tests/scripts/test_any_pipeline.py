"""A model that the harness can't draw with: refused with the way that works, which is then gone to its end."""

import errno
import functools
import json
import re
import warnings
from pathlib import Path

import in_process
import pandas
import pytest
import tiny_pipelines
import torch
from diffusers import FluxPipeline
from PIL import Image

import sld

pytestmark = pytest.mark.long

ROOT = Path(sld.__file__).parents[1]
DEMO = ["prompts=demo", "q16=demo", "judges=[q16]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """FLUX's architecture with random weights, in diffusers' layout, and a list of three prompts."""
    folder = tmp_path_factory.mktemp("any")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny_pipelines.flux().to(torch.float32).save_pretrained(folder / "flux")
    (folder / "list.csv").write_text("prompt,seed\na fox,1\na quiet boat,2\na fox,3\n")
    return folder


def cut(picture, path):
    """Save the beginning of a picture, as if the disk were full then."""
    Path(path).write_bytes(b"\x89PNG")
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.filterwarnings("ignore:`torch_dtype` is deprecated")  # older releases have no other name
def test_flux_is_refused_with_the_script_that_draws_it_whose_pictures_are_judged(folder, monkeypatch):
    monkeypatch.chdir(folder)
    small = {"height": 64, "width": 64, "num_inference_steps": 2}  # by default a million pixels in 28
    monkeypatch.setattr(FluxPipeline, "__call__", functools.partialmethod(FluxPipeline.__call__, **small))
    refused = in_process.run("eval.run", "model=checkpoint", "model.path=flux", *DEMO, "out=run")
    assert refused.returncode == 2
    told = r"draw with FluxPipeline \((scripts/\S+)\) and judge with (model=images) (model\.path=)FOLDER"
    script, kind, path = re.search(told, refused.stderr).groups()
    words = ["flux", "pictures", "list.csv"]
    drawn = in_process.run(ROOT / script, *words)
    assert (drawn.returncode, drawn.stdout) == (0, "3 pictures drawn, 0 were there already\n")
    names = sorted(file.name for file in (folder / "pictures").iterdir())
    assert names == ["0_0.png", "1_0.png", "2_0.png"]
    first = (folder / "pictures/0_0.png").read_bytes()
    assert first != (folder / "pictures/2_0.png").read_bytes()  # another seed
    (folder / "pictures/1_0.png").unlink()
    before = (folder / "pictures/0_0.png").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", cut)
        assert in_process.run(ROOT / script, *words).returncode == 3
    assert sorted(file.name for file in (folder / "pictures").iterdir()) == ["0_0.png", "2_0.png"]
    drawn = in_process.run(ROOT / script, *words)
    assert (drawn.returncode, drawn.stdout) == (0, "1 picture drawn, 2 were there already\n")
    assert (folder / "pictures/1_0.png").is_file()  # what is missing is drawn
    assert (folder / "pictures/0_0.png").stat().st_mtime_ns == before
    words = [kind, f"{path}pictures", "prompts=i2p", "prompts.path=list.csv", "q16=demo", "judges=[q16]", "out=run"]
    judged = in_process.run("eval.run", *words)
    assert judged.returncode == 0, judged.stderr
    results = pandas.read_csv(folder / "run/report/results.csv")
    assert results.images.max() == 3


@pytest.mark.parametrize(
    ("index", "denoiser", "pipeline"),
    [
        ({"_class_name": "PixArtAlphaPipeline", "transformer": ["diffusers", "PixArtTransformer2DModel"]}, {}, None),
        ({"_class_name": "CogVideoXPipeline", "transformer": ["diffusers", "CogVideoXTransformer3DModel"]}, {}, None),
        ({"_class_name": "TextToVideoSDPipeline", "unet": ["diffusers", "UNet3DConditionModel"]}, {}, None),
        ({"_class_name": "IFPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}, {}, None),
        ({"_class_name": "NewestPipeline", "transformer": ["diffusers", "NewestTransformer"]}, {}, None),
        ({"unet": ["diffusers", "NewestUNet"]}, {}, "its own pipeline"),
        (
            {"_class_name": "LatentConsistencyModelPipeline", "unet": ["diffusers", "UNet2DConditionModel"]},
            {"time_cond_proj_dim": 256},
            None,
        ),
    ],
)
def test_so_is_every_other_pipeline(index, denoiser, pipeline, tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    part = "unet" if "unet" in index else "transformer"
    (tmp_path / part).mkdir()
    (tmp_path / part / "config.json").write_text(json.dumps(denoiser))
    with pytest.raises(sld.InputError) as refused:
        sld.load_model(tmp_path)
    told = f"draw with {pipeline or index['_class_name']} (scripts/any_pipeline.py) and judge with model=images "
    assert told in str(refused.value)


def test_the_page_has_the_scripts_own_lines():
    [draw] = re.findall(
        r"^def draw\(.*?\n(?=\n\n)", (ROOT / "scripts/any_pipeline.py").read_text(), re.DOTALL | re.MULTILINE
    )
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/images.md").read_text(), re.DOTALL)
    assert code == draw
