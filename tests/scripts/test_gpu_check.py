"""The check of a GPU goes on after a step that fails, keeps its limits, and always leaves a summary."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# In place of Python: names the card, fails the tests, hangs in the bench, and passes everything else. Its bench has a
# child, and tells of every interrupt.
STUB = """#!/bin/sh
case "$*" in
  *get_device_name*) echo a-card ;;
  *" -m pytest "* | "-m pytest "*) echo "$*"; echo "2 failed, 3 passed"; exit 1 ;;
  *bench_engine*)
    trap 'echo interrupted' INT
    sleep 1000 &
    echo "$*"; echo "$!" >"$0.child"
    wait
    sleep 0.5
    ;;
  *paper_window*)
    echo "$*"
    while [ "$1" != --out ]; do shift; done
    echo table >"$2"
    ;;
esac
"""


@pytest.fixture
def check(tmp_path):
    """Run the script with variables; returns the finished process and the summary."""
    stub = tmp_path / "python"
    stub.write_text(STUB)
    stub.chmod(0o755)
    tables = tmp_path / "tables"

    def check(*words, during=lambda script: None, **variables):
        environment = os.environ | {"PYTHON": str(stub), "TABLES": str(tables), "LOGS": str(tmp_path / "logs")}
        command = [ROOT / "scripts" / "gpu_check.sh", *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environment | variables, **streams) as script:
            during(script)
            out, errors = script.communicate()
        assert "unbound" not in errors, errors
        done = subprocess.CompletedProcess(command, script.returncode, out, errors)
        chosen = f"_{variables['STEPS'].replace(' ', '_')}" if "STEPS" in variables else ""
        assert not (tables / f"gpu_check_unknown{chosen}.md").exists()
        return done, (tables / f"gpu_check_a-card{chosen}.md").read_text()

    return check


def is_alive(file: Path) -> bool:
    """Whether the process whose number a file holds is there."""
    status = Path("/proc", file.read_text().strip(), "stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_step_that_fails_or_hangs_does_not_stop_the_others(check, tmp_path):
    (tmp_path / "wheels").mkdir()
    done, summary = check(str(tmp_path / "wheels"), BENCH_LIMIT="1")
    lines = [line.partition(" in ")[0].partition(" after ")[0] for line in summary.splitlines() if line[:2] == "- "]
    assert lines == [
        "- wheels: passed",
        "- facts: passed",
        "- tests: failed with exit code 1",
        "- bench: stopped at its limit of 1 s",
        "- window: passed",
    ]
    assert done.returncode == 1
    assert "2 failed, 3 passed" in summary
    assert (tmp_path / "logs" / "tests.log").read_text().partition("\n")[0].endswith(" -n 6")
    assert (tmp_path / "logs" / "bench.log").read_text().count("interrupted") == 1  # a second would end pytest's report
    assert not is_alive(tmp_path / "python.child")


def test_a_check_that_is_killed_leaves_a_summary_of_the_steps_before(check, tmp_path):
    child = tmp_path / "python.child"

    def kill(script):
        while not (child.exists() and child.read_text().strip()):
            assert script.poll() is None
            time.sleep(0.02)
        script.kill()
        os.killpg(os.getpgid(int(child.read_text())), signal.SIGKILL)  # what nobody ends now

    _, summary = check(STEPS="facts bench window", during=kill)
    lines = [line.partition(" in ")[0] for line in summary.splitlines() if line[:2] == "- "]
    assert lines == ["- facts: passed", "- bench: not reached", "- window: not reached"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_check_that_is_stopped_ends_what_is_at_work_and_says_so(check, tmp_path, number):
    child = tmp_path / "python.child"

    def stop(script):
        while not (child.exists() and child.read_text().strip()):
            assert script.poll() is None
            time.sleep(0.02)
        script.send_signal(number)

    done, summary = check(STEPS="facts bench window", during=stop)
    assert done.returncode == 1
    lines = [line.partition(" in ")[0] for line in summary.splitlines() if line[:2] == "- "]
    assert lines == ["- facts: passed", "- bench: was stopped", "- window: not reached"]
    assert (tmp_path / "logs" / "bench.log").read_text().count("interrupted") == 1
    assert not is_alive(child)


def test_steps_are_chosen_and_told_when_to_end(check, tmp_path):
    done, summary = check(STEPS="bench window", BENCH="--quick --rows R3 beside", BENCH_LIMIT="1", SECONDS_IN_ALL="300")
    assert "facts" not in summary
    bench, window = ((tmp_path / "logs" / f"{name}.log").read_text() for name in ("bench", "window"))
    assert f"--out {tmp_path}/tables/engine_a-card_quick_rows_R3_beside.md --quick --rows R3 beside\n" in bench
    seconds = int(window.partition("--seconds ")[2].split()[0])
    assert 255 < seconds <= 270  # what is left, less what the step and the script take to end
    assert done.returncode == 1


def test_a_step_for_which_too_little_time_is_left_is_not_begun(check):
    done, summary = check(STEPS="facts window", SECONDS_IN_ALL="30")
    assert "- facts: passed" in summary
    assert "- window: not reached: " in summary
    assert done.returncode == 1


def test_a_check_without_a_failure_exits_with_0_and_tells_of_nothing_that_others_left(check, tmp_path):
    old = [tmp_path / "tables" / "engine_a-card_quick.md", tmp_path / "logs" / "tests.log"]
    for file in old:
        file.parent.mkdir()
        file.write_text("of an earlier check")
        os.utime(file, (0, 0))
    done, summary = check(STEPS="facts window")
    assert done.returncode == 0, summary
    assert "Table: paper_window_a-card.md" in summary
    assert old[0].name not in summary
    assert old[1].read_text() not in summary


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"STEPS": "facts test"},
            "STEPS must be some of wheels, facts, tests, denoiser, bench and window, found 'test'",
        ),
        ({"SECONDS_IN_ALL": "9m"}, "SECONDS_IN_ALL must be a whole number of seconds, found '9m'"),
        ({"BENCH_LIMIT": "08"}, "BENCH_LIMIT must be a whole number of seconds, found '08'"),
        ({"PYTHON": "python2.1"}, "python2.1 must be a program here, found none"),
        ({"WHEELS": "none"}, "WHEELS must be a folder of wheels, found none at {here}/none"),
        ({"TABLES": "file"}, "TABLES must be a folder that can be written, found {here}/file"),
        ({"LOGS": "file/logs"}, "LOGS must be a folder that can be written, found {here}/file/logs"),
        ({"WORK": "file"}, "WORK must be a folder that can be written, found {here}/file"),
        ({"TMPDIR": "/none"}, "a temporary folder must be possible, found none"),
        ({"PATH": "{here}/few"}, "setsid must be a program here, found none"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, dict) else "",
)
def test_what_can_t_work_is_refused_before_the_first_step(variables, sentence, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "few").mkdir()
    for name in ("bash", "dirname", "env"):
        (tmp_path / "few" / name).symlink_to(shutil.which(name))
    variables = {name: value.format(here=tmp_path) for name, value in variables.items()}
    environment = os.environ | {"PYTHON": "true", "TABLES": "tables", "TMPDIR": str(tmp_path)} | variables
    command = [ROOT / "scripts" / "gpu_check.sh"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"error: {sentence.format(here=tmp_path)}")
    assert not [*tmp_path.glob("tmp.*")]  # its folder in TMPDIR


def test_a_disk_that_takes_nothing_is_refused(tmp_path):
    environment = os.environ | {"PYTHON": "true", "TABLES": str(tmp_path)}
    command = ["bash", "-c", f"ulimit -f 10; {ROOT}/scripts/gpu_check.sh"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: TABLES must be a folder that can be written, found {tmp_path}: name another" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_folders_are_those_of_the_caller_s_folder(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done, summary = check(STEPS="facts", TABLES="tables", LOGS="logs", PYTHON="./python")
    assert done.returncode == 0, summary
    assert f"== summary: {tmp_path}/tables/gpu_check_a-card_facts.md" in done.stdout


def test_a_summary_that_can_t_be_written_is_no_success(tmp_path):
    stub, tables = tmp_path / "python", tmp_path / "tables"
    stub.write_text(STUB.replace("echo table >", f"mv {tables} {tables}.gone #"))  # as a disk may go
    stub.chmod(0o755)
    environment = os.environ | {"PYTHON": str(stub), "TABLES": str(tables), "STEPS": "window"}
    command = [ROOT / "scripts" / "gpu_check.sh"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"== the summary could not be written to {tables}\n" in done.stdout
    assert "== summary: " not in done.stdout
    assert "window: passed" in done.stdout
