"""Metrics that were asked for by name get their features from the kept pictures: each looked at once, none twice."""

import hashlib
import os
import shutil
import signal
import subprocess
from collections import Counter

import numpy as np
import processes
import pytest
import quality_weights
import tiny_clip
from judged import judged
from manifests import manifest_of

from eval.base.image_key import ImageKey
from eval.base.pictures import encode_png, read_picture
from eval.generate import quality
from eval.judges.q16 import Q16
from eval.quality.clip import Clip
from eval.quality.extractor import extractor_class
from eval.quality.settings import QualitySettings
from eval.run import main
from eval.store.features import read_features
from eval.store.rundir import RunDir
from eval.store.scores import BLANK, JUDGE_FAILED, NAN, OK, to_table
from eval.store.stored_run import read_run

NEVER = "{name: never, preset: strong, warmup_steps: 99}"
SMALL = ["prompts.rows=0-3", "protocol.steps=1", f"methods=[baseline,{NEVER},sld_max]", "sheet=false", "batch_size=4"]
SMALL += ["judges=[nudenet]", "report.gallery=off", "device=cpu"]
ASKED = ["quality=[clip_score,clip_distance]"]
COLUMNS = ["embedding", "text_cosine", "text_cut"]


@pytest.fixture(scope="module")
def clip_files(tmp_path_factory):
    return tiny_clip.make(tmp_path_factory.mktemp("clip"), vocab_size=49408)


@pytest.fixture(scope="module")
def words(clip_files):
    return [*SMALL, *clip_files.words]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, words, call):
    """A finished run whose judges leave no features."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert call(main, *words, f"out={out}") == 0
    assert not (out / "features").exists()
    return out


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return RunDir(tmp_path / "run")


@pytest.fixture
def looked_at(monkeypatch):
    """The number of pictures in each call of CLIP."""
    sizes, real = [], Clip.rows
    monkeypatch.setattr(Clip, "rows", lambda self, *more: sizes.append(len(more[0])) or real(self, *more))
    return sizes


def images(run) -> int:
    stored = read_features(run, run.read_scores())
    return stored["clip"].images if "clip" in stored else 0


def pictures_of(run):
    stored = read_run(run)
    keys = stored.scores.select(["method", "row", "image"]).to_pylist()
    return stored, keys, [run.image_path(*key.values()) for key in keys]


def test_a_finished_run_is_asked_for_another_metric_and_equal_pictures_are_looked_at_once(
    run, words, clip_files, call, looked_at
):
    scores = run.read_scores()
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    assert sum(looked_at) == 8, "the four pictures of baseline are those of the method that never acts"
    assert run.read_scores().equals(scores)
    stored, keys, paths = pictures_of(RunDir(run.root))
    judge = Q16(clip_files.architecture, clip_files.weights, clip_files.prompts, with_text=True)
    texts = {prompt.row: prompt.text for prompt in stored.prompts}
    expected = Clip(judge).rows([read_picture(path) for path in paths], [texts[key["row"]] for key in keys])
    arrays = stored.features["clip"].aligned(stored.scores, COLUMNS)
    for name in COLUMNS:
        np.testing.assert_array_equal(arrays[name], np.float32([row[name] for row in expected]))
    looked_at.clear()
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    assert looked_at == []


def test_pictures_that_no_judge_has_judged_have_no_features():
    states = (OK, BLANK, NAN, JUDGE_FAILED, OK)
    scores = to_table(judged("baseline", row, 0, state, digest=f"d{row}") for row, state in enumerate(states))
    assert quality._judged(scores) == {("baseline", 0, 0): "d0", ("baseline", 4, 0): "d4"}


def test_a_picture_without_one_of_its_size_to_compare_with_is_counted_by_the_reason(tmp_path):
    """The first method's may be blank, so that none has judged it, or of another size, in a folder made elsewhere."""
    run, rng = RunDir(tmp_path), np.random.default_rng(0)
    pixels = {
        ImageKey(method, row, 0): rng.integers(0, 256, (8, 8 + 8 * (method == "mine" and row == 1), 3), dtype=np.uint8)
        for method in ("baseline", "mine")
        for row in range(3)
    }
    run.write_images((key, encode_png(picture)) for key, picture in pixels.items())
    digests = {key: hashlib.sha256(picture).hexdigest() for key, picture in pixels.items()}
    judged_ones = {key: digest for key, digest in digests.items() if key != ("baseline", 2, 0)}
    mine, lacking = {key: digest for key, digest in digests.items() if key.method == "mine"}, Counter()
    manifest = manifest_of(methods=("baseline", "mine"))
    looks = list(
        quality._looks(run, manifest, mine, set(), "baseline", judged_ones, dict.fromkeys(range(3), "a"), lacking)
    )
    (seen,) = quality._read(looks, lacking)
    assert seen.look.keys == (("mine", 0, 0),)
    assert (seen.pixels == pixels["mine", 0, 0]).all()
    assert (seen.reference == pixels["baseline", 0, 0]).all()
    assert lacking == {quality.NO_REFERENCE: 1, quality.OTHER_SIZE: 1}


