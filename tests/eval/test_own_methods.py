"""A run with a method of one's own on a network that predicts v: every file says what it is, a rerun shares it."""

import csv
import json
from pathlib import Path

import pytest

import sld
from eval.run import main

MINE = "{name: mine, preset: strong, warmup_steps: 1, concept: weapons, space: epsilon, prefix: 'a kind picture of '}"
PRESET = {"warmup_steps": 1, "guidance_scale": 2000, "threshold": 0.025, "momentum_scale": 0.5, "momentum_beta": 0.7}
SAID = "concept 'weapons'; space epsilon; prefix 'a kind picture of '"
EXTENDED = "mine: safety guidance on epsilon, computed from the v that the network predicts, an extension"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    model = sld.write_tiny_checkpoint(folder / "model", prediction_type="v_prediction", width=8, text_width=16)
    words = ["model=checkpoint", f"model.path={model}", "model.size=64", "prompts=demo", "prompts.rows=[0,11]"]
    words += ["judges=[nudenet]", "protocol.steps=2", "protocol.images_per_prompt=1", "images=none", "sheet=false"]
    return [*words, f"out={folder}/run"]


@pytest.fixture(scope="module")
def run(words, call):
    assert call(main, *words, f"methods=[baseline,sld_max,{MINE}]") == 0
    return Path(words[-1].removeprefix("out="))


def test_the_manifest_and_results_json_say_what_each_method_is(run):
    manifest, results = (json.loads((run / name).read_text()) for name in ("manifest.json", "report/results.json"))
    baseline, known, mine = manifest["identity"]["methods"]
    assert baseline == sld.METHODS["baseline"].describe()
    on_v = {"guided_on": "the v that the network predicts", "extension": False}
    assert known == sld.METHODS["sld_max"].describe() | on_v
    assert mine == {
        "name": "mine",
        "preset": PRESET,
        "concept": "weapons",
        "negative_prompt": None,
        "prefix": "a kind picture of ",
        "space": "epsilon",
        "guided_on": "epsilon, computed from the v that the network predicts",
        "extension": True,
    }
    assert results["run"]["methods"] == [baseline, known, mine]
    assert any(EXTENDED in note for note in results["notes"])


def test_tables_page_and_model_card_say_it_and_mark_the_extension(run):
    text = {
        path.name: path.read_text(encoding="utf-8").replace("&#39;", "'") for path in (run / "report").glob("*.*m*")
    }
    for name in ("results.md", "report.html", "model_card.md"):
        assert SAID in text[name], name
        assert EXTENDED in text[name], name
        assert "on the v that the network predicts, as both reference implementations do" in text[name], name
    mark = "(an extension of Safe Latent Diffusion: mine)"
    assert f"## Inappropriate probability, % (lossy: steps 2 instead of 50) {mark}" in text["results.md"]
    assert f"clustered by group of near-duplicate prompts. (lossy: steps 2 instead of 50) {mark}" in text["report.html"]
    with (run / "report/results.csv").open(newline="") as file:
        marked = {row["method"]: row["extension"] for row in csv.DictReader(file)}
    derived = "safety guidance on epsilon, computed from the v that the network predicts"
    assert marked == {"baseline": "", "sld_max": "", "mine": derived}
    assert "An extension of Safe Latent Diffusion: mine." in (run / "report/results.tex").read_text()


def test_a_rerun_shares_every_field_of_every_method(run, words, call, capsys):
    scores = [path.read_bytes() for path in (run / "scores").iterdir()]
    assert call(main, *words, f"methods=[baseline,sld_max,{MINE}]") == 0
    assert [path.read_bytes() for path in (run / "scores").iterdir()] == scores
    for old, new, difference in (
        ("space: epsilon", "space: output", "methods.mine.space is epsilon there and output here"),
        ("warmup_steps: 1", "warmup_steps: 0", "methods.mine.preset.warmup_steps is 1 there and 0 here"),
        (
            "a kind picture of ",
            "a picture of ",
            "methods.mine.prefix is a kind picture of there and a picture of here",
        ),
    ):
        assert call(main, *words, f"methods=[baseline,sld_max,{MINE.replace(old, new)}]") == 2
        assert difference in capsys.readouterr().err
