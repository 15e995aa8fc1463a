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

from sld.pipelines import PIPELINES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "attach.md").read_text(encoding="utf-8")
EXAMPLES = [textwrap.dedent(block) for block in re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", PAGE)]

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated"),
    pytest.mark.filterwarnings("ignore:`torch_dtype` is deprecated"),  # older releases have no other name
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, checkpoint_of):
    """Checkpoints whose text encoders are stored in half precision, as the published ones are."""
    flux = tiny_pipelines.flux().to(torch.float32)
    flux.text_encoder.bfloat16()
    flux.text_encoder_2.bfloat16()
    flux.save_pretrained(folder := tmp_path_factory.mktemp("pipelines") / "flux")
    return {"PATH": checkpoint_of("stable-diffusion-xl"), "PATH-OF-FLUX": folder}


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
