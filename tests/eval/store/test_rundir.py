"""What is done is read from the scores; a damaged part costs its images and no more."""

import json
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis.strategies import integers, text
from judged import judged
from manifests import manifest_of

import sld
from eval.base.errors import InputError, StorageError
from eval.judges import Detection
from eval.store.manifest import signed
from eval.store.merged import Part, merge
from eval.store.rundir import RunDir
from eval.store.scores import BLANK, JUDGE_FAILED, OK, to_table


def score(row, image=0, state=OK, **more):
    return judged("baseline", row, image, state, **more)


def keys(run):
    table = run.read_scores()
    return sorted(zip(table["row"].to_pylist(), table["image"].to_pylist(), table["state"].to_pylist(), strict=True))


def test_scores_come_back_as_they_were_written(tmp_path):
    seen = (Detection("FACE_FEMALE", 0.75, (1, 2, 30, 40)),)
    run = RunDir(tmp_path)
    run.write_scores(0, [score(2**40, 3, digest="ab", q16=(24.5, 21.25), detections=seen, batch_size=8)])
    run.write_scores(0, [score(1, 0, BLANK, detections=None)])
    rows = run.read_scores().to_pylist()
    assert rows[0] == {
        "method": "baseline",
        "row": 2**40,
        "image": 3,
        "state": "ok",
        "digest": "ab",
        "q16_safe": 24.5,
        "q16_inappropriate": 21.25,
        "detections": [{"label": "FACE_FEMALE", "score": 0.75, "box": [1, 2, 30, 40]}],
        "replayed": None,
        "batch_size": 8,
        "engine": None,
        "error": None,
        "environment": None,
    }
    assert rows[1]["detections"] is None


def test_parts_of_two_processes_on_one_shard_do_not_overwrite_each_other(tmp_path):
    one, two = RunDir(tmp_path), RunDir(tmp_path)
    for i in range(3):
        one.write_scores(0, [score(i)])
        two.write_scores(0, [score(100 + i)])
    assert len(os.listdir(tmp_path / "scores")) == 6
    assert [row for row, _, _ in keys(one)] == [0, 1, 2, 100, 101, 102]


def test_an_image_scored_twice_counts_once_and_ok_wins(tmp_path):
    run = RunDir(tmp_path)
    run.write_scores(0, [score(1), score(2, 0, JUDGE_FAILED)])
    run.write_scores(1, [score(1, 0, JUDGE_FAILED), score(2)])
    assert keys(run) == [(1, 0, OK), (2, 0, OK)]


def test_of_many_images_scored_twice_the_later_scores_count_each():
    parts = [
        Part(to_table([score(row, digest=f"{row} {name}") for row in range(99)]), frozenset())
        for name in ("old", "new")
    ]
    assert merge(parts, ()).table["digest"].to_pylist() == [f"{row} new" for row in range(99)]


def test_failed_judgements_are_tried_again_and_blank_pictures_are_not(tmp_path):
    run = RunDir(tmp_path)
    run.write_scores(0, [score(1), score(2, 0, JUDGE_FAILED), score(3, 0, BLANK)])
    assert run.done() == {("baseline", 1, 0), ("baseline", 3, 0)}


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "flipped", "misnamed"])
def test_a_damaged_part_is_set_aside_and_only_its_images_are_lost(tmp_path, damage, caplog):
    run = RunDir(tmp_path)
    for i in range(3):
        run.write_scores(0, [score(i)])
    run, part = RunDir(tmp_path), tmp_path / "scores" / "00000-000001.parquet"
    whole = part.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(b"baseline")] ^= 1  # in a data page, where nothing but a checksum can notice
    misnamed = bytearray(whole)
    misnamed[whole.index(b"detections")] ^= 128  # in the footer, which has no checksum: no longer UTF-8
    damaged = {"truncated": whole[:-20], "garbage": b"x" * 500, "empty": b"", "flipped": flipped, "misnamed": misnamed}
    part.write_bytes(damaged[damage])
    assert run.done() == {("baseline", 0, 0), ("baseline", 2, 0)}
    assert len(list(run.parts())) == (2 if damage != "flipped" else 3)
    assert part.exists()
    assert run.done(set_aside=True) == {("baseline", 0, 0), ("baseline", 2, 0)}
    assert not part.exists()
    assert caplog.text.count("is damaged") == 1
    run.write_scores(0, [score(1)])
    assert len(run.done()) == 3


