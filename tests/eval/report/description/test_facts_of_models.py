"""What was done to a model before it drew stands in manifest, terminal, results.md and page."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval.report.description.facts import facts, model_notes
from eval.run import main
from eval.store.manifest import Manifest, signed
from eval.store.records import ModelRecord
from i2p.demo import trained

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")
SMALL = ["prompts.rows=0-1", "protocol.steps=1", "methods=[baseline]", "sheet=false", "judges=[q16]"]
AUDIT = {"given": 4, "used": 4, "different": 3, "of": 686, "relative_change": 0.01234}


def test_a_model_s_notes_say_what_its_source_does_not():
    marks = {"v_pred": "prediction_type=v_prediction"}
    model = {"replaced": {"unet": AUDIT}, "obeyed": marks, "left_aside": ["unet/a.bin"]}
    said = model_notes(ModelRecord(model))
    assert said == [
        "Replaced UNet: 4 tensors given, 4 used, 3 of 686 different from the base, relative change ‖Δ‖/‖base‖ 0.0123.",
        "The model's file is marked v_pred, which sets prediction_type=v_prediction.",
        "Weights that lie beside the model's and were not used: unet/a.bin.",
    ]
    assert model_notes(ModelRecord({"source": "x", "weights": {"unet/a.safetensors": "00"}})) == []


def test_of_an_older_run_it_is_said_that_it_is_not_on_record():
    (said,) = model_notes(ModelRecord({"weights": {"unet=a.safetensors": "00"}}))
    assert "not on record" in said


@pytest.fixture(scope="module")
def erased(tmp_path_factory):
    """The demo's UNet with one weight of three changed, and how far from the base that is."""
    base = load_file(trained.model_folder() / "unet" / "diffusion_pytorch_model.safetensors")
    new = dict(list(base.items())[:3])
    name = next(iter(new))
    new[name] = new[name] * 1.5
    path = tmp_path_factory.mktemp("erased") / "erased.safetensors"
    save_file(new, path)
    whole = torch.cat([value.double().flatten() for value in base.values()]).norm()
    return path, len(base), float((new[name] - base[name]).double().norm() / whole)


def test_a_run_with_another_unet_says_everywhere_by_how_much_it_differs(erased, tmp_path, capsys, call):
    path, count, change = erased
    run = tmp_path / "run"
    command = [f"out={run}", f"model.unet={path}", *SMALL]
    assert call(main, *command) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    audit = manifest["identity"]["model"]["replaced"]["unet"]
    assert audit["relative_change"] == pytest.approx(change, rel=1e-5)
    assert [audit[key] for key in ("given", "used", "different", "of")] == [3, 3, 1, count]
    counts = f"UNet: 3 tensors given, 3 used, 1 of {count} different from the base"
    said = f"{counts}, relative change ‖Δ‖/‖base‖ {change:.3g}"
    assert f"Replaced {said}." in capsys.readouterr().out
    for name in ("results.md", "report.html"):
        assert said in (run / "report" / name).read_text(encoding="utf-8"), name
    assert dict(facts(Manifest.read(manifest), "Q16"))["Replaced"] == said

    # A run that began before this was on record goes on, and its report says what it does not know.
    del manifest["identity"]["model"]["replaced"]
    (run / "manifest.json").write_text(json.dumps(signed(manifest)))
    assert call(main, *command) == 0
    assert "is not on record" in capsys.readouterr().out


def test_a_unet_that_equals_the_base_s_is_refused(tmp_path, capsys, call):
    base = trained.model_folder() / "unet"
    assert call(main, f"out={tmp_path}/run", f"model.unet={base}", *SMALL) == 2
    assert "the base model would be evaluated" in capsys.readouterr().err
    assert not (tmp_path / "run" / "manifest.json").exists()
