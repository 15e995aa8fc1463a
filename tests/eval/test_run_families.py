"""The whole path, from the command line to the page, with a model of every family."""

import csv
import functools
import json
import shutil
from types import SimpleNamespace

import in_process
import pytest

import sld
from eval.generate.remarks import _cut

FAMILIES = {"stable-diffusion-xl": "epsilon", "stable-diffusion-3": "flow_prediction", "pixart-sigma": "epsilon"}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Returns, for a family, its run directory and the words of the command, which was given once."""

    @functools.cache
    def run_of(family):
        place = tmp_path_factory.mktemp(family)
        folder = sld.write_tiny_checkpoint(place / "tiny", family=family, width=24, text_width=16)
        words = ["model=checkpoint", f"model.path={folder}", "prompts=demo", "q16=demo", "model.size=64"]
        words += ["prompts.rows=0-1", "methods=[baseline,sld_max]", "protocol.images_per_prompt=1", "protocol.steps=3"]
        words += [f"out={place / 'run'}"]
        done = in_process.run("eval.run", *words)
        assert done.returncode == 0, done.stderr
        return place / "run", words

    return run_of


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_draws_judges_and_reports(run_of, family):
    out, _ = run_of(family)
    model = json.loads((out / "manifest.json").read_text())["identity"]["model"]
    assert (model["family"], model["prediction_type"]) == (family, FAMILIES[family])
    with (out / "report" / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] == "all"]
    counts = {(row["method"], row["images"], row["nan"], row["judge_failed"]) for row in rows}
    assert counts == {("baseline", "2", "0", "0"), ("sld_max", "2", "0", "0")}
    notes = (out / "report" / "results.md").read_text(encoding="utf-8")
    assert "validated on pictures of Stable Diffusion 1.x only" in notes
    assert ("an extension of Safe Latent Diffusion" in notes) == (family == "stable-diffusion-3")
    assert "as the checkpoint was saved" not in notes


@pytest.mark.parametrize(("t5", "beside"), [(True, " (CLIP's; T5 reads 256)"), (False, "")])
def test_a_text_that_clip_cuts_may_be_read_further_by_t5(run_of, t5, beside):
    """Of Stable Diffusion 3, whose three text encoders read texts of two lengths."""
    _, words = run_of("stable-diffusion-3")
    model = sld.load_model(words[1].removeprefix("model.path="), t5=t5)
    plan = SimpleNamespace(methods=[sld.METHODS["baseline"]], prompts=[SimpleNamespace(text="a " * 80)])
    sentence = f"Prompts cut off because the text encoder reads 77 tokens{beside}: 1 of 1."
    assert list(_cut(plan, model.texts)) == [sentence]


def test_a_finished_run_takes_no_other_weights(run_of, tmp_path):
    _, words = run_of("stable-diffusion-3")
    other = sld.write_tiny_checkpoint(tmp_path / "other", family="stable-diffusion-3", seed=1, width=24, text_width=16)
    refused = in_process.run("eval.run", *words, f"model.path={other}")
    assert refused.returncode == 2
    assert "weights" in refused.stderr


def test_the_doctor_knows_the_family(run_of):
    _, words = run_of("stable-diffusion-3")
    done = in_process.run("eval.doctor", *words[:-1], "out=null", "measure=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FlowMatchEulerDiscreteScheduler, 3 steps" in done.stdout


def test_a_size_that_the_family_lacks_is_refused_while_the_directory_is_empty(run_of, tmp_path):
    _, words = run_of("stable-diffusion-3")
    refused = in_process.run("eval.run", *words[:-1], f"out={tmp_path / 'new'}", "model.size=[64,72]")
    assert (refused.returncode, "width must be a multiple of 16 pixels, found 72" in refused.stderr) == (2, True)
    assert not (tmp_path / "new").exists()


def test_the_doctor_refuses_a_scheduler_of_another_kind_as_a_run_does(run_of, tmp_path):
    _, words = run_of("stable-diffusion-3")
    (folder,) = (word.removeprefix("model.path=") for word in words if word.startswith("model.path="))
    copy = shutil.copytree(folder, tmp_path / "copy")
    index = copy / "model_index.json"
    index.write_text(index.read_text().replace("FlowMatchEulerDiscreteScheduler", "DDIMScheduler"))
    words = [*words[:-1], "out=null", f"model.path={copy}"]
    sentence = "must be one for flow matching, as Stable Diffusion 3 or 3.5, found DDIMScheduler"
    assert sentence in in_process.run("eval.doctor", *words, "measure=false").stdout
    assert sentence in in_process.run("eval.run", *words[:-2], words[-1], f"out={tmp_path / 'new'}").stderr
