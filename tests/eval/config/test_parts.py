"""Any part of a model is replaced by a key of its own; files, reports and the doctor say by what, reruns keep to it."""

import json
import re

import pytest
from safetensors.torch import load_file, save_file

from eval.doctor.__main__ import main as doctor
from eval.run import main
from i2p.demo import trained

SMALL = ["prompts.rows=0-1", "protocol.steps=1", "methods=[baseline]", "sheet=false", "judges=[q16]"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A changed weight each of the demo's VAE and text encoder, as overrides by part."""
    place, overrides = tmp_path_factory.mktemp("parts"), {}
    for part in ("vae", "text_encoder"):
        weights = load_file(next((trained.model_folder() / part).glob("*.safetensors")))
        name = next(name for name, value in weights.items() if value.ndim > 1)
        save_file({name: weights[name] * 1.5}, place / f"{part}.safetensors")
        overrides[part] = f"model.{part}={place / part}.safetensors"
    return overrides


@pytest.fixture(scope="module")
def run(parts, tmp_path_factory, call):
    out = tmp_path_factory.mktemp("run") / "out"
    assert call(main, *SMALL, *parts.values(), f"out={out}") == 0
    return out


def test_a_run_says_everywhere_what_was_replaced(run):
    model = json.loads((run / "manifest.json").read_text())["identity"]["model"]
    assert list(model["replaced"]) == ["vae", "text_encoder"]
    assert {"vae=vae.safetensors", "text_encoder=text_encoder.safetensors"} <= set(model["weights"])
    assert model["source"] == "the demo world's model, with another VAE and another text encoder"
    for name in ("results.md", "report.html"):
        text = (run / "report" / name).read_text()
        for title in ("VAE", "text encoder"):
            assert re.search(rf"{title}: 1 tensors given, 1 used, 1 of \d+ different from the base", text)


def test_a_rerun_with_other_parts_is_refused(run, parts, call, capsys):
    assert call(main, *SMALL, *parts.values(), f"out={run}") == 0
    assert call(main, *SMALL, parts["vae"], f"out={run}") == 2
    assert "model.text_encoder is " in capsys.readouterr().err
    assert call(main, *SMALL, *parts.values(), f"model.unet={trained.model_folder()}/unet", f"out={run}") == 2
    assert "model.unet is None there and " in capsys.readouterr().err


def test_the_doctor_looks_at_each_part(parts, tmp_path, monkeypatch, call, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(doctor, *SMALL, *parts.values(), "measure=false") == 0
    said = capsys.readouterr().out
    for part in parts:
        assert re.search(rf"ok +{part} +\S+/{part}\.safetensors: 1 weight file", said)
    hub = ["model.vae=org/name:inner", "measure=false"]
    call(doctor, *SMALL, *hub)
    assert re.search(r"missing +vae +org/name:inner is not in the hub's cache", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "clause"),
    [
        (["model.vae="], "model.vae must be a path"),
        (["+model.transformer=x"], "found nothing at x: correct model.transformer=PATH"),
        (["model=published", "prompts=i2p", "+model.vae=x"], "model.vae is 'x', which would have no effect"),
        (["model=published", "prompts=i2p", "+model.t5=false"], "model.t5 is 'false', which would have no effect"),
    ],
)
def test_a_part_that_can_have_no_effect_is_refused(words, clause, call, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(main, *words) == 2
    assert clause in capsys.readouterr().err
