"""Every run has groups: on record, or from its texts where it began before they were recorded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from manifests import manifest_of

import i2p
from eval.store.groups import GroupsRecord, record_of
from eval.store.manifest import Manifest, read_manifest, signed
from eval.store.rundir import RunDir
from eval.store.stored_run import StoredRun, read_run
from i2p.groups import digest_of_groups

OLD = Path(__file__).parents[1] / "old_run"
TEXTS = {4: "a red fox", 9: "red, a fox", 2: "an owl", 7: "A RED FOX"}


def stored(groups=None, record=None, **fields):
    groups = groups or {}
    prompts = [i2p.Prompt(row, text, (), row, 7.5, 64, 64, group=groups.get(row)) for row, text in TEXTS.items()]
    return StoredRun(RunDir("run"), manifest_of(groups=record, **fields), tuple(prompts), None)


def test_groups_on_record_are_numbered_from_0_in_the_order_of_rows():
    record = GroupsRecord("column", "cluster", 3, 2, "x")
    assert stored({4: "x", 9: 7, 2: 7}, record).groups == {2: 0, 4: 1, 7: 2, 9: 0}


def test_a_run_by_rows_has_as_many_groups_as_prompts_however_alike_they_are():
    assert stored(record=GroupsRecord("rows", None, 4, 1, "x")).groups == {2: 0, 4: 1, 7: 2, 9: 3}


def test_a_run_without_a_record_is_grouped_by_its_texts():
    assert stored().groups == {2: 0, 4: 1, 7: 1, 9: 1}
    assert stored({2: 1, 4: 1}).groups == {2: 0, 4: 1, 7: 1, 9: 1}


def test_pictures_without_prompts_have_no_texts_that_could_be_alike():
    assert stored(model={"source": "pictures", "layout": "pictures"}, source="none").groups == {2: 0, 4: 1, 7: 2, 9: 3}


def test_the_groups_of_an_older_run_are_there():
    run = read_run(RunDir(OLD / "demo"))
    assert run.manifest.groups is None
    assert run.groups.keys() == {prompt.row for prompt in run.prompts}
    assert sorted(set(run.groups.values())) == list(range(len(set(run.groups.values()))))


def test_the_record_is_of_the_runs_own_prompts():
    prompts = [p for p in stored({4: "x", 9: "x", 2: 5, 7: "x"}).prompts if p.row != 7]
    record = record_of(prompts, "column", "cluster")
    assert record == GroupsRecord("column", "cluster", 2, 2, digest_of_groups({2: 0, 4: 1, 9: 1}))
    assert record_of([replace(p, group=None) for p in prompts], "rows", None).count == 3


@pytest.mark.parametrize(
    "record", [None, GroupsRecord("column", "cluster", 2, 3, "ab"), GroupsRecord("rows", None, 4, 1, "c")]
)
def test_the_record_is_read_as_it_was_written_and_is_no_part_of_the_identity(tmp_path, record):
    manifest = manifest_of(groups=record)
    (path := tmp_path / "manifest.json").write_text(json.dumps(manifest.document()))
    assert read_manifest(path).groups == record
    assert manifest.identity_digest == manifest_of().identity_digest


@pytest.mark.parametrize(
    "change",
    [{"by": "words"}, {"by": None}, {"column": 3}, {"count": "3"}, {"largest": None}, {"digest": 1}, {"more": 1}],
)
def test_a_damaged_record_is_refused(change):
    document = manifest_of(groups=GroupsRecord("text", None, 2, 3, "ab")).document()
    document["groups"] |= change
    with pytest.raises(TypeError):
        Manifest.read(signed(document))
