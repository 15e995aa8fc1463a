"""How far a run is, from its directory alone."""

import json
import os
from dataclasses import replace

import in_process
import pytest
from judged import judged

from eval.base.errors import InputError
from eval.quality.settings import QualitySettings
from eval.status import main, read_status, show
from eval.store.asked import record_asked
from eval.store.rundir import RunDir
from eval.store.scores import BLANK, JUDGE_FAILED, OK

BOTH = {"q16": (2, 1), "detections": ()}
SMALL = ["protocol.steps=1", "prompts.rows=0-5", "methods=[baseline,sld_max]", "batch_size=2", "sheet=false"]


@pytest.fixture
def begun(tmp_path):
    """The first of three shards of a run of six prompts and two methods: four of twelve images."""
    out = tmp_path / "run"
    assert in_process.run("eval.run", f"out={out}", *SMALL, "shard.count=3", "shard.index=0").returncode == 0
    return RunDir(out)


def test_a_run_that_is_under_way_says_what_is_done_and_which_shards_miss_what(begun, capsys, call):
    assert call(main, begun.root) == 3
    said = capsys.readouterr().out
    assert "4 of 12 images (33.3%)" in said
    assert "Missing: 8 images, in shards 1 (4), 2 (4)." in said
    assert sorted(path.name for path in begun.root.iterdir()) == [
        "cache",
        "engine",
        "environments",
        "features",
        "images",
        "manifest.json",
        "prompts.jsonl",
        "scores",
    ]


def test_states_are_counted_and_failed_judgements_are_missing(begun):
    rows = [4, 1, 5]
    states = [BLANK, JUDGE_FAILED, OK]
    begun.write_scores(1, [judged("sld_max", row, 0, state, **BOTH) for row, state in zip(rows, states, strict=True)])
    status = read_status(begun)
    assert status.states["sld_max"] == {OK: 3, BLANK: 1, JUDGE_FAILED: 1}
    assert (status.images, status.done, status.missing) == (12, 6, 6)
    assert "judge_failed" in show(begun, status)
    assert "Missing: 1 image, in shards 2 (1)." in show(begun, replace(status, done=11, shards={2: 1}))
    assert "Missing: 1 image." in show(begun, replace(status, done=11, shards=None))


def test_quality_metrics_that_were_asked_for_and_are_not_measured_everywhere_are_named(begun, capsys, call):
    record_asked(begun, QualitySettings(["clip_distance", "lpips"]))
    assert call(main, begun.root) == 3
    sentence = (
        "Measured: lpips of 0 of 2 pairs of pictures. The run's own command measures those of pictures that are kept."
    )
    assert sentence in " ".join(capsys.readouterr().out.split())
    record_asked(begun, QualitySettings(["clip_distance"]))
    assert call(main, begun.root) == 3
    assert "Measured" not in capsys.readouterr().out


def test_a_run_whose_quality_was_asked_for_has_a_status_before_its_first_score_and_beside_foreign_ones(begun):
    record_asked(begun, QualitySettings(["clip_distance"]))
    begun.write_scores(1, [judged("baseline", 1000, 0, OK, **BOTH), judged("foreign", 1, 0, OK, **BOTH)])
    assert (read_status(begun).done, read_status(begun).quality) == (4, ())
    for path in (begun.root / "scores").iterdir():
        path.unlink()
    status = read_status(RunDir(begun.root))
    assert (status.done, status.missing, status.quality) == (0, 12, ())


def test_the_rate_is_that_of_the_last_half_hour_of_work(begun):
    first = min((begun.root / "scores").iterdir())
    start = first.stat().st_mtime + 10_000
    for minute in range(0, 61, 10):  # two images each ten minutes, 12 an hour, however long ago the rest was
        begun.write_scores(1, [judged("baseline", 1000 + minute, image, OK, **BOTH) for image in (0, 1)])
        newest = max((begun.root / "scores").glob("00001-*"))
        os.utime(newest, (start + 60 * minute,) * 2)
    status = read_status(begun)
    assert status.rate == pytest.approx(12)
    assert "Recently 12 images per hour, 40.0 minutes left; " in show(begun, status)
    assert "Recently 0.25 images per hour, 32.0 hours left; " in show(begun, replace(status, rate=0.25))
    assert "Recently 28,800 images per hour, 1 second left; " in show(begun, replace(status, rate=28_800.0))


def test_a_few_seconds_of_work_have_no_rate(begun):
    begun.write_scores(1, [judged("baseline", 1, 0, OK, **BOTH)])
    for seconds, path in enumerate(sorted((begun.root / "scores").iterdir())):
        os.utime(path, (1e9 + 4 * seconds,) * 2)
    status = read_status(begun)
    assert (status.done, status.rate) == (5, None)
    assert "\nToo few recent images for a rate; " in show(begun, status)


def test_a_folder_that_holds_no_run_is_said_to_be_none(tmp_path):
    with pytest.raises(InputError, match="must be a run directory"):
        read_status(RunDir(tmp_path))


def test_a_clock_that_was_set_back_gives_no_negative_time(begun):
    manifest = json.loads(begun.manifest_path.read_text())
    assert manifest["settings"]["shard"]["count"] == 3
    for path in (begun.root / "scores").iterdir():
        os.utime(path, (4e9, 4e9))  # written in the future
    status = read_status(begun)
    assert status.idle == 0
    assert "-" not in show(begun, status).splitlines()[1]
