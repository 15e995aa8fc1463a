"""A judge that is added to a run judges the kept pictures; the records that are there stay."""

import json
import shutil
import signal
from pathlib import Path

import cv2
import pyarrow.parquet as pq
import pytest

import eval.doctor.__main__
import eval.status
from eval.generate import judge_folder, judge_later
from eval.judges.nudenet import NudeNet
from eval.run import main
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run

ALWAYS = ["prompts=demo", "protocol.steps=1", "batch_size=4", "sheet=false", "device=cpu", "methods=[baseline,sld_max]"]
BEGUN = [*ALWAYS, "prompts.rows=[0,2]", "judges=[q16]"]
BOTH = [*ALWAYS, "prompts.rows=[0,1,2]", "judges=[q16,nudenet]"]
COLUMNS = ["digest", "state", "q16_safe", "q16_inappropriate", "detections"]


def scores_of(out) -> dict:
    rows = RunDir(out).read_scores().to_pylist()
    return {(row["method"], row["row"], row["image"]): [row[name] for name in COLUMNS] for row in rows}


def parts_of(out) -> dict:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in (out / "scores").glob("*.parquet")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, call):
    """A run that had both judges from the beginning."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert call(main, *BOTH, f"out={out}") == 0
    return out


@pytest.fixture(scope="module")
def begun(tmp_path_factory, call):
    """A run of two prompts with one judge."""
    out = tmp_path_factory.mktemp("begun") / "run"
    assert call(main, *BEGUN, f"out={out}") == 0
    return out


@pytest.fixture
def run(begun, tmp_path):
    return shutil.copytree(begun, tmp_path / "run")


def test_a_judge_and_a_prompt_that_are_added_give_the_run_made_at_once(run, whole, call, capsys):
    before, pictures = parts_of(run), {path: path.stat().st_mtime_ns for path in run.rglob("images/*/*.png")}
    assert call(main, *BOTH, f"out={run}") == 0
    assert scores_of(run) == scores_of(whole)
    assert len(scores_of(run)) == 6
    for name in ("results.csv", "differences.csv", "body_parts.csv"):
        assert (run / "report" / name).read_text() == (whole / "report" / name).read_text(), name
    after = parts_of(run)
    assert before.items() < after.items()
    assert {path: path.stat().st_mtime_ns for path in pictures} == pictures
    new = [pq.read_table(run / "scores" / name) for name in sorted(after.keys() - before.keys())]
    # Of the pictures that were there NudeNet's records alone; of those drawn now both judges'.
    assert sorted((part.num_rows, part["q16_safe"].null_count) for part in new) == [(2, 0), (4, 4)]
    [growth] = json.loads((run / "manifest.json").read_text())["history"]
    assert (growth["judges"], growth["prompts"]) == (["nudenet"], [2, 3])
    assert "judge nudenet; 3 prompts instead of 2" in (run / "report" / "results.md").read_text()
    # Four images were drawn before NudeNet was there; in the environment with it two, and these four were judged again.
    assert sorted(environment.images for environment in read_run(RunDir(run)).environments) == [4, 6]
    capsys.readouterr()
    assert call(main, *BEGUN, f"out={run}") == 2
    assert "found less (judges without nudenet; 2 of its 3 prompts)" in capsys.readouterr().err


def test_what_waits_for_the_judge_counts_as_missing_until_it_has_been_judged(run, whole, call, capsys, monkeypatch):
    words = [*BOTH, "prompts.rows=[0,2]", f"out={run}"]
    capsys.readouterr()
    assert call(eval.doctor.__main__.main, *words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "it grows: judge nudenet; 4 kept pictures to be judged by judges that were added" in said
    with monkeypatch.context() as patch:
        patch.setattr(NudeNet, "judge", broken)
        assert call(main, *words) == 3
    capsys.readouterr()
    assert call(eval.status.main, run) == 3
    said = capsys.readouterr().out
    assert "0 of 4 images" in said
    assert "to be judged yet: 4 by nudenet" in said
    # The report has no picture that one of its judges has not seen.
    assert scores_of(run) == {}
    assert call(main, *words) == 0
    assert scores_of(run) == {key: value for key, value in scores_of(whole).items() if key[1] != 1}


def broken(self, images):
    raise RuntimeError("no session")


def test_a_picture_on_which_the_judge_fails_is_counted_and_tried_again_without_drawing(run, call, monkeypatch):
    words, judge = [*BOTH, "prompts.rows=[0,2]", f"out={run}"], NudeNet.judge
    [first, *_] = sorted((run / "images" / "sld_max").iterdir())
    refused = cv2.imread(str(first))[:, :, ::-1]

    def choosy(self, images):
        if any((image == refused).all() for image in images):
            raise RuntimeError("not this one")
        return judge(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(NudeNet, "judge", choosy)
        assert call(main, *words) == 3
    states = {key: row[1] for key, row in scores_of(run).items()}
    assert [key for key, state in states.items() if state != "ok"] == [("sld_max", 0, 0)]
    assert states["sld_max", 0, 0] == "judge_failed"
    before = parts_of(run)
    drawing = "eval.generate.drawing_run.draw"
    monkeypatch.setattr(drawing, lambda model, batches, *_: iter(batches and pytest.fail("something was drawn")))
    assert call(main, *words) == 0
    assert {row[1] for row in scores_of(run).values()} == {"ok"}
    assert [pq.read_metadata(run / "scores" / name).num_rows for name in parts_of(run).keys() - before.keys()] == [1]


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_picture_that_is_not_there_any_more_is_said_and_drawn_again_only_on_request(run, whole, call, capsys, how):
    picture = run / "images" / "baseline" / "2_0.png"
    if how == "gone":
        picture.unlink()
    else:
        shutil.copy(run / "images" / "baseline" / "0_0.png", picture)
    words, before = [*BOTH, f"out={run}"], parts_of(run)
    capsys.readouterr()
    assert call(main, *words) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    said = {"gone": "found 1 of 4 gone (baseline 2_0)", "changed": "1 gone or changed since (images/baseline/2_0.png)"}
    assert said[how] in sentence
    if how == "gone":
        assert parts_of(run) == before  # nothing has been judged, and nothing drawn
    assert not (run / "images" / "baseline" / "1_0.png").exists()
    assert call(main, *words, "verify=true") == 0
    assert scores_of(run) == scores_of(whole)
    assert picture.read_bytes() == (whole / "images" / "baseline" / "2_0.png").read_bytes()


def test_a_judge_that_is_added_to_a_folder_of_pictures_judges_those_that_were_judged(run, tmp_path, call, capsys):
    folder = tmp_path / "pictures"
    shutil.copytree(run / "images", folder)
    words = ["model=images", f"model.path={folder}", "prompts=demo", "prompts.rows=[0,1,2]", "q16=demo", "device=cpu"]
    words += ["sheet=false"]
    results = {}
    for name, judges in (("both", [["q16", "nudenet"]]), ("grown", [["nudenet"], ["nudenet", "q16"]])):
        for chosen in judges:
            code = call(main, *words, f"judges=[{','.join(chosen)}]", f"out={tmp_path / name}")
            assert code == 3  # row 1 has no pictures
        results[name] = scores_of(tmp_path / name)
    assert results["grown"] == results["both"]
    assert len(results["both"]) == 4
    parts = [pq.read_table(path) for path in sorted((tmp_path / "grown" / "scores").iterdir())]
    assert [(part.num_rows, part["detections"].null_count) for part in parts] == [(4, 0), (4, 4)]
    shutil.copytree(folder / "sld_max", folder / "mine")
    (folder / "baseline" / "0_1.png").write_bytes((folder / "sld_max" / "2_0.png").read_bytes())
    assert call(main, *words, "judges=[nudenet,q16]", f"out={tmp_path / 'grown'}") == 3
    now = scores_of(tmp_path / "grown")
    assert now.items() >= results["grown"].items()
    assert {key: row for key, row in now.items() if key not in results["grown"]} == {
        ("mine", 0, 0): now["sld_max", 0, 0],
        ("mine", 2, 0): now["sld_max", 2, 0],
        ("baseline", 0, 1): now["sld_max", 2, 0],
    }
    last = RunDir(tmp_path / "grown").read_manifest().history[-1]
    assert (last.methods, last.images_per_prompt) == (("mine",), (1, 2))


def test_a_picture_of_a_folder_that_has_changed_is_not_judged_by_a_judge_that_is_added(run, tmp_path, call, capsys):
    folder = shutil.copytree(run / "images", tmp_path / "pictures")
    words = ["model=images", f"model.path={folder}", "prompts=demo", "prompts.rows=[0,2]", "q16=demo", "device=cpu"]
    words += ["sheet=false", f"out={tmp_path / 'judged'}"]
    assert call(main, *words, "judges=[nudenet]") == 0
    picture = folder / "baseline" / "2_0.png"
    size = picture.stat().st_size
    content = cv2.imencode(".png", cv2.imread(str(picture)) // 64)[1].tobytes()
    picture.write_bytes(content + bytes(size - len(content)))  # other pixels in as many bytes
    assert call(main, *words, "judges=[nudenet,q16]") == 2
    assert "1 gone or changed" in capsys.readouterr().err
    assert len(RunDir(tmp_path / "judged").read_stored().unjudged) == 1


def test_pictures_that_were_not_kept_are_counted_before_anything_is_drawn(tmp_path, call, capsys):
    words = [*BEGUN, "prompts.rows=[0]", "methods=[baseline]", "images=none", f"out={tmp_path / 'run'}"]
    assert call(main, *words) == 0
    capsys.readouterr()
    more = [*words, "judges=[q16,nudenet]", "protocol.images_per_prompt=2"]
    assert call(main, *more) == 2
    sentence = capsys.readouterr().err
    assert "must have kept every picture that nudenet is to judge now, found 1 of 1 gone" in sentence
    assert len(parts_of(tmp_path / "run")) == 1
    assert call(main, *more, "verify=true") == 0
    assert len(scores_of(tmp_path / "run")) == 2
    assert Path(tmp_path / "run" / "images").exists() is False


@pytest.mark.parametrize("elsewhere", [False, True], ids=["drawn", "folder"])
def test_a_signal_while_kept_pictures_are_judged_ends_after_the_batch(
    run, whole, tmp_path, call, capsys, monkeypatch, elsewhere
):
    words, out = [*BOTH, "prompts.rows=[0,2]"], run
    if elsewhere:
        words = ["model=images", f"model.path={run / 'images'}", "prompts=demo", "prompts.rows=[0,2]", "q16=demo"]
        words, out = [*words, "device=cpu", "sheet=false"], tmp_path / "elsewhere"
        assert call(main, *words, "judges=[q16]", f"out={out}") == 0
    words, before, judge = [*words, "judges=[q16,nudenet]", f"out={out}"], parts_of(out), NudeNet.judge
    with monkeypatch.context() as patch:
        patch.setattr(judge_later, "BATCH", 1)
        patch.setattr(NudeNet, "judge", lambda *given: signal.raise_signal(signal.SIGTERM) or judge(*given))
        assert call(main, *words) == 3
    assert "SIGTERM arrived; everything done so far is stored" in capsys.readouterr().err
    assert [pq.read_metadata(out / "scores" / name).num_rows for name in parts_of(out).keys() - before.keys()] == [1]
    assert call(main, *words) == 0
    assert scores_of(out) == {key: value for key, value in scores_of(whole).items() if key[1] != 1}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["drawn", "folder"])
def test_a_shard_judges_its_kept_pictures_and_stores_its_records_as_its_own(run, tmp_path, call, elsewhere):
    words, out = [*BOTH, "prompts.rows=[0,2]"], run
    if elsewhere:
        words = ["model=images", f"model.path={run / 'images'}", "prompts=demo", "prompts.rows=[0,2]", "q16=demo"]
        words, out = [*words, "device=cpu", "sheet=false"], tmp_path / "elsewhere"
        assert call(main, *words, "judges=[q16]", f"out={out}") == 0
    before = parts_of(out)
    assert call(main, *words, "judges=[q16,nudenet]", f"out={out}", "shard.count=2", "shard.index=1") == 0
    (part,) = parts_of(out).keys() - before.keys()
    assert part.startswith("00001-")
    assert {row["row"] for row in pq.read_table(out / "scores" / part).to_pylist()} == {2}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["drawn", "folder"])
def test_a_clip_that_judges_later_leaves_its_features_and_has_the_time_limit(
    run, whole, tmp_path, call, monkeypatch, elsewhere
):
    words, limits = [*ALWAYS, "prompts.rows=[0,2]", "judge_timeout=77", f"out={tmp_path / 'later'}"], []
    if elsewhere:
        words = ["model=images", f"model.path={run / 'images'}", "q16=demo", *words[:1], *words[3:5], *words[6:]]
    judge = judge_later.judge

    def noting(*given, timeout=None):
        limits.append(timeout)
        return judge(*given, timeout=timeout)

    for module in (judge_folder, judge_later):
        monkeypatch.setattr(module, "judge", noting)
    assert call(main, *words, "judges=[nudenet]") == 0
    more = [*words, "prompts.rows=[0,1,2]"] if elsewhere else words
    assert call(main, *more, "judges=[nudenet,q16]") == (3 if elsewhere else 0)  # row 1 has no pictures there
    assert set(limits) == {77}
    features = {out: features_of(out) for out in (whole, tmp_path / "later")}
    assert features[tmp_path / "later"] == {key: each for key, each in features[whole].items() if key[1] != 1}


def features_of(out) -> dict:
    rows = (row for path in (out / "features").rglob("*.parquet") for row in pq.read_table(path).to_pylist())
    return {(row["method"], row["row"], row["image"]): (row["digest"], row["embedding"]) for row in rows}
