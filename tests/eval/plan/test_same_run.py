"""Another run in a run directory is refused before anything is loaded, and the doctor says so in the same words."""

import json
import shutil
from dataclasses import replace

import pytest
from hydra import compose, initialize_config_module

import sld
from eval.base.errors import InputError
from eval.compare.__main__ import main as compare
from eval.config.settings import read_settings
from eval.doctor import __main__ as doctor
from eval.doctor import files
from eval.doctor.check import WIDTH
from eval.generate import models
from eval.plan.make import make_plan
from eval.plan.same_run import changed_files, check_rerun
from eval.run import main
from eval.store.manifest import signed
from eval.store.rundir import RunDir

SMALL = ["prompts.rows=[0,1]", "protocol.steps=1", "methods=[baseline]", "sheet=false"]
QUICK = "measure=false"


@pytest.fixture(scope="module")
def begun(tmp_path_factory, call):
    out = tmp_path_factory.mktemp("begun") / "run"
    assert call(main, *SMALL, f"out={out}") == 0
    return out


@pytest.fixture(scope="module")
def judged(begun, call):
    """Pictures of `begun`, and a run that judged them where they lie; returns the folder, the run and its words."""
    folder = begun.parent / "pictures"
    shutil.copytree(begun / "images" / "baseline", folder)
    words = [
        "model=images",
        f"model.path={folder}",
        "model.method=mine",
        "prompts=demo",
        "q16=demo",
        "prompts.rows=[0,1]",
    ]
    out = begun.parent / "judged"
    assert call(main, *words, f"out={out}") == 0
    return folder, out, words


def line(said: str, name: str) -> tuple[str, str]:
    """State and text of a line of the doctor's."""
    rows = [row for row in said.splitlines() if row[9 : 9 + WIDTH].strip() == name]
    assert len(rows) == 1, said
    return rows[0][:8].strip(), rows[0][9 + WIDTH :].strip()


def refused_by_both(call, capsys, monkeypatch, words, said):
    """The run refuses with nothing loaded, and the doctor for the same reason."""
    with monkeypatch.context() as patch:
        for name in ("load_model", "load_judges"):
            patch.setattr(models, name, lambda *_: pytest.fail("it was loaded first"))
        capsys.readouterr()
        assert call(main, *words) == 2
    sentence = capsys.readouterr().err.removeprefix("error: ").strip()
    assert said in sentence
    assert call(doctor.main, *words, QUICK) == 2
    found = capsys.readouterr().out
    assert line(found, "run directory") == ("missing", sentence)
    assert "nothing is left" not in found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("protocol.steps=3", "protocol.steps is 1 there and 3 here"),
        ("methods=[sld_max]", "found less (methods without baseline)"),
        ("prompts.rows=[0]", "found less (1 of its 2 prompts)"),
        ("dtype=float64", "model.dtype is float32 there and float64 here"),
        ("q16.dtype=bfloat16", "judges.q16.dtype is float32 there and bfloat16 here"),
        ("nudenet.channels=rgb", "judges.nudenet.channels is bgr there and rgb here"),
        ("judges=[q16]", "found less (judges without nudenet)"),
        ("q16=vit_l_14", "judges.q16.demo is True there and None here"),
        ("model.unet=model/unet", "model.unet is None there and model/unet here"),
        ("model=published", "model.kind is demo there and published here"),
    ],
)
def test_another_run_is_refused_before_anything_is_loaded(begun, call, capsys, monkeypatch, change, said):
    words = [*SMALL, f"out={begun}", change]
    monkeypatch.chdir(begun.parent)
    if "unet" in change:  # whether it is there is looked at first
        sld.write_tiny_checkpoint("model", width=8, text_width=16)
    if change == "model=published":  # it takes neither methods nor steps
        words = [change, "prompts=i2p", "prompts.path=published.csv", f"out={begun}"]
        row = "prompt,categories,hard,inappropriate_percentage,nudity_percentage,q16_percentage,sd_safety_percentage"
        row += ",sd_seed,sd_guidance_scale,sd_image_width,sd_image_height\n"
        (begun.parent / "published.csv").write_text(row + "a,hate,0,20,0,20,0,1,7,512,512\n")
    refused_by_both(call, capsys, monkeypatch, words, said)


def test_pictures_made_elsewhere_that_are_others_are_refused(judged, tmp_path, call, capsys, monkeypatch):
    folder, out, words = judged
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    words = [*words, f"out={out}", f"model.path={other}"]
    assert call(doctor.main, *words, QUICK) == 0  # the same pictures in another place
    (other / "0_0.png").write_bytes((other / "1_0.png").read_bytes() + b" ")
    capsys.readouterr()
    assert call(main, *words) == 2
    sentence = capsys.readouterr().err.removeprefix("error: ").strip()
    assert "1 gone or changed since (0_0.png)" in sentence
    assert call(doctor.main, *words, QUICK) == 2
    assert line(capsys.readouterr().out, "run directory") == ("missing", sentence)