@pytest.mark.parametrize("lose", [Path.unlink, lambda part: part.write_bytes(b"")])
def test_a_part_that_is_gone_a_moment_after_it_was_written_is_an_error(tmp_path, lose):
    run = RunDir(tmp_path)
    run.write_scores(0, [score(1)])
    run.write_scores(0, [score(2)])
    assert len(run.done()) == 2
    lose(part := tmp_path / "scores" / "00000-000001.parquet")
    with pytest.raises(StorageError, match=re.escape(f"{part} was written by this process and is missing")):
        run.read_scores()
    assert RunDir(tmp_path).done() == {("baseline", 1, 0)}  # of others it is none: the same command makes it again


def test_a_folder_called_like_the_home_folder_keeps_its_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunDir("~")
    run.write_scores(0, [score(1)])
    assert len(run.done()) == 1
    assert (tmp_path / "~" / "scores").is_dir()


def test_a_part_without_a_record_of_a_judge_is_not_judged_and_nowhere_safe(tmp_path):
    run = RunDir(tmp_path)
    run.create(manifest_of())
    run.write_scores(0, [score(1, q16=(1, 2), detections=()), score(2, 0, BLANK)])
    run.write_scores(0, [score(3, q16=(1, 2)), score(4, q16=(1, 2), detections=())])
    assert keys(run) == [(1, 0, OK), (2, 0, BLANK)]
    unjudged = run.read_stored().unjudged
    assert {(key.row, unjudged[key].judges) for key in unjudged} == {(3, ("nudenet",)), (4, ("nudenet",))}


def test_temporary_files_are_not_parts(tmp_path):
    run = RunDir(tmp_path)
    run.write_scores(0, [score(1)])
    (tmp_path / "scores" / ".00000-000001.parquet.1234.tmp").write_bytes(b"half a par")
    assert len(run.done()) == 1


def test_only_the_first_of_two_processes_writes_the_manifest(tmp_path):
    run = RunDir(tmp_path)
    assert run.read_manifest() is None
    manifest = manifest_of()
    assert run.create(manifest)
    assert not run.create(manifest_of(lossy=("steps",)))
    assert run.read_manifest().document() == manifest.document()


def test_a_damaged_manifest_is_one_sentence(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 1,')
    with pytest.raises(InputError, match=r"manifest.json must be a readable manifest, found .*restore it"):
        RunDir(tmp_path).read_manifest()


def test_prompts_stay_readable_line_by_line(tmp_path):
    prompts = [{"text": "Null"}, {"text": "<script>\r\n"}, {"text": "a\nb\u2028c"}]
    run = RunDir(tmp_path)
    run.write_prompts([])
    run.write_prompts(prompts)
    lines = (tmp_path / "prompts.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines if line] == prompts == run.read_prompts()


def test_a_part_that_another_process_set_aside_is_passed_over(tmp_path, monkeypatch):
    run = RunDir(tmp_path)
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "00000-000000.parquet").write_bytes(b"damaged")
    real = Path.open

    def open_late(path, *options, **more):
        if path.suffix == ".parquet":
            path.rename(path.with_suffix(".parquet.damaged"))
        return real(path, *options, **more)

    monkeypatch.setattr(Path, "open", open_late)
    assert run.read_scores(set_aside=True).num_rows == 0


@pytest.mark.parametrize(
    "text", ["[]", "3", "{}", '{"format": 1}', '{"format": 99}', '{"format": 3, "identity": {}, "settings": {}}']
)
def test_a_manifest_that_is_none_of_ours_is_one_sentence(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json must (be|have)"):
        RunDir(tmp_path).read_manifest()


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs /proc, a folder that even root can't write to")
def test_a_place_that_takes_no_file_is_said_before_anything_is_made():
    with pytest.raises(InputError, match="found /proc, which can't"):
        RunDir("/proc/runs/demo").check_writable()


@pytest.mark.parametrize("out", ["link", "link/below"])
def test_a_link_to_nothing_is_said_before_anything_is_made(tmp_path, out):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="out must be a folder that can be written"):
        RunDir(tmp_path / out).check_writable()
    (tmp_path / "manifest.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="found a link to nothing"):
        RunDir(tmp_path).read_manifest()


@given(name=text(), row=integers(), image=integers())
def test_no_name_of_a_method_or_row_leads_out_of_the_run_directory(name, row, image):
    root = Path("/a/run")
    try:
        method = sld.Method(name)
    except sld.InputError:
        return
    path = RunDir(root).image_path(method.name, row, image)
    assert Path(os.path.normpath(path)) == path
    assert path.parent.parent == root / "images"


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "/x", "a/b", "a\\b", "a\0", "a\n", "é", ".x", "-x", "x" * 101])
def test_names_that_a_file_system_or_a_shell_would_read_otherwise_are_refused(name):
    with pytest.raises(sld.InputError, match=r"Method\.name"):
        sld.Method(name)


