"""Shards as jobs of a real SLURM: whatever ends them, the run comes out as one process makes it."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import in_process
import numpy as np
import processes
import pyarrow.parquet as pq
import pytest
from PIL import Image

from eval.base.quoting import override

pytestmark = [pytest.mark.slurm, pytest.mark.long]

SMALL = ["protocol.steps=2", "prompts.rows=0-7", "batch_size=1", "methods=[baseline,sld_max]", "sheet=false"]
SMALL += ["judges=[q16]"]
SHARD = ["slurm.cpus=1", "slurm.warning=60", 'slurm.setup="export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1"']


@pytest.fixture(scope="module")
def alone(tmp_path_factory, figures_of_a_kind_are_one):
    """The run in one process, as every way through the cluster has to come out."""
    out = tmp_path_factory.mktemp("runs") / "alone"
    assert in_process.run("eval.run", f"out={out}", *SMALL).returncode == 0
    return digests(out)


def digests(out) -> dict:
    rows = pq.read_table(Path(out) / "scores").to_pylist()
    return {(r["method"], r["row"], r["image"]): (r["state"], r["digest"], r["q16_safe"]) for r in rows}


def judged(out) -> list[dict]:
    return pq.read_table(Path(out) / "scores").to_pylist()


def stored(out) -> int:
    return len(list((Path(out) / "scores").glob("*.parquet")))


def submission(out, *more) -> list[str]:
    keys = {word.partition("=")[0] for word in more}
    small = [word for word in SMALL if word.partition("=")[0] not in keys]
    return [processes.python(), "-m", "eval.submit", override("out", str(out)), *small, *SHARD, *more]


def submit(cluster, out, *more) -> list[str]:
    """Submit a run, whose jobs are forks; return their numbers, the report's last."""
    return re.findall(r"Submitted job (\d+)", cluster.call(*submission(out, *more)))


def refusal(cluster, out, *more) -> str:
    """Have a submission refused; return the sentence."""
    command = submission(out, *more)
    done = processes.run(command, capture_output=True, text=True, check=False, env=cluster.environment)
    assert done.returncode == 2, done.stderr
    return done.stderr


def status(cluster, out) -> tuple[int, str]:
    command = [sys.executable, "-m", "eval.status", str(out)]
    done = processes.run(command, capture_output=True, text=True, check=False, env=cluster.environment)
    return done.returncode, done.stdout