def test_auto_looks_at_no_stored_picture_again(run, words, call, looked_at):
    assert call(main, *words, "quality=auto", f"out={run.root}") == 0
    assert looked_at == []
    assert images(run) == 0


def test_a_run_that_q16_judges_loads_it_for_no_feature_that_is_there(clip_files, words, tmp_path, call, monkeypatch):
    drawn = [*words, "judges=[q16]", "prompts.rows=0-1", f"out={tmp_path}/run"]
    assert call(main, *drawn, *ASKED) == 0
    assert images(RunDir(tmp_path / "run")) == 6
    monkeypatch.setattr(quality, "load_extractor", lambda *_: pytest.fail("loaded"))
    assert call(main, *drawn, *ASKED) == 0
    shutil.rmtree(tmp_path / "run/features")  # as of an older version, or of quality=[]
    monkeypatch.undo()
    assert call(main, *drawn, *ASKED) == 0
    assert images(RunDir(tmp_path / "run")) == 6


KILLED = """
import os, signal, sys
import eval.generate.quality as quality
from eval.run import main
write = quality.write_features
def write_and_die(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
quality.write_features, quality.PART, quality.BATCH = write_and_die, 3, 3
main()
"""


@pytest.mark.process
def test_a_killed_stage_goes_on_where_it_was(run, words, tmp_path, call, looked_at):
    (tmp_path / "killed.py").write_text(KILLED)
    command = [processes.python(), tmp_path / "killed.py", *words, *ASKED, f"out={run.root}"]
    done = processes.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    stored = images(run)
    assert 3 <= stored <= 6
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    assert images(RunDir(run.root)) == 12
    assert sum(looked_at) == 8 - 3


@pytest.mark.process
def test_two_processes_at_once_leave_each_picture_its_features(run, words):
    command = [processes.python(), "-m", "eval.run", *words, *ASKED, f"out={run.root}"]
    both = [processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, error = process.communicate()
        assert process.returncode == 0, error
    assert images(run) == 12


def test_a_signal_ends_the_stage_after_its_batch_and_the_same_command_resumes(run, words, call, monkeypatch, capsys):
    monkeypatch.setattr(quality, "BATCH", 2)
    real = Clip.rows
    monkeypatch.setattr(Clip, "rows", lambda self, *more: os.kill(os.getpid(), signal.SIGTERM) or real(self, *more))
    assert call(main, *words, *ASKED, f"out={run.root}") == 3
    assert "SIGTERM arrived; everything done so far is stored" in capsys.readouterr().err
    assert 2 <= images(run) <= 4
    monkeypatch.undo()
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    assert images(RunDir(run.root)) == 12


def test_pictures_that_are_gone_cut_off_or_changed_have_no_features_and_are_counted(run, words, call, caplog):
    paths = [run.image_path("sld_max", row, 0) for row in range(3)]
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-20])
    paths[2].write_bytes(encode_png(255 - read_picture(paths[2])))
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    assert (
        "clip_score and clip_distance: without 3 pictures: 1 not kept, 2 changed since they were judged." in caplog.text
    )
    stored = read_run(RunDir(run.root))
    cosines = stored.features["clip"].aligned(stored.scores, ["text_cosine"])["text_cosine"]
    assert int(np.isfinite(cosines).sum()) == stored.features["clip"].images == 9