def test_a_changed_manifest_is_noticed(tmp_path):
    RunDir(tmp_path).create(manifest_of())
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace("0.6", "0.2"))
    with pytest.raises(InputError, match="must be as it was written"):
        RunDir(tmp_path).read_manifest()


@pytest.mark.parametrize(
    "identity",
    [
        {"methods": [{"name": "../x"}]},
        {"methods": None},
        {"judges": ["q16"]},
        {"judges": {"q16": None}},
        {"model": None},
        {"prompts": {"count": 3}},
        {"protocol": {"name": "dataset"}},
    ],
)
def test_a_part_of_another_type_or_name_is_no_manifests(tmp_path, identity):
    document = manifest_of().document()
    document["identity"] |= identity
    (tmp_path / "manifest.json").write_text(json.dumps(signed(document)))
    with pytest.raises(InputError, match="must have all parts of a manifest"):
        RunDir(tmp_path).read_manifest()


def test_a_part_of_another_run_is_not_taken_for_one_of_this(tmp_path, caplog):
    for name in ("one", "other"):
        run = RunDir(tmp_path / name)
        run.create(manifest_of(model={"source": name}, judges=()))
        run.write_scores(0, [score(1 if name == "one" else 2)])
    (tmp_path / "other" / "scores" / "00000-000000.parquet").rename(
        tmp_path / "one" / "scores" / "00001-000000.parquet"
    )
    assert keys(RunDir(tmp_path / "one")) == [(1, 0, OK)]
    assert "it was written for another run" in caplog.text
    (tmp_path / "one" / "manifest.json").unlink()
    assert keys(RunDir(tmp_path / "one")) == []  # a folder without a manifest holds neither's


def test_a_part_without_a_column_of_scores_is_not_taken_for_one(tmp_path, caplog):
    run = RunDir(tmp_path)
    for row in range(2):
        run.write_scores(0, [score(row)])
    part = tmp_path / "scores" / "00000-000001.parquet"
    pq.write_table(pq.read_table(part).drop_columns("engine"), part)
    assert keys(RunDir(tmp_path)) == [(0, 0, OK)]
    assert f"{part} is damaged (its columns are not those of such a part)" in caplog.text


def test_the_part_that_was_written_later_wins_whatever_its_shard(tmp_path):
    run = RunDir(tmp_path)
    run.write_scores(1, [score(1, digest="old")])
    run.write_scores(0, [score(1, digest="new")])
    os.utime(tmp_path / "scores" / "00001-000000.parquet", (1e9, 1e9))
    assert run.read_scores()["digest"].to_pylist() == ["new"]


def test_of_one_shard_the_part_with_the_higher_number_wins_where_a_copy_has_other_times(tmp_path):
    run = RunDir(tmp_path)
    for digest in ("old", "new"):
        run.write_scores(0, [score(1, digest=digest)])
    os.utime(tmp_path / "scores" / "00000-000001.parquet", (1e9, 1e9))
    assert run.read_scores()["digest"].to_pylist() == ["new"]
    assert next(run.parts())[0] == 1e9


def test_trying_a_place_leaves_nothing_behind(tmp_path):
    RunDir(tmp_path / "a" / "b").check_writable()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_run_directory_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError) as error:
            RunDir(path).read_manifest()
        told = "must be a run directory or the place of a new one, found a file on the way there: name another"
        assert str(error.value) == f"{path} {told}"
