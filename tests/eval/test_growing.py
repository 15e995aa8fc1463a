"""A run takes more methods, images and prompts in its own folder: what is there stays, what is missing is made."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import in_process
import processes
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_module
from judged import judged

import eval.report.__main__
import eval.status
from eval.config.settings import read_settings
from eval.plan.growth import grow, overlap
from eval.plan.make import make_plan
from eval.plan.record import identity_of
from eval.report.shard import end_shard
from eval.run import main
from eval.store.rundir import RunDir
from eval.store.scores import OK
from eval.store.stored_run import read_run

ALWAYS = ["prompts=demo", "protocol.steps=1", "batch_size=4", "judges=[q16]", "sheet=false", "device=cpu"]
BEGUN = ["prompts.rows=[0,2]", "methods=[sld_max]", "protocol.images_per_prompt=1"]
STEPS = [
    ["prompts.rows=[0,2]", "methods=[baseline,sld_max]", "protocol.images_per_prompt=1"],
    ["prompts.rows=[0,2]", "methods=[baseline,sld_max]", "protocol.images_per_prompt=2"],
    ["prompts.rows=[0,1,2]", "methods=[baseline,sld_max]", "protocol.images_per_prompt=2"],
]
ADDED = ["method baseline", "images per prompt 2 instead of 1", "3 prompts instead of 2"]


def scores_of(out) -> dict:
    rows = pq.read_table(Path(out) / "scores").to_pylist()
    return {(r["method"], r["row"], r["image"]): (r["digest"], r["q16_safe"], r["q16_inappropriate"]) for r in rows}


def files_of(out) -> dict:
    paths = [path for folder in ("scores", "images") for path in (out / folder).rglob("*.p*")]
    return {path.relative_to(out): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def plan_of(*words):
    with initialize_config_module("conf", version_base="1.3"):
        return make_plan(read_settings(compose("run", overrides=[*ALWAYS, *words])))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, call):
    """A run made with everything at once."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert call(main, *ALWAYS, *STEPS[-1], f"out={out}") == 0
    return out


@pytest.fixture(scope="module")
def generations(tmp_path_factory, call):
    """The folder of a run that grew three times: copies of it from before, and at last itself."""
    folder = tmp_path_factory.mktemp("grown")
    out, copies = folder / "run", []
    assert call(main, *ALWAYS, *BEGUN, f"out={out}") == 0
    for words, said in zip(STEPS, ADDED, strict=True):
        copies.append(shutil.copytree(out, folder / f"before{len(copies)}"))
        done = in_process.run("eval.run", *ALWAYS, *words, f"out={out}")
        assert done.returncode == 0
        assert f"{out} grows: {said}.\n" in done.stderr
    return [*copies, out]


@pytest.fixture
def grown(generations, tmp_path):
    return shutil.copytree(generations[-1], tmp_path / "run")


def test_a_run_that_grew_is_the_run_made_at_once_to_the_bit(generations, whole):
    assert scores_of(generations[-1]) == scores_of(whole)
    assert len(scores_of(whole)) == 12
    for name in ("results.csv", "differences.csv"):
        assert (generations[-1] / "report" / name).read_text() == (whole / "report" / name).read_text()


def test_each_growth_makes_only_what_is_missing_and_touches_nothing_that_is_there(generations):
    images = [sum(pq.read_metadata(part).num_rows for part in (out / "scores").iterdir()) for out in generations]
    assert images == [2, 4, 8, 12]
    for before, after in pairwise(generations):
        kept = {path: content for path, (_, content) in files_of(before).items()}
        assert {path: content for path, (_, content) in files_of(after).items() if path in kept} == kept
    times = [{path: time for path, (time, _) in files_of(out).items()} for out in generations]
    assert times[0].items() < times[-1].items()


