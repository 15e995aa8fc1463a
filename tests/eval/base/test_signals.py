"""A signal at any moment of a shard: exit code 3 and one requeue, or all was done before."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import eval.generate.drawing_run
import eval.plan.make
import eval.report.files
import eval.report.make
from eval.base import signals
from eval.base.errors import Stopped, StoppedAtOnce
from eval.base.signals import Stop, signals_held_back
from eval.run import main as run_main
from eval.store.rundir import RunDir
from eval.submit.__main__ import main
from eval.submit.requeue import main as requeue_main

SMALL = ["prompts.rows=0-3", "methods=[baseline]", "judges=[q16]", "protocol.steps=2", "images=none", "sheet=false"]
SCONTROL = """\
#!/bin/bash
[ "$1" = requeue ] && echo "$2" >> "$LOG"
[ "$*" = "--oneliner show job 7_0" ] && echo "JobId=7 JobState=$STATE"
exit 0
"""


@pytest.fixture(scope="module")
def shard(tmp_path_factory, call):
    """A shard's script as eval.submit writes it, and the environment in which a job has it."""
    folder = tmp_path_factory.mktemp("shard")
    (folder / "bin").mkdir()
    (folder / "bin/scontrol").write_text(SCONTROL)
    (folder / "bin/scontrol").chmod(0o755)
    out = folder / "run"
    assert call(main, f"out={out}", *SMALL, "slurm.setup=':'", "dry_run=true") == 0
    environment = os.environ | {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": "8",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "0",
        "STATE": "RUNNING",
        "LOG": f"{folder}/log",
    }
    return out / "slurm" / "shard.sbatch", environment


