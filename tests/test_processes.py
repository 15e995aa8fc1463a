"""Forked commands are what the interpreter's own would be, as far as a test, or whoever started them, can see."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not processes.LINUX, reason="commands of the tests are forked on Linux alone"),
]

SCRIPT = """
import os, signal, sys, time
print(os.getcwd(), sys.executable, *sys.argv[1:], os.environ.get("I2P_BENCH_X"), "onnxruntime" in sys.modules)
print(sys.stdin.read() if "read" in sys.argv else "", file=sys.stderr, end="")
if "fail" in sys.argv: sys.exit("no good")
if "wait" in sys.argv: sys.stdout.flush(); time.sleep(60)
if "usr1" in sys.argv:
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
    print(os.getpid(), flush=True)
    time.sleep(60)
print("torch" in sys.modules)
if "temporary" in sys.argv: import tempfile; print(tempfile.gettempdir())
"""


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def launched(script, *words, **options):
    command = [processes.python(), script, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_launched_script_has_the_streams_folder_words_and_variables_it_was_given(script, tmp_path, monkeypatch):
    monkeypatch.setenv("I2P_BENCH_X", "é")
    with launched(script, "a b", "read", cwd=tmp_path, stdin=subprocess.PIPE) as process:
        out, errors = process.communicate("given")
    assert process.returncode == 0
    assert out.splitlines() == [f"{tmp_path} {processes.python()} a b read é False", "True"]  # torch came with the fork
    assert errors == "given"


def test_a_forked_script_is_one_of_this_interpreter(script, tmp_path):
    done = processes.run([sys.executable, script, "fail"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "no good\n")
    assert done.stdout.split()[1] == sys.executable


def test_a_signal_that_the_launcher_hears_is_the_scripts_to_handle(script):
    with launched(script, "usr1") as process:
        process.stdout.readline()
        assert int(process.stdout.readline()) != process.pid
        process.send_signal(signal.SIGUSR1)
        process.communicate()
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_launcher_dies_of_what_its_script_dies_of_and_the_other_way_round(script, number):
    with launched(script, "wait") as process:
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate()  # which ends when the script has
    assert process.returncode == -number
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)


def test_what_no_fork_can_become_is_run_by_the_interpreter(script, tmp_path):
    for environment in ({"OMP_NUM_THREADS": "7"}, {"PYTHONWARNINGS": "ignore"}):  # read when Python or torch starts
        with launched(script, env=processes.ENVIRONMENT | environment) as process:
            out, _ = process.communicate()
        assert out.splitlines()[-1] == "False"
    done = subprocess.run([processes.python(), "-c", "print(1)"], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_what_slurm_and_its_shell_set_stops_no_fork_and_is_used(script, tmp_path):
    of_a_job = {"SLURM_JOB_ID": "1", "ENVIRONMENT": "BATCH", "HOSTNAME": "node", "TMPDIR": str(tmp_path), "_": "python"}
    with launched(script, "temporary", env=processes.ENVIRONMENT | of_a_job) as process:
        out, _ = process.communicate()
    assert out.splitlines()[-2:] == ["True", str(tmp_path)]  # torch came with the fork


def test_a_script_whose_starter_has_gone_is_killed(script):
    process = processes.start([sys.executable, script, "wait"], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    process._connection.close()
    assert process.stdout.read() == ""  # its end of the stream is closed
    process.stdout.close()
    while Path(f"/proc/{process.pid}").exists():
        time.sleep(0.01)


def test_a_worker_that_runs_tests_is_a_fork_too():
    """Otherwise a file can't be imported where tests are collected for all, though it can in each worker."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not hasattr(os, "pidfd_open"):
        pytest.skip("this is no worker of pytest -n on Linux")
    assert gc.get_freeze_count() > 0