def test_the_manifest_says_what_came_when_and_by_which_command(generations):
    manifest = json.loads((generations[-1] / "manifest.json").read_text())
    assert (manifest["format"], json.loads((generations[0] / "manifest.json").read_text())["format"]) == (4, 3)
    history = manifest["history"]
    assert [growth["methods"] for growth in history] == [["baseline"], [], []]
    assert [growth["images_per_prompt"] for growth in history] == [None, [1, 2], None]
    assert [growth["prompts"] for growth in history] == [None, None, [2, 3]]
    assert [word for word in history[0]["command"] if "methods" in word] == ["methods=[baseline,sld_max]"]
    formers = [RunDir(out).read_manifest().identity_digest for out in generations[:-1]]
    assert [growth["former"] for growth in history] == formers
    assert manifest["runtime"]["created"] <= history[0]["when"] <= history[1]["when"]
    assert [method["name"] for method in manifest["identity"]["methods"]] == ["baseline", "sld_max"]
    assert manifest["settings"]["protocol"]["images_per_prompt"] == 2


def test_report_and_status_say_when_it_grew(generations, call, capsys):
    text = (generations[-1] / "report" / "results.md").read_text()
    line = next(line for line in text.splitlines() if "grown since" in line)
    for words in ("method baseline", "images per prompt 2 instead of 1", "3 prompts instead of 2"):
        assert words in line
    assert "grown since" not in (generations[0] / "report" / "results.md").read_text()
    assert call(eval.status.main, generations[-1]) == 0
    assert "images per prompt 2 instead of 1" in capsys.readouterr().out


def test_a_shard_that_began_before_the_run_grew_counts_the_images_of_its_own_plan(grown, capsys):
    assert end_shard(RunDir(grown), plan_of(*BEGUN, "shard.count=2", f"out={grown}")) is None
    plan = plan_of(*BEGUN[1:], "prompts.rows=[0,2,5]", "shard.count=3", f"out={grown}")
    assert end_shard(RunDir(grown), plan) == 0
    assert "the others lack 1 image;" in capsys.readouterr().out


def test_less_than_the_run_holds_is_refused_with_its_present_command(generations, call, capsys):
    out = generations[-1]
    command = read_run(RunDir(out)).command
    assert "methods=[baseline,sld_max]" in command
    for words, lacking in (
        (BEGUN, "methods without baseline; 2 of its 3 prompts; 1 of its 2 images per prompt"),
        ([*STEPS[-1][1:], "prompts.rows=[0,2,5]"], "2 of its 3 prompts"),
    ):
        before = files_of(out)
        capsys.readouterr()
        assert call(main, *ALWAYS, *words, f"out={out}") == 2
        sentence = capsys.readouterr().err
        assert f"found less ({lacking})" in sentence
        assert command in sentence
        assert "which has grown since" in sentence
        assert files_of(out) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("protocol.steps=2", "found one whose pictures they would change (protocol.steps is 1 there and 2 here)"),
        ("protocol.guidance_scale=5", "found one whose pictures they would change"),
        ("prompts=demo_control", "found one whose pictures they would change (other prompts here in rows 0, 1, 2)"),
        ("q16.dtype=bfloat16", "found one whose verdicts they would change (judges.q16.dtype"),
        ("protocol.nude_threshold=0.5", "found one whose verdicts they would change (protocol.nude_threshold"),
        ("prompts.groups=rows", "found one whose groups of prompts they would change"),
    ],
)
def test_what_would_change_pictures_or_verdicts_is_another_run_and_which_is_said(
    generations, call, capsys, change, said
):
    capsys.readouterr()
    assert call(main, *ALWAYS, *STEPS[-1], "prompts.rows=[0,1,2,3]", change, f"out={generations[-1]}") == 2
    assert said in capsys.readouterr().err


def test_the_order_of_the_methods_is_that_of_the_last_command(grown, call):
    words = [word.replace("baseline,sld_max", "sld_max,baseline") for word in STEPS[-1]]
    before = files_of(grown)
    assert call(main, *ALWAYS, *words, f"out={grown}") == 0
    assert files_of(grown) == before
    manifest = RunDir(grown).read_manifest()
    assert manifest.method_names == ["sld_max", "baseline"]
    assert [growth.words for growth in manifest.history][-1] == "the methods in another order"
    assert call(main, *ALWAYS, *words, f"out={grown}") == 0
    assert len(RunDir(grown).read_manifest().history) == 4


