"""The code of docs/attach.md runs, and docs/pipelines.md is of the installed diffusers."""

import importlib.metadata
import re
import runpy
import textwrap
from functools import partial
from pathlib import Path

import pytest
import tiny_pipelines
import torch
from diffusers import StableDiffusionXLPipeline

from sld.pipelines import PIPELINES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "attach.md").read_text(encoding="utf-8")
EXAMPLES = [textwrap.dedent(block) for block in re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", PAGE)]

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated"),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, checkpoint_of):
    folder = tmp_path_factory.mktemp("pipelines")
    sdxl = tiny_pipelines.load(checkpoint_of("stable-diffusion-xl"), StableDiffusionXLPipeline)
    for name, pipe in (("sdxl", sdxl), ("flux", tiny_pipelines.flux())):
        pipe.to(torch.float32).save_pretrained(folder / name)
    return {"PATH": folder / "sdxl", "PATH-OF-FLUX": folder / "flux"}


@pytest.mark.parametrize("example", EXAMPLES, ids=["attach", "flux", "modular"])
def test_an_example_runs(example, folders):
    if "Modular" in example:
        pytest.importorskip("diffusers", minversion="0.42", reason="diffusers' guiders are experimental")
    for name, folder in folders.items():
        example = example.replace(f'"{name}"', repr(str(folder)))
    names = {"quick": lambda pipe: partial(pipe, num_inference_steps=2, height=64, width=64)}
    exec("import sld\n" + example.replace(" pipe(", " quick(pipe)("), names)
    assert names["image"].size == (64, 64)
    assert len(names.get("others", [0] * 4)) == 4


def test_the_table_of_pipelines_is_what_the_script_makes():
    page = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
    version = re.search(r"diffusers ([\d.]+)", page)[1]
    if version != importlib.metadata.version("diffusers"):
        pytest.skip(f"the page is of diffusers {version}")
    assert runpy.run_path(str(ROOT / "scripts" / "pipeline_table.py"))["make_page"]() == page
    assert set(re.findall(r"\*\*(\w+)\*\*", page.partition("\n| ")[2])) == set(PIPELINES)