def begin(shard, **more):
    script, environment = shard
    return subprocess.Popen(
        ["bash", script, "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | more,
        start_new_session=True,
    )


def run_process(process) -> int:
    """The process of the run itself, a child of the script's shell."""
    while process.poll() is None:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            if b"shard.index=0" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        time.sleep(0.001)
    raise AssertionError(process.communicate())


def requeues(shard) -> list[str]:
    path = Path(shard[1]["LOG"])
    lines = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


# Before Python, in Python's own start, in imports, in the loading of models.
@pytest.mark.parametrize(("delay", "sent"), [(0.0, "USR2"), (0.03, "TERM"), (0.3, "USR2"), (1.0, "TERM")])
def test_a_signal_while_a_shard_starts_requeues_it_once(shard, delay, sent):
    process = begin(shard)
    run_process(process)
    time.sleep(delay)
    if sent == "TERM":  # SLURM sends it to every process of a job, and its warning to the shell alone
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.send_signal(signal.SIGUSR2)
    _, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "stopped: " in errors
    assert "Traceback" not in errors
    assert requeues(shard) == ["7_0"]


def test_what_slurm_itself_is_ending_is_left_to_it(shard, call, capsys, monkeypatch):
    for name, value in (shard[1] | {"I2P_BENCH_REQUEUE": "1"}).items():
        monkeypatch.setenv(name, value)
    assert call(requeue_main) == 3
    assert "requeued in SLURM; it will resume from here" in capsys.readouterr().err
    assert requeues(shard) == ["7_0"]
    monkeypatch.setenv("STATE", "COMPLETING")  # as scontrol says of one that scancel ends
    assert call(requeue_main) == 3
    assert "if cancelled, it stays cancelled; if preempted, SLURM starts it again" in capsys.readouterr().err
    assert requeues(shard) == []


def test_a_setup_that_ends_at_the_first_error_does_not_end_a_shard_before_its_run(shard, tmp_path):
    """A signal to the whole job ends the shell's `sleep` with an error too, and the run has its batch to store."""
    script, environment = shard
    slow = tmp_path / "shard.sbatch"
    run = "import signal, time; signal.signal(15, lambda *_: (time.sleep(2), print('stored'), exit(3)))"
    lines = script.read_text().replace("\n:\n", "\nset -euo pipefail\n").splitlines()
    start = next(place for place, line in enumerate(lines) if '"shard.index=' in line)
    lines[start] = f'{sys.executable} -c "{run}; print(1, flush=True); time.sleep(60)" &'
    slow.write_text("\n".join(lines))
    assert "set -euo pipefail" in lines
    process = subprocess.Popen(
        ["bash", slow], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdout.readline() == "1\n"
    os.killpg(process.pid, signal.SIGTERM)
    assert process.communicate()[0] == "stored\n"
    assert process.returncode == 3


def test_a_shard_whose_run_cannot_be_found_ends_with_the_shell_s_code(shard, tmp_path):
    script, environment = shard
    broken = tmp_path / "shard.sbatch"
    broken.write_text(script.read_text().replace(" run prompts.rows", " no-command prompts.rows"))
    done = subprocess.run(["bash", broken], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert requeues(shard) == []


MOMENTS = {
    "measuring": (eval.report.make, "make_report"),
    "loading": (eval.generate.drawing_run, "open_models"),
    "choosing the engine": (eval.generate.drawing_run, "choose_engine"),
    "planning": (eval.plan.make, "make_plan"),
    "writing the report": (eval.report.files, "write"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_later_on_stops_the_run_at_once_and_leaves_a_report_whole(
    shard, tmp_path, call, capsys, monkeypatch, moment
):
    """A library that makes errors of its own of whatever comes, as some do, changes nothing."""
    module, name = MOMENTS[moment]
    real = getattr(module, name)

    def signalled(*words, **more):
        try:
            signal.raise_signal(signal.SIGUSR2)
            return real(*words, **more)
        except KeyboardInterrupt:
            raise RuntimeError("could not load") from None

    monkeypatch.setattr(module, name, signalled)
    for key, value in (shard[1] | {"I2P_BENCH_REQUEUE": "1"}).items():
        monkeypatch.setenv(key, value)
    out = tmp_path / "run"
    whole = moment == "writing the report"
    code = call(run_main, f"out={out}", *SMALL)
    errors = capsys.readouterr().err
    assert code == (0 if whole else 3), errors
    assert requeues(shard) == ([] if whole else ["7_0"])
    assert (out / "report" / "results.csv").exists() == whole
    if not whole:
        assert "stopped: SIGUSR2 arrived" in errors


def test_a_shard_that_makes_no_image_twice_is_not_started_for_ever(shard, tmp_path, call, capsys, monkeypatch):
    """Its time ends while it loads, at every start. One that has stored something since it was started goes on."""
    for key, value in (shard[1] | {"I2P_BENCH_REQUEUE": "1"}).items():
        monkeypatch.setenv(key, value)
    out = tmp_path / "run"
    ended = f"out={out}", *SMALL, "batch_size=2"
    with pytest.MonkeyPatch.context() as patch:
        real = eval.generate.drawing_run.open_models
        patch.setattr(
            eval.generate.drawing_run, "open_models", lambda *each: (signal.raise_signal(signal.SIGUSR2), real(*each))
        )
        assert call(run_main, *ended) == 3
        assert requeues(shard) == ["7_0"]
        monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
        assert call(run_main, *ended) == 3
        assert requeues(shard) == []
        assert call(requeue_main) == 3  # where Python had not begun to listen
        assert requeues(shard) == []
    sentence = (
        "not requeued in SLURM: this was start 2, and no image was made before it was stopped again; "
        "submit again with more time, slurm.time=…"
    )
    assert capsys.readouterr().err.count(sentence) == 2
    with pytest.MonkeyPatch.context() as patch:
        real_write = RunDir.write_scores

        def write(*each):
            real_write(*each)
            signal.raise_signal(signal.SIGUSR2)

        patch.setattr(RunDir, "write_scores", write)
        assert call(run_main, *ended) == 3
    assert len(RunDir(out).done()) == 1  # a batch of half the rows
    assert requeues(shard) == ["7_0"]
    monkeypatch.setenv("STATE", "COMPLETING")  # preempted while it loads: SLURM itself puts it back
    assert call(requeue_main) == 3
    assert "if preempted, SLURM starts it again" in capsys.readouterr().err


def test_of_two_the_inner_one_decides_and_the_outer_one_knows_afterwards():
    with Stop(at_once=True) as outer:
        with Stop() as inner:
            signal.raise_signal(signal.SIGUSR2)
            assert inner.reason == "SIGUSR2"
            assert outer.reason is None
        with pytest.raises(Stopped, match="SIGUSR2 arrived"):
            outer.check()
    with Stop(at_once=True):
        with pytest.raises(StoppedAtOnce):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # what the first one set going is not broken off
        with Stop() as late:
            assert late.reason == "SIGTERM"


IMPORTED = """
import signal, time
signal.raise_signal(signal.SIGTERM)
time.sleep({seconds})
whole = True
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make a module that a signal reaches in the middle, and that takes some seconds more."""

    def module(seconds):
        (tmp_path / "reached_by_a_signal.py").write_text(IMPORTED.format(seconds=seconds))
        return "reached_by_a_signal"

    monkeypatch.syspath_prepend(tmp_path)
    yield module
    sys.modules.pop("reached_by_a_signal", None)


def test_an_import_that_a_signal_reaches_ends_first(module):
    """C++ that imports Python aborts the process where something unexpected is raised."""
    with Stop(at_once=True) as stop:
        assert importlib.import_module(module(0.2)).whole
        assert not stop.raised
        with pytest.raises(StoppedAtOnce):
            time.sleep(60)
    assert stop.raised


def test_an_import_without_end_is_broken_off(module, monkeypatch):
    monkeypatch.setattr(signals, "IMPORT_GRACE", 0.1)
    with Stop(at_once=True), pytest.raises(StoppedAtOnce):
        importlib.import_module(module(60))


def test_a_signal_during_an_import_is_not_repeated_to_others(module):
    heard = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with Stop(at_once=True) as stop:
            importlib.import_module(module(0))
        time.sleep(4 * signals.AGAIN)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert (stop.reason, heard) == ("SIGTERM", [])


def test_a_signal_that_is_held_back_is_heard_afterwards():
    with Stop() as stop:
        with signals_held_back():
            signal.raise_signal(signal.SIGTERM)  # at this thread: another one, of a library say, holds nothing back
            assert stop.reason is None
        assert stop.reason == "SIGTERM"