@pytest.mark.parametrize("lost", [("manifest.json",), ("prompts.jsonl",), ("manifest.json", "prompts.jsonl")])
def test_a_kill_amid_growing_leaves_a_whole_run(generations, grown, call, capsys, lost):
    """The files that are written after the claim of the new generation are still those of the one before."""
    for name in lost:
        shutil.copy(generations[2] / name, grown / name)
    stored = read_run(RunDir(grown))
    assert (len(stored.prompts), len(stored.missing)) == (3, 0)
    assert call(eval.report.__main__.main, grown) == 0
    assert call(main, *ALWAYS, *STEPS[-1], f"out={grown}") == 0
    for name in lost:
        assert (grown / name).read_bytes() == (generations[-1] / name).read_bytes()


def test_a_growth_that_is_killed_is_completed_by_the_same_command(generations, whole, tmp_path, call):
    out = shutil.copytree(generations[0], tmp_path / "run")
    words = [sys.executable, "-m", "eval.run", *ALWAYS, *STEPS[-1], f"out={out}"]
    with processes.start(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (out / "manifests" / "1.json").exists() and process.poll() is None:
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert call(eval.status.main, out) == 3
    assert len(read_run(RunDir(out)).missing) >= 1
    assert call(main, *ALWAYS, *STEPS[-1], f"out={out}") == 0
    assert scores_of(out) == scores_of(whole)
    assert len(RunDir(out).read_manifest().history) == 1


def test_a_generation_in_the_place_of_another_is_refused(generations, tmp_path, call, capsys):
    out = shutil.copytree(generations[0], tmp_path / "run")
    (out / "manifests").mkdir(exist_ok=True)
    shutil.copy(out / "manifest.json", out / "manifests" / "1.json")
    for command, words in ((main, [*ALWAYS, *STEPS[-1], f"out={out}"]), (eval.status.main, [out])):
        capsys.readouterr()
        assert call(command, *words) == 2
        assert (
            "1.json must be the manifest after 1 growth, found the one after 0: restore it" in capsys.readouterr().err
        )


def test_a_kill_before_the_new_generation_is_claimed_leaves_the_old_run(generations, tmp_path, call):
    out = shutil.copytree(generations[2], tmp_path / "run")
    for path in (generations[-1] / "manifests").glob("prompts-*"):
        shutil.copy(path, out / "manifests" / path.name)
    stored = read_run(RunDir(out))
    assert (len(stored.prompts), len(stored.missing)) == (2, 0)
    assert call(main, *ALWAYS, *STEPS[1], f"out={out}") == 0


def test_of_two_processes_that_grow_a_run_at_once_the_second_sees_the_first(generations, tmp_path, caplog):
    out = shutil.copytree(generations[0], tmp_path / "run")
    stored, early = RunDir(out).read_manifest(), RunDir(out)
    early.open(stored)  # a process of the run as it began, which is still drawing
    grew = {}
    for name in ("baseline", "sld_weak"):
        plan = plan_of(f"methods=[{name},sld_max]", *BEGUN[:1], BEGUN[2], f"out={out}")
        identity = identity_of(plan, stored.identity.model.description, {"q16": {}})
        requested = replace(stored, identity=identity, stored_digest=None)
        grew[name] = grow(RunDir(out), stored, requested, plan, overlap(RunDir(out), stored, plan, ["q16"]))
    assert grew == {"baseline": True, "sld_weak": False}
    manifest, late = RunDir(out).read_manifest(), RunDir(out)
    assert (manifest.method_names, len(manifest.history)) == (["baseline", "sld_max"], 1)
    late.open(manifest)
    late.write_scores(0, [judged("baseline", 0, 0, OK, q16=(1.0, 2.0))])
    early.write_scores(0, [judged("sld_max", 5, 0, OK, q16=(1.0, 2.0))])
    for each in (early, late, RunDir(out)):
        assert len(each.done(set_aside=True)) == 2 + 2
    assert "damaged" not in caplog.text
