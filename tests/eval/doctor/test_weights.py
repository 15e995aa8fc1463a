"""Of weights the doctor says what a run would, in the same words, and what it has not looked at."""

import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import sld
from eval.doctor.__main__ import main
from eval.run import main as run

OWN = ["model=checkpoint", "prompts=harmless", "prompts.rows=[0]", "judges=[nudenet]", "methods=[baseline]"]
SMALL = ["protocol.steps=1", "protocol.images_per_prompt=1", "model.size=64", "sheet=false"]
STEM = "diffusion_pytorch_model"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A checkpoint, copies with one thing wrong each, and UNets for its place."""
    place = tmp_path_factory.mktemp("models")
    good = sld.write_tiny_checkpoint(place / "good", width=8, text_width=16)
    weights = load_file(good / "unet" / f"{STEM}.safetensors")

    def spoiled(name, part, change):
        path = next((shutil.copytree(good, place / name) / part).glob("*.safetensors"))
        save_file(change(load_file(path)), path, {"format": "pt"})

    spoiled("lora", "unet", lambda w: w | {"mid_block.attentions.0.to_k_lora.up.weight": torch.ones(2)})
    spoiled("nan", "vae", lambda w: w | {"post_quant_conv.bias": torch.full((4,), float("nan"))})
    spoiled("variants", "unet", lambda w: w)
    save_file(weights, place / "variants" / "unet" / f"{STEM}.fp16.safetensors")
    save_file(weights, place / "same.safetensors")
    save_file(weights | {"x": torch.ones(1)}, place / "more.safetensors")
    changed = {name: value + 0.1 for name, value in weights.items()}
    (place / "erased").mkdir()
    for end, content in (("", changed), (".non_ema", weights)):
        save_file(content, place / "erased" / f"{STEM}{end}.safetensors")
    return place


def look(capsys, call, *arguments):
    code = call(main, *OWN, *SMALL, *arguments)
    said = capsys.readouterr().out
    return code, {m[2]: (m[1], m[3]) for m in re.finditer(r"^(\w+) +(\S+(?: \S+)*)  +(.*)$", said, re.MULTILINE)}


@pytest.mark.parametrize(
    ("options", "line", "words"),
    [
        (["model.path={}/lora"], "model", "1 that the model has no place for ('mid_block.attentions.0.to_k_lora"),
        (["model.path={}/good", "model.unet={}/more.safetensors"], "model", "has no place for ('x')"),
        (
            ["model.path={}/nan", "measure=true"],
            "weights",
            "NaN or infinity in 1 of the VAE's ('post_quant_conv.bias')",
        ),
        (["model.path={}/good", "model.unet={}/same.safetensors", "measure=true"], "weights", "equal them"),
    ],
)
def test_what_a_run_refuses_the_doctor_says_in_the_same_words(
    models, tmp_path, monkeypatch, capsys, call, options, line, words
):
    monkeypatch.chdir(tmp_path)
    options = [option.replace("{}", str(models)) for option in options]
    code, table = look(capsys, call, *(options if "measure=true" in options else [*options, "measure=false"]))
    assert (code, table[line][0]) == (2, "missing")
    assert words in table[line][1]
    assert call(run, *OWN, *SMALL, *(option for option in options if option != "measure=true")) == 2
    assert table[line][1][:390] in " ".join(capsys.readouterr().err.split())


def test_what_is_not_looked_at_is_said(models, tmp_path, monkeypatch, capsys, call):
    monkeypatch.chdir(tmp_path)
    unet = [f"model.path={models}/good", f"model.unet={models}/same.safetensors"]
    code, table = look(capsys, call, *unet, "measure=false")
    assert (code, table["weights"][0]) == (0, "skipped")
    assert "measure=true" in table["weights"][1]


def test_which_variant_is_read_is_said_and_by_how_much_it_differs(models, tmp_path, monkeypatch, capsys, call):
    monkeypatch.chdir(tmp_path)
    code, table = look(capsys, call, f"model.path={models}/variants", f"model.unet={models}/erased")
    assert code == 0
    assert f"left aside: unet/{STEM}.fp16.safetensors" in table["model"][1]
    assert f"{STEM}.safetensors is read, left aside: {STEM}.non_ema.safetensors" in table["unet"][1]
    count = len(load_file(models / "same.safetensors"))
    said = f"UNet: {count} tensors given, {count} used, {count} of {count} different from the base, relative change"
    assert table["weights"][0] == "ok"
    assert said in table["weights"][1]
