"""The page on a user's model keeps its word: each command of its table loads the file that the release writes."""

import re
import runpy
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

import sld
from eval.config.compose import compose_and_call
from eval.config.settings import read_settings
from eval.generate.models import load_model

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs" / "your-model.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (?:\[(?=\w))?([^|]+?) \| [^|]+ \| `python -m eval\.run (.+?)` \|$", PAGE, re.MULTILINE))
RELEASES, LORAS = (
    SimpleNamespace(**runpy.run_path(str(TESTS / "sld" / name)))
    for name in ("checkpoints/test_releases.py", "lora_layouts.py")
)
# The entries of `RELEASES` by the row of the table.
FORMS = {
    "ESD 2023": "ESD 2023, CompVis", "ESD 2024": "ESD 2024", "ESD 2025": "ESD 2025", "UCE 2023": "UCE 2023",
    "UCE 2025": "UCE 2025", "RECE": "RECE", "SalUn": "SalUn, CompVis", "Concept ablation": "Concept ablation",
}  # fmt: skip


def release_of(row):
    return re.sub(r"\]\([^)]*\)", "", row)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return sld.write_tiny_checkpoint(tmp_path_factory.mktemp("base") / "small", width=8, text_width=16)


@pytest.fixture(scope="module")
def files(base, tmp_path_factory):
    """The file of each row that names one."""
    folder, unet = tmp_path_factory.mktemp("releases"), load_file(base / RELEASES.UNET)
    made = {}
    for row, release in FORMS.items():
        name, chosen, form = RELEASES.RELEASES[release]
        made[row] = folder / row / name
        made[row].parent.mkdir()
        content = form(base, RELEASES.erased(unet, chosen))
        save_file(content, made[row]) if made[row].suffix == ".safetensors" else torch.save(content, made[row])
    text = {name.removeprefix("text_model."): x + 0.5 for name, x in load_file(base / RELEASES.TEXT).items()}
    made["AdvUnlearn, trained by you"] = folder / "TextEncoder.pt"
    torch.save(RELEASES.advunlearn(text), folder / "TextEncoder.pt")
    made["SPM"] = folder / "nudity_last.safetensors"
    pairs = LORAS.pairs(UNet2DConditionModel.from_pretrained(base / "unet"), conv=True)
    save_file(LORAS.kohya(pairs, alpha=1.0), made["SPM"], {"prompts": "nudity", "rank": "1", "alpha": "1.0"})
    return made


def test_every_row_is_tried():
    assert len(ROWS) == PAGE.count("`python -m eval.run model=")
    assert {release_of(row) for row in ROWS} == {*FORMS, "AdvUnlearn, trained by you", "SPM", "MACE", "AdvUnlearn"}


@pytest.mark.parametrize("row", ROWS)
def test_the_command_of_a_release_loads_its_file(base, files, row, monkeypatch):
    release, words = release_of(row), shlex.split(ROWS[row])
    own = {"FILE": str(files.get(release)), "FOLDER": str(base)}
    words = [re.sub("FILE|FOLDER", lambda match: own[match[0]], word) for word in words]
    if words[0] == "model=sd14":
        words[0] = "model=checkpoint"
        words.append(f"model.path={base}")
    monkeypatch.setattr("sys.argv", ["eval.run", *words, "prompts=demo", "q16=demo"])
    settings = []
    assert compose_and_call("run", lambda config: settings.append(read_settings(config)) or 0) == 0
    if release == "AdvUnlearn":
        assert settings[0].model.text_encoder == "OPTML-Group/AdvUnlearn:nudity_unlearned"  # on the hub
        return
    protocol = SimpleNamespace(scheduler=None, steps=2)
    _, description = load_model(settings[0].model, protocol, "cpu", "float32")
    changes = {**description.get("replaced", {}), **{lora["name"]: lora for lora in description.get("lora", ())}}
    assert len(changes) == (release != "MACE")  # a checkpoint of its own