@contextlib.contextmanager
def held(out, task):
    """Have a shard stand still, so that what happens meanwhile meets it at work, however fast it is."""
    log = str(out / "slurm" / f"{task}.log")
    forks = [pid for pid, words in running() if b"forking.py" in words[1] and writes_to(pid) == log]
    assert forks  # an interpreter of its own takes many times as long
    for pid in forks:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in forks:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_an_array_of_interpreters_equals_one_process_whatever_its_folder_is_named(cluster, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    (tmp_path / "pictures").mkdir()
    Image.fromarray(noise).save(tmp_path / "pictures" / "0_0.png")
    words = ["model=images", f"model.path={tmp_path}/pictures", "prompts=demo", "prompts.rows=[0]", "sheet=false"]
    words += ["judges=[nudenet]"]  # which loads a fraction of the libraries that drawing does
    assert in_process.run("eval.run", f"out={tmp_path}/alone", *words).returncode == 0
    out = tmp_path / "a#b 'c\" 50%j $HOME é"
    monkeypatch.setitem(cluster.environment, "SBATCH_EXPORT", "NONE")  # a job knows nothing of this environment
    command = [sys.executable, "-m", "eval.submit", override("out", str(out)), *words, *SHARD, "shard.count=1"]
    done = processes.run(command, capture_output=True, text=True, check=True, env=cluster.environment)
    array, report = re.findall(r"Submitted job (\d+)", done.stdout)
    cluster.wait_for_end(array, report)
    logs = {path.name for path in (out / "slurm").glob("*.log")}
    assert logs == {f"{array}_0.log", f"report_{report}.log"}
    for path in (out / "slurm").glob("*.sbatch"):
        assert f"{sys.executable} " in path.read_text()  # no launcher of forks
    assert judged(out) == judged(tmp_path / "alone")
    assert {path.name[:5] for path in (out / "scores").iterdir()} == {"00000"}
    assert cluster.job(report)["ExitCode"] == "0:0"


def test_more_shards_than_an_array_takes_submitted_from_inside_a_job_equal_one_process(cluster, alone, tmp_path):
    out, script = tmp_path / "run", tmp_path / "outer.sh"
    words = [processes.python(), "-m", "eval.submit", f"out={out}", *SMALL, *SHARD, "shard.count=4"]
    script.write_text(f"#!/bin/bash\ncd {Path.cwd()}\n{shlex.join(words)}\n")
    # An array's task: its variables and options must not reach what it submits.
    outer = cluster.call(
        *("sbatch", "--parsable", "--array=1", "--job-name=outer", f"--output={tmp_path}/outer.log", str(script))
    )
    cluster.wait_for_end(outer)
    said = (tmp_path / "outer.log").read_text()
    jobs = re.findall(r"Submitted job (\d+)", said)
    assert "shards 0 to 1 of 4" in said
    assert "shards 2 to 3 of 4" in said
    cluster.wait_for_end(*jobs)
    assert digests(out) == alone
    report = cluster.job(jobs[-1])
    assert (report["JobState"], report["ExitCode"]) == ("COMPLETED", "0:0")
    assert "Inappropriate probability" in (out / "slurm" / f"report_{jobs[-1]}.log").read_text()
    assert status(cluster, out)[0] == 0


def test_a_shard_that_is_warned_stores_its_batch_requeues_itself_and_goes_on(cluster, tmp_path):
    out, steps = tmp_path / "run", "protocol.steps=20"  # so that the second signal meets a fast machine at work too
    array, report = submit(cluster, out, "shard.count=1", steps)
    cluster.wait(lambda: shard_processes(out, 0))  # a job is RUNNING before its script hears anything
    cluster.call("scancel", "--batch", "--signal=USR2", f"{array}_0")  # as it starts
    cluster.wait(lambda: cluster.job(f"{array}_0")["Restarts"] == "1", pause=0.02)
    before = stored(out)  # a fast machine has drawn something before it heard the signal
    cluster.wait(lambda: stored(out) > before, pause=0.02)
    with held(out, f"{array}_0"):
        cluster.call("scancel", "--batch", "--signal=USR2", f"{array}_0")
    cluster.wait_for_end(array, report)
    assert cluster.job(f"{array}_0")["Restarts"] == "2"
    log = (out / "slurm" / f"{array}_0.log").read_text()
    assert "requeued in SLURM; it will resume from here" in log
    assert "stopped: SIGUSR2 arrived" in log
    assert in_process.run("eval.run", f"out={tmp_path}/alone", *SMALL[1:], steps).returncode == 0
    assert digests(out) == digests(tmp_path / "alone")
    assert cluster.job(report)["ExitCode"] == "0:0"


def test_a_shard_that_is_preempted_is_requeued_and_goes_on(cluster, alone, tmp_path):
    out = tmp_path / "run"
    array, report = submit(cluster, out, "shard.count=1", "slurm.partition=main")
    cluster.wait(lambda: stored(out) >= 2, pause=0.02)
    with held(out, f"{array}_0"):
        cluster.call("sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
        cluster.wait(lambda: cluster.job(f"{array}_0")["JobState"] != "RUNNING")
    cluster.wait_for_end(array, report)
    assert cluster.job(f"{array}_0")["Restarts"] == "1"
    assert digests(out) == alone


def test_cancelled_and_killed_tasks_are_found_missing_and_the_command_that_is_said_completes_them(
    cluster, alone, tmp_path
):
    out = tmp_path / "run"
    array, report = submit(cluster, out, "shard.count=2")
    cluster.wait(lambda: list((out / "scores").glob("00001-*.parquet")), pause=0.02)
    with held(out, f"{array}_1"):
        for pid in shard_processes(out, 1):
            os.kill(pid, signal.SIGKILL)
    cluster.call("scancel", f"{array}_0", check=False)  # which may have ended by now
    cluster.wait_for_end(array, report)
    assert cluster.job(report)["ExitCode"] == "3:0"
    code, said = status(cluster, out)
    assert code == 3
    assert re.search(r"Missing: \d+ images, in shards (0 \(\d+\), )?1 \(\d+\)\.", said)
    log = (out / "slurm" / f"report_{report}.log").read_text()
    again = re.search(r"this completes the run: (.*)", log)[1]
    done = subprocess.run(again, shell=True, check=False, env=cluster.environment)
    assert done.returncode == 0
    assert digests(out) == alone


def test_what_is_queued_is_not_queued_twice_and_what_is_cancelled_stays_so(cluster, tmp_path):
    out = tmp_path / "run"
    long = "protocol.steps=300"  # than all of this takes
    sent = ["shard.count=4", "slurm.at_once=1", long]  # two arrays, of which the second waits for the first
    first, second, report = submit(cluster, out, *sent)
    cluster.wait(lambda: shard_processes(out, 0))
    assert cluster.call("squeue", "--noheader", "--states=RUNNING", "--format=%F_%K") == f"{first}_0"
    assert cluster.job(second)["Dependency"].startswith(f"afterany:{first}")
    said = refusal(cluster, out, *sent)
    assert f"{out} must not be in SLURM's queue already" in said
    assert all(f"job {number} (" in said for number in (first, second, report))
    cancel = re.search(r"`(scancel [\d ]+)`", said)[1]
    cluster.call(*cancel.split())
    cluster.wait_for_end(first, second, report)
    cancelled = cluster.job(f"{first}_0")
    assert (cancelled["JobState"], cancelled["Restarts"]) == ("CANCELLED", "0")
    again = submit(cluster, out, "shard.count=1", "slurm.report=null", long)
    cluster.call("scancel", *again)
    cluster.wait_for_end(*again)


def test_what_slurm_would_refuse_is_found_before_anything_is_queued(cluster, tmp_path):
    said = refusal(cluster, tmp_path / "run", "shard.count=4", "slurm.report.partition=nowhere")
    assert "nothing is queued, since sbatch refused the report" in said
    assert "nowhere" in said
    said = refusal(cluster, tmp_path / "run", "shard.count=4", "slurm.qos=none", "slurm.options=['--nodes=9']")
    assert "nothing is queued, since sbatch refused shards 2 to 3 of 4" in said
    assert cluster.call("squeue", "--noheader") == ""


def shard_processes(out, index) -> list[int]:
    wanted = {f"out={out}".encode(), f"shard.index={index}".encode()}
    return [pid for pid, words in running() if wanted <= set(words)]


def running():
    """The processes of this machine that have words: their ids and the words."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if len(words) > 2:
                yield int(path.parent.name), words


def writes_to(pid) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/1")
    except OSError:
        return ""
