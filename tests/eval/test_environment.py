"""Which software and machine made which images is on record, also where a run goes on by others."""

import json
import logging

import pyarrow.parquet as pq
import pytest

from eval import environment
from eval.environment import Made, apart, key_of, made_in, newer, rows, several
from eval.report import main as report
from eval.run import main as run
from eval.rundir import MADE_IN, RunDir
from eval.scores import OK, Score

OLD = {"versions": {"python": "3.11.7", "torch": "2.15.0"}, "platform": "Linux-6.1"}
NEW = {"versions": {"python": "3.11.7", "torch": "99.0"}, "platform": "Linux-6.1"}
GPU = {**OLD, "gpu": {"name": "H100", "driver": "570.1", "cuda": "12.8", "cudnn": "91002"}}


def test_images_are_counted_by_the_environment_that_made_them():
    records = {"a": OLD, "b": NEW}
    made = made_in(["b", "a", "b", None, "gone"], records)
    assert made == (Made(2, NEW), Made(1, OLD), Made(1, None), Made(1, None))


def test_a_note_says_what_differs_and_only_that():
    [note] = several([Made(40, OLD), Made(60, NEW)])
    assert "40 images by torch 2.15.0; 60 images by torch 99.0" in note
    assert "3.11.7" not in note
    assert several([Made(100, OLD)]) == []
    [note] = several([Made(4, OLD), Made(2, None)])
    assert "2 images by an earlier i2p-bench, which kept no record" in note


def test_a_gpu_and_its_driver_are_part_of_it():
    assert apart([Made(1, OLD), Made(1, GPU)]) == ["gpu name", "gpu driver", "cuda", "cudnn"]
    listed = rows([Made(7, GPU)])
    assert ("gpu driver", "570.1") in listed
    assert ("torch", "2.15.0") in listed
    assert ("torch, 2 images", "99.0") in rows([Made(1, OLD), Made(2, NEW)])


def test_only_versions_that_no_former_process_had_are_warned_of():
    assert newer([OLD], NEW["versions"]) == ["torch 99.0 instead of 2.15.0"]
    assert newer([OLD, NEW], NEW["versions"]) == []
    assert newer([OLD], OLD["versions"] | {"pillow": "1"}) == []  # that record did not look at it
    assert newer([], NEW["versions"]) == []


def test_what_this_process_is():
    found = environment.describe("cpu")
    assert set(found) == {"versions", "platform"}
    import torch

    assert found["versions"]["torch"] == torch.__version__.partition("+")[0] or "+" in found["versions"]["torch"]
    assert {"python", "i2p-bench", "nudenet", "onnxruntime", "diffusers", "transformers"} < set(found["versions"])


def scores(row):
    return [Score("baseline", row, 0, OK, digest="d", q16=(0.0, 1.0), detections=())]


def test_parts_name_their_environment_and_old_parts_name_none(tmp_path):
    first, second, old = (RunDir(tmp_path) for _ in range(3))
    first.keep_environment(OLD)
    second.keep_environment(NEW)
    second.keep_environment(NEW)  # another process on the same machine
    for number, one in enumerate((first, second, old)):
        one.write_scores(0, scores(number))
    table = RunDir(tmp_path).read_scores()
    assert table["environment"].to_pylist() == [key_of(OLD), key_of(NEW), None]
    assert RunDir(tmp_path).read_environments() == {key_of(OLD): OLD, key_of(NEW): NEW}
    assert len(list((tmp_path / "environments").iterdir())) == 2
    # Without this project: the metadata of a part is the name of a file.
    part = sorted((tmp_path / "scores").iterdir())[0]
    name = pq.read_schema(part).metadata[MADE_IN].decode()
    assert json.loads((tmp_path / "environments" / f"{name}.json").read_text()) == OLD


def test_a_record_that_is_damaged_is_none(tmp_path):
    one = RunDir(tmp_path)
    one.keep_environment(OLD)
    path = tmp_path / "environments" / f"{key_of(OLD)}.json"
    for text in ("{", "[]", json.dumps(NEW)):
        path.write_text(text)
        assert one.read_environments() == {}


@pytest.fixture(scope="module")
def two(call, tmp_path_factory):
    """A run of which 3 images were made by other versions of torch and nudenet, and what was said as it went on."""
    out = tmp_path_factory.mktemp("two") / "r"
    words = ["prompts.rows=0-6", "methods=[baseline]", "protocol.steps=2", "images=none", f"out={out}"]
    assert call(run, *words, "shard.count=2", "shard.index=0") == 0
    later = environment.versions() | {"torch": "99.0", "nudenet": "98.0"}
    heard = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "versions", lambda: later)
        logging.getLogger().addHandler(handler)
        assert call(run, *words) == 0
        logging.getLogger().removeHandler(handler)
    return out, heard


def test_going_on_by_other_versions_is_warned_of_and_reported(two):
    out, heard = two
    torch = environment.versions()["torch"]
    assert any(f"torch 99.0 instead of {torch}" in sentence for sentence in heard)
    results = json.loads((out / "report/results.json").read_text())
    assert [(one["images"], one["versions"]["torch"]) for one in results["environments"]] == [(4, torch), (3, "99.0")]
    for name in ("results.md", "report.html"):
        text = (out / "report" / name).read_text()
        assert "3 images by torch 99.0, nudenet 98.0" in text
        assert "98.0" in text


def test_a_run_from_before_there_were_records_reports_its_manifests(two, call, tmp_path):
    out, _ = two
    torch = environment.versions()["torch"]
    other = tmp_path / "old"
    (other / "scores").mkdir(parents=True)
    for name in ("manifest.json", "prompts.jsonl"):
        (other / name).write_bytes((out / name).read_bytes())
    for part in (out / "scores").iterdir():
        table = pq.read_table(part)
        metadata = {key: value for key, value in table.schema.metadata.items() if key != MADE_IN}
        pq.write_table(table.replace_schema_metadata(metadata), other / "scores" / part.name)
    assert call(report, other) == 0
    results = json.loads((other / "report/results.json").read_text())
    assert [(one["images"], one["versions"]["torch"]) for one in results["environments"]] == [(7, torch)]
    assert "environments, which" not in (other / "report/results.md").read_text()
