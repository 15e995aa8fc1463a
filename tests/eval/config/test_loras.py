"""A LoRA is typed as a path or as a mapping with a scale, and says in files and reports which it was."""

import json
import re
import runpy
import shutil
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

import sld
from eval.base.errors import InputError
from eval.config.loras import read_loras
from eval.doctor.__main__ import main as doctor
from eval.run import main

LAYOUTS = runpy.run_path(str(Path(__file__).parents[2] / "sld/lora_layouts.py"))
SMALL = ["prompts.rows=0-1", "protocol.steps=1", "methods=[baseline]", "sheet=false", "judges=[q16]"]
SPM = {"prompts": "nudity", "rank": "2", "alpha": "3.0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("loras")


@pytest.fixture(scope="module")
def lora(folder):
    from i2p.demo import trained

    pairs = LAYOUTS["pairs"](UNet2DConditionModel.from_pretrained(trained.model_folder() / "unet"))
    save_file(LAYOUTS["kohya"](pairs), folder / "my lora.safetensors", SPM)
    return folder / "my lora.safetensors"


def test_entries_are_paths_or_mappings():
    assert read_loras(["a", {"path": "b", "scale": 2}]) == [sld.Lora("a"), sld.Lora("b", 2)]
    assert read_loras(None) == read_loras([]) == []
    for entry, clause in (
        ({"scale": 1}, "must have a path"),
        ("", "must have a path"),
        (3, "must have a path"),
        ({"path": "a", "weight": 1}, "no keys but path and scale, found weight"),
    ):
        with pytest.raises(InputError, match=clause):
            read_loras([entry])


@pytest.fixture(scope="module")
def run(lora, folder, call):
    words = [f"out={folder / 'run'}", f"model.lora={{path: {lora}, scale: 0.5}}", *SMALL]
    assert call(main, *words) == 0
    return folder / "run"


def test_a_run_with_a_lora_says_so_everywhere(run):
    model = json.loads((run / "manifest.json").read_text())["identity"]["model"]
    (entry,) = model["lora"]
    assert (entry["name"], entry["scale"]) == ("my lora.safetensors", 0.5)
    assert len(model["weights"]["lora 1=my lora.safetensors"]) == 64
    assert model["source"] == "the demo world's model, with LoRAs"
    audit = entry["replaced"]["unet"]
    told = f"LoRA my lora.safetensors at scale 0.5 ({entry['note']}): UNet: {audit['given']:,} tensors given"
    for name in ("results.md", "report.html", "model_card.md"):
        assert told in (run / "report" / name).read_text(encoding="utf-8"), name


def test_a_rerun_with_another_scale_or_without_is_refused_before_loading(run, lora, capsys, call, monkeypatch):
    monkeypatch.setattr("eval.generate.models.load_model", lambda *_: pytest.fail("the model was loaded"))
    for words, clause in (
        ([f"model.lora=[{{path: {lora}, scale: 1}}]"], "model.lora.my lora.safetensors.scale is 0.5 there and 1"),
        ([], "model.lora is ['my lora.safetensors'] there and [] here"),
    ):
        assert call(main, f"out={run}", *words, *SMALL) == 2
        assert clause in capsys.readouterr().err


def test_a_rerun_with_another_file_of_the_name_is_refused(run, lora, tmp_path, capsys, call):
    copy = shutil.copy(lora, tmp_path / lora.name)
    save_file({name: value + 1 for name, value in load_file(lora).items()}, copy)
    assert call(main, f"out={run}", f"model.lora=[{{path: {copy}, scale: 0.5}}]", *SMALL) == 2
    assert "model.weights.lora 1=my lora.safetensors is " in capsys.readouterr().err


def test_an_spm_without_a_scale_exits_2_in_run_and_doctor(lora, tmp_path, capsys, call):
    assert call(main, f"out={tmp_path}/run", f"model.lora=[{lora}]", *SMALL) == 2
    assert "found an SPM's file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert call(doctor, f"out={tmp_path}/run", f"model.lora=[{lora}]", *SMALL, "measure=false") == 2
    assert "found an SPM's file" in capsys.readouterr().out
    words = [f"model.lora=[{{path: {lora}, scale: 1}},{{path: {lora}, scale: 0.5}}]", "measure=false"]
    assert call(doctor, f"out={tmp_path}/run", *words, *SMALL) == 0
    told = re.findall(r"^ok +lora +(.*): 1 weight file, .* scale (\S+); .*not the published method", said(capsys), re.M)
    assert told == [(str(lora), "1"), (str(lora), "0.5")]


def said(capsys) -> str:
    """What was printed, each line of the doctor's table in one."""
    return re.sub(r"\n {10,}(?!→)", " ", capsys.readouterr().out)


def test_a_lora_for_a_family_that_loads_none_exits_2_in_run_and_doctor(lora, tmp_path, capsys, call):
    sld.write_tiny_checkpoint(tmp_path / "pixart", family="pixart-sigma", width=8, text_width=16)
    words = ["model=checkpoint", f"model.path={tmp_path}/pixart", f"model.lora=[{{path: {lora}, scale: 1}}]"]
    clause = "lora must go with a checkpoint for which diffusers loads LoRAs, found PixArtSigmaPipeline"
    assert call(main, f"out={tmp_path}/run", *words, "prompts=harmless", *SMALL[1:], "q16=demo") == 2
    assert clause in capsys.readouterr().err
    assert call(doctor, *words, "prompts=harmless", *SMALL[1:], "q16=demo", "measure=false") == 2
    assert clause in said(capsys)
