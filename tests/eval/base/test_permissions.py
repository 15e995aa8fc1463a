"""A file or folder without permission is a sentence, whichever command meets it; nothing counts as absent for it."""

import os
import shutil
import tempfile
from pathlib import Path

import in_process
import pytest


@pytest.fixture(scope="module")
def figures_of_a_kind_are_one():
    """Not here, because they are kept in a folder of pytest's, which nobody may open."""


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("permissions") / "run"
    words = ["prompts.rows=[0]", "methods=[baseline]", "judges=[q16]", "images=none", "protocol.steps=1"]
    assert in_process.run("eval.run", *words, f"out={out}").returncode == 0
    return out


@pytest.fixture
def folder(a_run):
    """A folder with a run, in which an ordinary user works; root, who may do everything, becomes nobody.

    It is not in pytest's folders: each pytest that starts closes those to others.
    """
    place = Path(tempfile.mkdtemp(prefix="permissions-"))
    shutil.copytree(a_run, place / "run")
    (place / "list.csv").write_text("prompt\na fox\n")
    (place / "empty").mkdir()
    root, closed = os.geteuid() == 0, {}
    try:
        if root:
            for path in [place, *place.rglob("*")]:
                os.chown(path, 65534, 65534)
            # Where TMPDIR is closed to others; the group is still root's.
            closed = {path: mode for path in place.parents if not (mode := path.stat().st_mode) & 0o001}
            for path, mode in closed.items():
                path.chmod(mode | 0o011)
            os.seteuid(65534)
        yield place
    finally:
        if root:
            os.seteuid(0)
        for path, mode in closed.items():
            path.chmod(mode)
        shutil.rmtree(place)


@pytest.mark.parametrize(
    ("closed", "line", "told"),
    [
        ("run", "report run", "run/manifest.json must be a path that this user can reach"),
        ("run", "compare run", "run/manifest.json must be a path that this user can reach"),
        ("run", "run out=run", "run/manifest.json must be a path that this user can reach"),
        ("run/scores", "status run", "run/scores must be a path that this user can reach"),
        ("run/prompts.jsonl", "status run", "run/prompts.jsonl must be a path that this user can reach"),
        ("empty", "run out=empty/new", "empty/new/manifest.json must be a path that this user can reach"),
        ("empty", "run --config-dir empty", "empty must be a path that this user can reach"),
        ("empty", "run model=images prompts=none q16=demo model.path=empty", "must be a path that this user can reach"),
        (
            "empty",
            "run model=checkpoint prompts=demo q16=demo model.path=empty",
            "empty/model_index.json must be a file",
        ),
        ("list.csv", "run prompts=i2p prompts.path=list.csv", "list.csv must be a file that this user can read"),
        ("list.csv", "power prompts.path=list.csv", "list.csv must be a file that this user can read"),
    ],
)
def test_what_cannot_be_read_is_named(closed, line, told, folder):
    (folder / closed).chmod(0)
    command, *words = line.split()
    try:
        done = in_process.run(f"eval.{command}", *words, cwd=folder)
    finally:
        (folder / closed).chmod(0o755)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Permission denied" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "closed", ["manifest.json", "prompts.jsonl", "scores", "scores/00000-000000.parquet", "engine"]
)
def test_the_doctor_says_what_a_run_says_of_a_directory_that_can_t_be_read(closed, folder):
    words = ["prompts.rows=[0]", "methods=[baseline]", "judges=[q16]", "images=none", "protocol.steps=1", "out=run"]
    (folder / "run" / closed).chmod(0)
    try:
        done = in_process.run("eval.run", *words, cwd=folder)
        told = in_process.run("eval.doctor", *words, "measure=false", cwd=folder)
    finally:
        (folder / "run" / closed).chmod(0o755)
    assert (done.returncode, told.returncode) == (2, 2)
    for said in (done.stderr, " ".join(told.stdout.split())):
        assert f"run/{closed}" in said
        assert "(Permission denied)" in said


def test_the_report_of_a_read_only_run_goes_elsewhere(folder):
    for path in (folder / "run/report", folder / "run"):
        path.chmod(0o555)
    try:
        refused = in_process.run("eval.report", "run", cwd=folder)
        assert refused.returncode == 2
        assert refused.stderr.endswith("run/report, which can't (Permission denied): give out=FOLDER\n")
        written = in_process.run("eval.report", "run", "out=mine", "gallery=off", cwd=folder)
        assert (written.returncode, written.stderr) == (0, "")
    finally:
        for path in (folder / "run", folder / "run/report"):
            path.chmod(0o755)
    same = (folder / "mine/results.csv").read_text() == (folder / "run/report/results.csv").read_text()
    assert same
    assert (folder / "mine/report.html").is_file()
    refused = in_process.run("eval.report", "run", "out=list.csv/x", cwd=folder)
    assert refused.returncode == 2
    assert "out must be a folder that can be written" in refused.stderr