def test_a_damaged_part_is_set_aside_and_its_features_are_made_again(run, words, call):
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    (part,) = run.root.glob("features/clip-*/*.parquet")
    part.write_bytes(part.read_bytes()[:-30])
    assert call(main, *words, *ASKED, f"out={run.root}") == 0
    assert images(RunDir(run.root)) == 12
    assert [path.name for path in part.parent.glob("*.damaged")] == ["00000-000000.parquet.damaged"]


def test_each_shard_looks_at_its_own_pictures(words, tmp_path, call, capsys):
    shards = [[*words, *ASKED, f"out={tmp_path}/run", "shard.count=2", f"shard.index={index}"] for index in range(2)]
    assert call(main, *shards[1]) == 0
    run = RunDir(tmp_path / "run")
    scores = run.read_scores()
    assert images(run) == scores.num_rows == 6
    assert {path.name[:5] for path in run.root.glob("features/*/*.parquet")} == {"00001"}
    assert call(main, *shards[0]) == 0
    assert images(RunDir(run.root)) == 12


def test_pictures_of_a_folder_are_looked_at_where_they_lie(finished, words, clip_files, tmp_path, call):
    judged = ["model=images", f"model.path={finished}/images", "prompts=demo", "prompts.rows=0-3", "judges=[nudenet]"]
    judged += [*clip_files.words, "device=cpu", "report.gallery=off", f"out={tmp_path}/judged"]
    assert call(main, *judged, *ASKED) == 0
    assert images(RunDir(tmp_path / "judged")) == 12


def test_a_missing_weights_file_is_told_before_anything_is_drawn(words, tmp_path, call, capsys):
    gone = [*words, f"q16.weights={tmp_path}/gone.safetensors", f"out={tmp_path}/run"]
    assert call(main, *gone, *ASKED) == 2
    assert "found no file at" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_pictures_are_compared_with_the_first_methods_of_the_same_row(run, words, tmp_path, call, monkeypatch, caplog):
    path = quality_weights.random_backbone(tmp_path / "alex.pth", "alex")
    quality_weights.expect_backbone(monkeypatch, path, "alex")
    run.image_path("baseline", 3, 0).unlink()
    run.image_path("never", 3, 0).unlink()
    run.image_path("sld_max", 2, 0).unlink()
    assert call(main, *words, "quality=[lpips]", f"quality.lpips_weights={path}", f"out={run.root}") == 0
    stored, keys, paths = pictures_of(RunDir(run.root))
    found = stored.features["lpips"].aligned(stored.scores, ["distance"])["distance"]
    lpips = extractor_class("lpips").load(QualitySettings(["lpips"], lpips_weights=str(path)), "cpu")
    for key, path, distance in zip(keys, paths, found, strict=True):
        if key["row"] == 3 or (key["method"], key["row"]) == ("sld_max", 2):
            assert np.isnan(distance)
            continue
        pair = [read_picture(path)], [""], [read_picture(run.image_path("baseline", key["row"], 0))]
        assert distance == pytest.approx(lpips.rows(*pair)[0]["distance"])
        assert (distance == 0) == (key["method"] != "sld_max")
    assert stored.features["lpips"].description["against"] == "baseline"
    assert "lpips: without 4 pictures: 3 not kept, 1 without the first method's." in caplog.text