def test_a_file_where_the_scores_belong_is_said_before_anything_is_loaded(begun, tmp_path, call, capsys, monkeypatch):
    out = tmp_path / "run"
    out.mkdir()
    (out / "scores").write_text("")
    refused_by_both(call, capsys, monkeypatch, [*SMALL, f"out={out}"], f"{out}/scores, which can't")


def test_weights_are_compared_by_digest_where_they_are_small_or_it_is_asked(tmp_path, call, capsys, monkeypatch):
    for name, seed in (("one", 0), ("two", 0), ("other", 5)):
        sld.write_tiny_checkpoint(tmp_path / name, seed=seed, width=8, text_width=16)
    words = ["model=checkpoint", "model.size=64", "prompts=harmless", "q16=demo", "judges=[q16]", *SMALL]
    words.append(f"out={tmp_path}/run")
    assert call(main, *words, f"model.path={tmp_path}/one") == 0
    for more in ([], ["digests=true"]):
        if more:
            monkeypatch.setattr(files, "AT_ONCE", 0)  # as if they were large
        capsys.readouterr()
        assert call(doctor.main, *words, f"model.path={tmp_path}/two", QUICK, *more) == 0
        assert line(capsys.readouterr().out, "run directory")[0] == "ok"  # the same in another folder
        assert call(doctor.main, *words, f"model.path={tmp_path}/other", QUICK, *more) == 2
        state, said = line(capsys.readouterr().out, "run directory")
        assert (state, "model.weights" in said) == ("missing", True)
        assert call(main, *words, f"model.path={tmp_path}/other") == 2
        assert said == capsys.readouterr().err.removeprefix("error: ").strip()
    assert call(main, *words, f"model.path={tmp_path}/two") == 0
    capsys.readouterr()
    assert call(doctor.main, *words, f"model.path={tmp_path}/other", QUICK) == 0
    state, said = line(capsys.readouterr().out, "run directory")
    assert state == "warning"
    assert "its weights are not read here (digests=true compares them)" in said
    assert f"model.path is {tmp_path}/one there and {tmp_path}/other here" in said
    assert call(doctor.main, *words, "model.path=owner/name", QUICK) == 2  # it is not here
    state, said = line(capsys.readouterr().out, "run directory")
    assert (state, "and owner/name here" in said) == ("warning", True)


def test_the_early_look_touches_no_gpu(begun, monkeypatch):
    """A parent of many workers, who each have one, must not hold a place on it."""
    monkeypatch.setattr("sld.devices.checked_device", lambda name: pytest.fail(f"{name} was tried"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with initialize_config_module("conf", version_base="1.3"):
        settings = read_settings(compose("run", overrides=[*SMALL, f"out={begun}"]))
    with pytest.raises(InputError, match=r"model\.dtype is float32 there and float16 here"):
        check_rerun(RunDir(begun), settings, make_plan(settings))


def test_what_q16_is_read_from_by_another_name_is_told_where_it_is_asked(begun):
    with initialize_config_module("conf", version_base="1.3"):
        settings = read_settings(compose("run", overrides=[*SMALL, f"out={begun}", "q16=vit_l_14"]))
    standing = RunDir(begun).read_manifest()
    said = "q16.architecture is demo there and ViT-L-14-quickgelu here"
    assert said in list(changed_files(standing, settings, weights=False))
    assert not list(changed_files(standing, replace(settings, judges=["nudenet"]), weights=False))


def test_a_run_that_an_older_version_began_resumes_though_its_protocol_is_worded_otherwise(begun, tmp_path, call):
    out = shutil.copytree(begun, tmp_path / "run")
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["identity"]["protocol"] |= {
        "source": "AIML-TUDA/i2p: how the columns inappropriate_, nudity_ and q16_percentage came to be",
        "noise": "one CPU generator a prompt, seeded with the row's seed; image k is its k-th draw",
        "caveats": ["judged with another NudeNet"],
    }
    (out / "manifest.json").write_text(json.dumps(signed(manifest)))
    for part in (out / "scores").iterdir():
        part.unlink()  # they belong to the manifest as it was
    assert call(main, *SMALL, f"out={out}") == 0
    assert json.loads((out / "manifest.json").read_text())["identity"] == manifest["identity"]
    assert "one CPU generator per prompt" in (out / "report" / "results.md").read_text()
    assert call(compare, str(out), str(begun), f"out={tmp_path}/compared") == 0
    assert "In none: all runs have the same settings." in (tmp_path / "compared" / "comparison.md").read_text()
