"""Groups are those of the whole source, on record in the manifest, and a run keeps those with which it began."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from PIL import Image

from eval.base.errors import InputError
from eval.config.settings import read_settings
from eval.doctor.__main__ import main as doctor
from eval.plan.make import make_plan
from eval.plan.record import make_manifest
from eval.plan.same_groups import ignored_column
from eval.plan.same_run import check_rerun
from eval.report.__main__ import main as report
from eval.run import main
from eval.store.manifest import signed
from eval.store.rundir import RunDir

SMALL = ["prompts=i2p", "protocol.steps=2", "methods=[baseline]", "judges=[q16]", "images=none", "sheet=false"]
TEXTS = ["a red fox in snow", "red fox in a snow", "a quiet castle at dusk", "a fox in the red snow", "a red fox in"]
NOTHING_BY_ROWS = "intervals by prompt instead of by groups of near-duplicate prompts"


def listed(folder, groups=None, name="list.csv"):
    lines = (
        ["prompt,cluster", *(f"{text},{group}" for text, group in zip(TEXTS, groups, strict=True))] if groups else []
    )
    (path := folder / name).write_text("\n".join(lines or ["prompt", *TEXTS]) + "\n")
    return path


def save_picture(path):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)


def settings(*words):
    with initialize_config_module(config_module="conf", version_base="1.3"):
        return read_settings(compose("run", overrides=["out=run", *words]))


def planned(*words):
    return make_plan(settings(*SMALL, *words))


def groups_of(plan):
    return {prompt.row: prompt.group for prompt in plan.prompts}


@pytest.fixture(scope="module")
def run(tmp_path_factory, call):
    """A run of a list with a column of its own, and the list."""
    folder = tmp_path_factory.mktemp("groups")
    path = listed(folder, ["x", 7, "x", "", "x"])
    assert call(main, *SMALL, f"prompts.path={path}", f"out={folder / 'run'}") == 0
    return folder / "run", path


@pytest.fixture
def copied(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    return tmp_path / "run", run[1]


def test_groups_do_not_depend_on_the_selection_or_the_shard(tmp_path):
    path = f"prompts.path={listed(tmp_path)}"
    # Rows 3 and 4 are linked by row 0 only.
    whole = groups_of(planned(path))
    assert whole == {0: 0, 1: 0, 2: 2, 3: 0, 4: 0}
    assert groups_of(planned(path, "prompts.rows=[3,4]")) == {3: 0, 4: 0}
    sharded = [planned(path, "shard.count=2", f"shard.index={index}") for index in (0, 1)]
    assert [groups_of(plan) for plan in sharded] == [whole, whole]
    assert {unit.prompt.group for plan in sharded for unit in plan.units()} == {0, 2}


@pytest.mark.parametrize(
    ("choice", "by", "column", "expected"),
    [
        ("null", "column", "cluster", {0: "x", 1: 7, 2: "x", 3: None, 4: "x"}),
        ("column", "column", "cluster", {0: "x", 1: 7, 2: "x", 3: None, 4: "x"}),
        ("text", "text", None, {0: 0, 1: 0, 2: 2, 3: 0, 4: 0}),
        ("rows", "rows", None, dict.fromkeys(range(5))),
    ],
)
def test_a_column_is_taken_unless_something_else_is_chosen(tmp_path, choice, by, column, expected):
    path = listed(tmp_path, ["x", 7, "x", "", "x"])
    plan = planned(f"prompts.path={path}", f"prompts.groups={choice}")
    assert (plan.grouped_by, plan.group_column, groups_of(plan)) == (by, column, expected)
    assert plan.unused_columns == (() if column else ("cluster",))
    assert (NOTHING_BY_ROWS in plan.deviations) == (by == "rows")


@pytest.mark.parametrize("word", ["words", "Rows", "true", "1", "''"])
def test_another_word_is_refused(call, capsys, word):
    assert call(main, *SMALL, f"prompts.groups={word}") == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "prompts.groups must be one of text, rows, column, found" in line


def test_a_column_that_is_required_must_be_there(call, capsys, tmp_path):
    path = listed(tmp_path)
    assert call(main, *SMALL, f"prompts.path={path}", "prompts.groups=column", f"out={tmp_path / 'run'}") == 2
    assert (
        "must have a column of groups for prompts.groups=column, found none that holds any" in capsys.readouterr().err
    )


def test_pictures_without_prompts_are_groups_of_their_own_and_no_deviation(tmp_path, call, capsys):
    for n in range(3):
        save_picture(tmp_path / "pictures" / f"{n}.png")
    words = ["model=images", f"model.path={tmp_path / 'pictures'}", "prompts=none", "q16=demo", "judges=[q16]"]
    plan = make_plan(settings(*words))
    assert (plan.grouped_by, list(groups_of(plan).values())) == ("rows", [None] * 3)
    assert NOTHING_BY_ROWS not in plan.deviations
    assert call(main, *words, "prompts.groups=text", f"out={tmp_path / 'run'}") == 2
    assert "prompts.groups is 'text', which would have no effect" in capsys.readouterr().err


def test_a_folders_own_table_may_group_its_prompts(tmp_path, call, capsys):
    folder = tmp_path / "pictures"
    for n in range(4):
        save_picture(folder / f"{n}.png")
    (table := folder / "table.csv").write_text("image,prompt,group\n0.png,a,x\n1.png,a,x\n2.png,b,x\n3.png,c,\n")
    words = ["model=images", f"model.path={folder}", "q16=demo", "judges=[q16]"]
    assert groups_of(make_plan(settings(*words))) == {0: "x", 1: "x", 2: None}
    table.write_text("image,prompt,group\n0.png,a,x\n1.png,a,y\n2.png,b,x\n3.png,c,\n")
    assert call(main, *words, f"out={tmp_path / 'run'}") == 2
    assert "lines of one prompt the same group, found 'x' and 'y'" in capsys.readouterr().err


def test_the_manifest_and_the_stored_prompts_have_the_groups(run):
    document = json.loads((run[0] / "manifest.json").read_text())
    record = document["groups"]
    assert (record["by"], record["column"], record["count"], record["largest"]) == ("column", "cluster", 3, 3)
    assert "groups" not in document["identity"]
    assert "1 of 5 rows has no cluster: it is a group of its own." in document["prompt_remarks"]
    lines = [json.loads(line) for line in (run[0] / "prompts.jsonl").read_text().splitlines()]
    assert [line.get("group") for line in lines] == ["x", 7, "x", None, "x"]
    results = (run[0] / "report" / "results.md").read_text()
    assert "- Groups: 3 by the column 'cluster', the largest 3" in results
    assert "One group of the column 'cluster' holds 3 of the 5 prompts." in results


@pytest.mark.parametrize(
    ("groups", "word", "clause"),
    [
        (["x", 7, "x", "", "x"], "prompts.groups=text", "prompts.groups is the column 'cluster' there and text here"),
        (["x", 7, "x", "", "x"], "prompts.groups=rows", "prompts.groups is the column 'cluster' there and rows here"),
        (None, "prompts.groups=null", "prompts.groups is the column 'cluster' there and text here"),
        (["x", 7, "y", "", "x"], "prompts.groups=null", "in other groups by the column 'cluster' (3 then, 4 now)"),
    ],
)
def test_a_run_does_not_resume_with_other_groups_and_the_doctor_says_so(
    run, call, capsys, tmp_path, groups, word, clause
):
    words = [*SMALL, f"prompts.path={listed(tmp_path, groups)}", word, f"out={run[0]}"]
    assert call(main, *words) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert clause in line
    if groups is None:
        assert call(doctor, *words, "measure=false") == 2
        assert clause in " ".join(capsys.readouterr().out.split())


def test_a_run_resumes_where_groups_have_only_other_names(run, call, tmp_path):
    path = listed(tmp_path, ["first", "second", "first", -1, "first"])
    assert call(main, *SMALL, f"prompts.path={path}", f"out={run[0]}") == 0


def test_prompts_may_join_a_columns_groups_and_the_others_stay_in_theirs(run, tmp_path):
    path = listed(tmp_path, ["x", 7, "x", "", "x"])
    path.write_text(path.read_text() + "a dog,x\n")
    words = [*SMALL, f"prompts.path={path}", f"out={run[0]}"]
    assert check_rerun(RunDir(run[0]), settings(*words), planned(*words)).stored.groups.count == 3
    path.write_text(path.read_text().replace("a fox in the red snow,", "a fox in the red snow,x"))
    with pytest.raises(InputError) as refused:
        check_rerun(RunDir(run[0]), settings(*words), planned(*words))
    assert "in other groups by the column 'cluster' (3 then, 2 now)" in str(refused.value)


def test_other_prompts_are_refused_as_before_without_a_word_on_groups(run, tmp_path):
    plan = planned(f"prompts.path={run[1]}", "prompts.rows=[0,1]")
    with pytest.raises(InputError) as refused:
        check_rerun(RunDir(run[0]), settings(*SMALL, f"prompts.path={run[1]}", f"out={run[0]}"), plan)
    assert "found less (2 of its 5 prompts)" in str(refused.value)
    assert "in other groups" not in str(refused.value)


def test_edited_groups_in_a_run_are_refused_and_restored_by_its_command(copied, call, capsys):
    out, path = copied
    stored = (file := out / "prompts.jsonl").read_text()
    file.write_text(stored.replace('"group":7', '"group":"x"').replace('"group": 7', '"group": "x"'))
    assert file.read_text() != stored
    assert call(report, out) == 2
    assert "prompts.jsonl must hold the 5 prompts of the run" in capsys.readouterr().err
    assert call(main, *SMALL, f"prompts.path={path}", f"out={out}") == 0
    assert file.read_text() == stored


def test_a_run_that_began_before_groups_were_recorded_keeps_to_its_texts(copied, call, capsys, caplog):
    out, path = copied
    document = json.loads((out / "manifest.json").read_text())
    del document["groups"]
    (out / "manifest.json").write_text(json.dumps(signed(document)))
    lines = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    bare = ({key: value for key, value in line.items() if key != "group"} for line in lines)
    (out / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in bare))
    words = [*SMALL, f"prompts.path={path}", f"out={out}"]
    assert call(main, *words) == 0
    assert "the column 'cluster' is not used" in caplog.text
    assert "- Groups: 2 of near-duplicate prompts, the largest 4" in (out / "report" / "results.md").read_text()
    call(doctor, *words, "measure=false")
    assert "the column 'cluster' is not used" in " ".join(capsys.readouterr().out.split())
    assert call(main, *words, "prompts.groups=text") == 0
    capsys.readouterr()
    assert call(main, *words, "prompts.groups=rows") == 2
    assert "prompts.groups is text there and rows here" in capsys.readouterr().err


def test_a_column_is_ignored_only_by_a_run_without_a_record(run):
    plan, stored = planned(f"prompts.path={run[1]}"), RunDir(run[0]).read_manifest()
    assert ignored_column(stored, plan) is None
    assert "'cluster'" in ignored_column(replace(stored, groups=None), plan)
    assert ignored_column(replace(stored, groups=None), replace(plan, group_column=None, grouped_by="text")) is None


def test_a_replay_of_i2p_is_recorded_with_its_groups(i2p_csv):
    replay = settings("model=published", f"prompts.path={i2p_csv}", "prompts.categories=[sexual]")
    plan = make_plan(replay)
    record = make_manifest(replay, plan, {"source": "sd"}, {}).groups
    assert (record.by, record.column) == ("text", None)
    assert record.count == len(set(groups_of(plan).values())) == 830  # by a comparison of all pairs of I2P
    assert record.largest == 11
