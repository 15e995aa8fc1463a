"""The page on new families: its code is a family, equal to diffusers' pipeline."""

import json
import re
import sys
import types
from pathlib import Path

import diffusers
import pytest
import torch

import sld
from sld.models import families

PAGE = Path(__file__).resolve().parents[1] / "docs" / "new-family.md"
SIZE = {"height": 64, "width": 32}


@pytest.fixture
def registered(monkeypatch):
    """The page's file and line, as if they stood in sld/models."""
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (pipeline, name) = re.search(r'`"(\w+)": "(\w+)"`', text).groups()
    assert len(code.splitlines()) < 100
    module = types.ModuleType(f"sld.models.{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(families._MODULES, pipeline, name)


@pytest.fixture
def folder(tmp_path):
    folder = sld.write_tiny_checkpoint(tmp_path / "tiny", family="pixart-sigma", width=24, text_width=16)
    config = json.loads((folder / "transformer" / "config.json").read_text())
    config |= {"sample_size": 128, "use_additional_conditions": True}
    torch.manual_seed(0)
    diffusers.PixArtTransformer2DModel.from_config(config).save_pretrained(folder / "transformer")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "PixArtAlphaPipeline"}))
    return folder


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' with numpy 2
def test_the_pages_code_is_a_family(registered, folder):
    model = sld.load_model(folder, dtype="float64")
    assert model.describe()["family"] == "pixart-alpha"
    noise = torch.randn(1, 4, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = sld.sample(model, ["a Cat"], ["baseline", "sld_max"], 4.5, 2, noise=noise, decode=False)
    pipeline = diffusers.PixArtAlphaPipeline.from_pretrained(folder, dtype=torch.float64)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        "a Cat", latents=noise, num_inference_steps=2, guidance_scale=4.5, output_type="latent", **SIZE,
        use_resolution_binning=False, clean_caption=False,
    ).images  # fmt: skip
    assert (result.latents["baseline"] - expected).abs().max() < 1e-8 * expected.std()
    assert not torch.equal(result.latents["sld_max"], expected)
