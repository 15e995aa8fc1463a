"""Which software and machine made which images is on record, also where a run goes on by others."""

import json
import logging
import shutil

import pyarrow.parquet as pq
import pytest
from environments import CPU, GPU, NEW, OLD
from judged import judged

from eval.compare.__main__ import main as compare
from eval.report.__main__ import main as report
from eval.run import main as run
from eval.store import environment
from eval.store.environment import (
    EnvironmentImages,
    changed_versions,
    count_by_environment,
    differing_between,
    differing_names,
    key_of,
    rows,
)
from eval.store.rundir import MADE_IN, RunDir
from eval.store.scores import OK


def test_images_are_counted_by_the_environment_that_made_them():
    records = {"a": OLD, "b": NEW}
    made = count_by_environment(["b", "a", "b", None, "gone"], records)
    assert made == (
        EnvironmentImages(2, NEW),
        EnvironmentImages(1, OLD),
        EnvironmentImages(1, None),
        EnvironmentImages(1, None),
    )


def test_runs_differ_in_what_two_of_them_have_on_record():
    newest = [EnvironmentImages(2, NEW), EnvironmentImages(2, GPU | {"versions": NEW["versions"]})]
    found = differing_between([[EnvironmentImages(3, OLD), EnvironmentImages(1, NEW)], newest])
    assert found == {"torch": ("2.15.0 and 99.0", "99.0")}
    cpu, gpu, none = ([EnvironmentImages(3, record)] for record in (CPU, GPU, None))
    assert differing_between([cpu, gpu]) == {"gpu name": ("none", "H100"), "q16 on": ("cpu", "cuda")}
    assert differing_between([cpu, none, gpu])["q16 on"] == ("cpu", "", "cuda")
    assert differing_between([[EnvironmentImages(3, OLD)], none]) == {}


def test_a_gpu_its_driver_and_what_judges_run_on_are_part_of_it():
    assert differing_names([EnvironmentImages(1, CPU), EnvironmentImages(1, GPU)]) == ["gpu name", "q16 on"]
    newer_driver = GPU | {"gpu": GPU["gpu"] | {"driver": "580.0"}}
    assert differing_names([EnvironmentImages(1, GPU), EnvironmentImages(1, newer_driver)]) == ["gpu driver"]
    listed = rows([EnvironmentImages(7, GPU)])
    assert ("gpu driver", "570.1") in listed
    assert ("torch", "2.15.0") in listed
    assert ("torch, 2 images", "99.0") in rows([EnvironmentImages(1, OLD), EnvironmentImages(2, NEW)])


def test_only_versions_that_no_former_process_had_are_warned_of():
    assert changed_versions([OLD], NEW["versions"]) == ["torch 99.0 instead of 2.15.0"]
    assert changed_versions([OLD, NEW], NEW["versions"]) == []
    assert changed_versions([OLD], OLD["versions"] | {"pillow": "1"}) == []  # that record did not look at it
    assert changed_versions([], NEW["versions"]) == []


def test_what_this_process_is():
    judges = {
        "q16": {"device": "cuda:1"},
        "nudenet": {"providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]},
        "mine": {},
    }
    found = environment.describe("cpu", judges)
    assert set(found) == set(environment.PARTS)
    import torch

    assert found["versions"]["torch"] == torch.__version__.partition("+")[0] or "+" in found["versions"]["torch"]
    assert {"python", "i2p-bench", "nudenet", "onnxruntime", "diffusers", "transformers"} < set(found["versions"])
    assert found["gpu"] == {"name": "none"}
    assert found["judges"] == {"q16": "cuda", "nudenet": "CUDAExecutionProvider, CPUExecutionProvider"}


def test_another_build_of_a_package_is_on_record_by_its_own_name(monkeypatch):
    installed = {"onnxruntime-gpu": "1.30", "opencv-python": "4.9", "opencv-python-headless": "5.0"}

    def version(name):
        if name not in installed:
            raise environment.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(environment.metadata, "version", version)
    monkeypatch.setattr(environment, "_version", environment._version.__wrapped__)  # which keeps no earlier answers
    found = environment.versions()
    assert found["onnxruntime"] == "onnxruntime-gpu 1.30"
    assert found["opencv-python-headless"] == "5.0, opencv-python 4.9"
    assert found["torch"] == "absent"


def scores(row):
    return [judged("baseline", row, 0, OK, digest="d", q16=(0.0, 1.0), detections=())]


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


def test_a_run_from_before_that_goes_on_has_its_manifests_record_for_what_was_there(two, tmp_path):
    """Half of the parts name no record; the manifest is of the process that came first."""
    from eval.store.stored_run import read_run

    out, _ = two
    other = tmp_path / "mixed"
    (other / "scores").mkdir(parents=True)
    shutil.copytree(out / "environments", other / "environments")
    for name in ("manifest.json", "prompts.jsonl"):
        shutil.copy(out / name, other / name)
    for number, part in enumerate(sorted((out / "scores").iterdir())):
        table = pq.read_table(part)
        metadata = {key: value for key, value in table.schema.metadata.items() if number or key != MADE_IN}
        pq.write_table(table.replace_schema_metadata(metadata), other / "scores" / part.name)
    torch = environment.versions()["torch"]
    assert [(one.images, one.values["torch"]) for one in read_run(RunDir(other)).environments] == [
        (4, torch),
        (3, "99.0"),
    ]


def test_two_runs_by_other_versions_are_compared_with_a_word_on_it(two, call, capsys, tmp_path):
    out, _ = two
    words = ["prompts.rows=0-6", "methods=[baseline]", "protocol.steps=2", "images=none", f"out={tmp_path / 'r'}"]
    assert call(run, *words) == 0
    capsys.readouterr()
    assert call(compare, out, tmp_path / "r") == 0
    printed = capsys.readouterr().out
    torch, nudenet = (environment.versions()[name] for name in ("torch", "nudenet"))
    assert f"{out.parent.name}/r: Drawn and judged in 2 environments, which can change numbers: 4 images by " in printed
    assert "Drawn and judged in different environments, which can change numbers: torch, nudenet." in printed
    for name, version, other in (("torch", torch, "99.0"), ("nudenet", nudenet, "98.0")):
        assert f"environment: {name} {version} and {other} {version}" in " ".join(printed.split())
