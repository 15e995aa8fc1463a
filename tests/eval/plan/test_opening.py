"""A complete run is reported without loading anything, unless something has changed since it was opened."""

import os
import shutil
import sys
from dataclasses import replace

import in_process
import processes
import pytest
from hydra import compose, initialize_config_module

import sld
from eval.base import fingerprints
from eval.base.errors import InputError
from eval.config.settings import read_settings
from eval.generate import models
from eval.plan.make import make_plan
from eval.plan.opening import opening_of
from eval.store.pictures import write_pictures
from eval.store.rundir import RunDir

pytestmark = pytest.mark.long

SMALL = ["prompts=harmless", "prompts.rows=[0,1]", "protocol.steps=1", "methods=[baseline]", "judges=[q16]", "q16=demo"]
OWN_PROMPTS = ["prompts=i2p", "protocol.images_per_prompt=1", "model.size=64"]  # of a file that a test names
# The command, and which of these modules it has imported, at the end of stderr.
WATCHED = """
import atexit, sys
from eval.run import main
heavy = {"torch", "diffusers", "transformers", "open_clip", "onnxruntime", "scipy.stats"}
atexit.register(lambda: print("loaded:", *sorted(heavy & set(sys.modules)), file=sys.stderr))
main()
"""


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A complete run of a checkpoint: its folder, its words and what it printed."""
    folder = tmp_path_factory.mktemp("opening")
    sld.write_tiny_checkpoint(folder / "model", width=8, text_width=16)
    words = ["model=checkpoint", f"model.path={folder}/model", f"out={folder}/run", *SMALL]
    done = in_process.run("eval.run", *words)
    assert done.returncode == 0, done.stderr
    return folder, words, done.stdout


@pytest.fixture
def own(complete, tmp_path):
    """The same for one test alone, which finds the run complete at first."""
    folder, words, _ = complete
    for name in ("model", "run"):
        shutil.copytree(folder / name, tmp_path / name)
    words = [word.replace(str(folder), str(tmp_path)) for word in words]
    assert in_process.run("eval.run", *words).returncode == 0
    return tmp_path, words


def opened(words):
    """What opening depends on, and the plan."""
    with initialize_config_module("conf", version_base="1.3"):
        settings = read_settings(compose("run", overrides=words))
    return opening_of(RunDir(settings.out), settings), make_plan(settings)


def loads(monkeypatch, words) -> bool:
    """Whether the command loads a model."""
    loaded, load = [], models.load_model
    monkeypatch.setattr(models, "load_model", lambda *arguments: loaded.append(arguments) or load(*arguments))
    assert in_process.run("eval.run", *words).returncode == 0
    return bool(loaded)


def test_a_complete_run_prints_its_report_again_and_imports_nothing_heavy(complete):
    _, words, printed = complete
    command = [sys.executable, "-c", WATCHED, *words]
    done = processes.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
    assert done.stderr.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("word", ["report.margin=5", "sheet=true", "shard.count=2", "out=other"])
def test_what_changes_no_picture_does_not_change_the_opening(complete, word):
    _, words, _ = complete
    assert opened(words)[0].digest == opened([*words, word])[0].digest is not None


@pytest.mark.parametrize("word", ["batch_size=2", "dtype=float64", "protocol.steps=3", "q16.dtype=float32"])
def test_another_setting_is_another_opening(complete, word):
    _, words, _ = complete
    opening, plan = opened([*words, word])
    assert opened(words)[0].digest != opening.digest
    assert not opening.is_complete(plan)


@pytest.mark.parametrize("word", ["verify=true", "quality.metrics=[clip_score]"])
def test_a_run_that_looks_at_its_pictures_always_loads(complete, word):
    _, words, _ = complete
    opening, plan = opened([*words, word])
    assert opening.digest is None  # so that the second run of the same words loads too
    assert not opening.found_paths
    assert not opening.is_complete(plan)


def test_a_judge_of_another_package_may_read_anything(complete):
    _, words, _ = complete
    with initialize_config_module("conf", version_base="1.3"):
        settings = read_settings(compose("run", overrides=words))
    assert opening_of(RunDir(settings.out), settings).digest is not None
    settings = replace(settings, judges=[*settings.judges, "softness"])
    assert opening_of(RunDir(settings.out), settings).digest is None


def test_other_devices_are_another_opening(complete, monkeypatch):
    _, words, _ = complete
    before = opened(words)[0].digest
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert opened(words)[0].digest != before


def test_a_folder_of_too_many_files_is_always_loaded(complete, monkeypatch):
    _, words, _ = complete
    monkeypatch.setattr(fingerprints, "MOST", 3)
    assert opened(words)[0].digest is None


def test_files_that_a_judge_reads_and_paths_from_home_are_looked_at(complete, tmp_path, monkeypatch):
    _, words, _ = complete
    monkeypatch.setenv("HOME", str(tmp_path))
    for word, name in (("q16.prompts={}/pair.p", "pair.p"), ("model.unet='~/unet.safetensors'", "unet.safetensors")):
        (tmp_path / name).write_bytes(b"one")
        before = opened([*words, word.format(tmp_path)])[0].digest
        (tmp_path / name).write_bytes(b"another")
        assert opened([*words, word.format(tmp_path)])[0].digest != before, word


@pytest.mark.parametrize("word", ["model.path=owner/name", "q16.weights=hf-hub:owner/name"])
def test_what_the_hubs_cache_holds_of_a_repository_is_looked_at(complete, tmp_path, monkeypatch, word):
    _, words, _ = complete
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with initialize_config_module("conf", version_base="1.3"):
        settings = read_settings(compose("run", overrides=[*words, word]))
    digests = [opening_of(RunDir(settings.out), settings).digest]
    for place in ("refs/main", "snapshots/0123/model_index.json"):
        path = tmp_path / "models--owner--name" / place
        path.parent.mkdir(parents=True)
        path.write_text("0123")
        digests.append(opening_of(RunDir(settings.out), settings).digest)
    assert len({*digests}) == 3


@pytest.mark.parametrize("content", ["[]", "{", '{"opening": null}'])
def test_a_record_that_is_none_is_no_obstacle(own, content):
    folder, words = own
    (folder / "run" / "cache" / "opening.json").write_text(content)
    opening, plan = opened(words)
    assert not opening.found_paths
    assert not opening.is_complete(plan)


def test_a_touched_file_of_the_checkpoint_is_loaded_again_once(own, monkeypatch):
    folder, words = own
    assert not loads(monkeypatch, words)
    os.utime(folder / "model" / "scheduler" / "scheduler_config.json")
    assert loads(monkeypatch, words)
    assert not loads(monkeypatch, words)


def test_a_checkpoint_with_other_weights_is_refused(own):
    folder, words = own
    shutil.rmtree(folder / "model")
    sld.write_tiny_checkpoint(folder / "model", seed=5, width=8, text_width=16)
    done = in_process.run("eval.run", *words)
    assert done.returncode == 2
    assert "found one whose pictures they would change (model.weights" in done.stderr


def test_a_run_that_lacks_something_is_not_complete(own):
    folder, words = own
    for lost in ("scores", "prompts.jsonl", "manifest.json", "cache"):
        opening, plan = opened(words)
        assert opening.is_complete(plan)
        (folder / "run" / lost).rename(folder / "lost")
        opening, plan = opened(words)
        assert not opening.is_complete(plan), lost
        (folder / "lost").rename(folder / "run" / lost)


def test_other_prompts_in_the_same_file_are_not_complete(complete, tmp_path):
    _, words, _ = complete
    path = tmp_path / "mine.txt"
    path.write_text("a cat\na dog\n")
    words = [*words[:2], *OWN_PROMPTS, f"prompts.path={path}", f"out={tmp_path}/mine", *SMALL[1:]]
    assert in_process.run("eval.run", *words).returncode == 0
    opening, plan = opened(words)
    assert opening.is_complete(plan)
    path.write_text("a cat\na hat\n")
    opening, plan = opened(words)
    assert opening.found_paths
    assert not opening.is_complete(plan)


def test_a_folder_of_pictures_is_complete_until_its_list_changes(complete, tmp_path):
    folder, _, _ = complete
    pictures, out = tmp_path / "pictures", tmp_path / "judged"
    shutil.copytree(folder / "run" / "images" / "baseline", pictures)
    words = ["model=images", f"model.path={pictures}", "model.method=mine", f"out={out}", *SMALL[:2], *SMALL[4:]]
    done = in_process.run("eval.run", *words)
    assert done.returncode == 0, done.stderr
    opening, plan = opened(words)
    assert opening.is_complete(plan)
    (out / "pictures.parquet").write_bytes(b"damaged")
    assert not opening.is_complete(plan)
    write_pictures(RunDir(out), plan.folder)
    assert opening.is_complete(plan)
    for path in pictures.glob("*_0.png"):
        path.write_bytes(path.read_bytes() + b" ")
    opening, plan = opened(words)
    with pytest.raises(InputError, match="gone or changed since"):
        opening.is_complete(plan)


def test_other_groups_of_the_same_prompts_are_refused_of_a_complete_run(complete, tmp_path):
    _, words, _ = complete
    path = tmp_path / "mine.csv"
    path.write_text("prompt,group\na cat,a\na dog,b\n")
    words = [*words[:2], *OWN_PROMPTS, f"prompts.path={path}", f"out={tmp_path}/mine", *SMALL[1:]]
    assert in_process.run("eval.run", *words).returncode == 0
    path.write_text("prompt,group\na cat,a\na dog,a\n")
    done = in_process.run("eval.run", *words)
    assert done.returncode == 2
    assert "its prompts are in other groups by the column 'group' (2 then, 1 now)" in done.stderr


def test_a_run_that_another_process_let_grow_is_not_complete_for_the_earlier_command(own):
    _, words = own
    opening, plan = opened(words)
    more = [word.replace("rows=[0,1]", "rows=[0,1,2]") for word in words]
    assert in_process.run("eval.run", *more).returncode == 0
    opening.keep(plan)  # of a process that began earlier and ends now
    assert not opening.is_complete(plan)
    done = in_process.run("eval.run", *words)
    assert done.returncode == 2
    assert "found less (2 of its 3 prompts)" in done.stderr
