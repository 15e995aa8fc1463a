"""Submission from the command line: what the scripts say, and what SLURM's commands are called with.

SLURM's commands are stand-ins here, which keep what they were given and refuse on demand; tests/slurm submits to a real
one.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from eval.base.command import command_line
from eval.base.errors import InputError
from eval.base.quoting import override
from eval.config.compose import compose_and_call
from eval.config.settings import read_settings
from eval.config.slurm import ReportJob, SlurmSettings
from eval.submit.__main__ import main
from eval.submit.jobs import array_ranges
from eval.submit.queue import locked
from eval.submit.scripts import report_options, report_script, shard_options, shard_script
from eval.submit.settings import check_default_time, read_slurm
from eval.submit.slurm import submit

SMALL = ["protocol.steps=1", "prompts.rows=0-9", "slurm.time=01:00:00", "slurm.partition=gpu"]
STAND_IN = """\
#!/bin/bash
name=$(basename "$0")
{ echo "$name $*"; env | grep -E '^(SBATCH|SLURM)_' | sed 's/^/ENV /'; } >> "$LOG"
case " $* " in *"$REFUSED"*) [ -z "$REFUSED" ] || { echo "$name: error: not like this" >&2; exit 1; };; esac
case "$name $*" in
  sbatch*--test-only*) ;;
  sbatch*)
    [ -z "$GREETING" ] || echo "$GREETING"
    number=$(($(cat "$LOG.number" 2>/dev/null || echo 100) + 1)); echo $number | tee "$LOG.number"
    [ -z "$SENT" ] || kill -$SENT $PPID;;
  scontrol*config) echo "MaxArraySize            = $SIZE";;
  scontrol*partition) echo "$PARTITION";;
  squeue*) [ -f "$LOG.queue" ] && cat "$LOG.queue" || exit 1;;
esac
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins on the PATH; returns a function that gives the lines of what they were called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "scontrol", "scancel", "squeue"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
        monkeypatch.delenv(name)
    said = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": f"{tmp_path}/log", "SIZE": "1001"}
    for name, value in (said | dict.fromkeys(("REFUSED", "SENT", "GREETING", "PARTITION"), "")).items():
        monkeypatch.setenv(name, value)

    def calls(*names):
        log = tmp_path / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.split()[0] in (names or ("sbatch", "scontrol", "scancel", "squeue"))]

    return calls


def submitted(calls) -> list[str]:
    return [line for line in calls("sbatch") if "--test-only" not in line]


def script(out, name="shard") -> list[str]:
    return (out / "slurm" / f"{name}.sbatch").read_text().splitlines()


def command(lines, name) -> list[str]:
    """The words with which the script starts a command of ours, as the shell reads them, without its own arithmetic."""
    start = shlex.join(command_line(name))
    (line,) = [line.removeprefix("exec ") for line in lines if line.removeprefix("exec ").startswith(f"{start} ")]
    return shlex.split(line.partition(' "shard.index')[0])


def test_a_dry_run_writes_scripts_that_bash_reads_and_submits_nothing(tmp_path, call, capsys, slurm):
    out = tmp_path / "a run (1)"
    setup = 'slurm.setup="module load cuda; export X=1"'
    options = ["methods=[baseline,sld_max]", "slurm.gpus=1", "slurm.options=['--exclude=node7']", setup]
    assert call(main, f"out='{out}'", *SMALL, *options, "shard.count=4", "dry_run=true") == 0
    assert "not submitted" in capsys.readouterr().out
    assert not slurm("sbatch")
    lines = script(out)
    for name in ("shard", "report"):
        subprocess.run(["bash", "-n", out / "slurm" / f"{name}.sbatch"], check=True)
    wanted = [
        "--job-name=i2p-a-run-1-",
        "--partition=gpu",
        "--time=01:00:00",
        "--gres=gpu:1",
        "--requeue",
        "--exclude=node7",
    ]
    wanted += ["--open-mode=append", "--signal=B:USR2@300", f'--output="{out}/slurm/%A_%a.log"']
    assert {f"#SBATCH {option}" for option in wanted} <= set(lines)
    assert "module load cuda; export X=1" in lines
    assert command(lines, "run") == [
        *(*command_line("run"), *SMALL[:2], "methods=[baseline,sld_max]"),
        *(f"out='{out}'", "shard.count=4"),
    ]
    assert command(script(out, "report"), "report") == command_line("report", [str(out)])


def test_the_commands_that_a_dry_run_prints_submit_what_it_would_have(tmp_path, call, capsys, slurm, monkeypatch):
    monkeypatch.setenv("SIZE", "4")
    more = ["shard.count=6", "slurm.at_once=2", f"out='{tmp_path}/a \"b\" $HOME'"]
    assert call(main, *SMALL, *more, "dry_run=true") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("job")]
    subprocess.run(["bash", "-ec", "\n".join(lines)], check=True)
    by_hand = [line.replace("--parsable ", "") for line in submitted(slurm)]
    (tmp_path / "log").unlink()
    (tmp_path / "log.number").unlink()
    (tmp_path / "log.queue").touch()
    assert call(main, *SMALL, *more) == 0
    assert [sorted(line.replace("--parsable ", "").split()) for line in submitted(slurm)] == [
        sorted(line.split()) for line in by_hand
    ]


def test_a_shard_without_its_array_refuses_to_run(tmp_path, call, slurm):
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4", "dry_run=true") == 0
    done = subprocess.run(
        ["bash", tmp_path / "run/slurm/shard.sbatch"], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 2
    assert "this script must run as a task of a job array, found none" in done.stderr
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["shard.count=11"], "shard.count must be at most the number of prompts, 10, found 11"),
        (["shard.count=2", "shard.index=1"], "shard.index must be left to the jobs"),
        (["slurm.warning=soon"], "slurm.warning"),
        (["slurm.qos='a\nb'"], "an option of sbatch must have no line breaks or control characters"),
        (["prompts.rows=[999]"], "999"),
        (["slurm.partitoin=gpu"], "partitoin"),
        (["slurm={partitoin: gpu}"], "partitoin"),
        (["slurm.report.tiem=1"], "tiem"),
        (["slurm=gpu"], "slurm must be a mapping"),
        (["batch_size=0"], "batch_size must be auto"),
        (["slurm.at_once=0"], "slurm.at_once must be a whole number from 1 up, found 0"),
        (["slurm.warning=70000"], "slurm.warning must be 1 to 65535 seconds"),
        (["slurm.gpus=true"], "slurm.gpus must be a number, or a type and a number, found True"),
        (["slurm.options=['module load cuda']"], "slurm.options must be options of sbatch, each in one line"),
        (["slurm.time=4h"], "give slurm.time=04:00:00"),
        (["slurm.mem=32gigs"], "slurm.mem must be a number with K, M, G or T, found '32gigs': give slurm.mem=32G"),
        ([f"slurm.mem={'9' * 5000}G"], "slurm.mem must be a number with K, M, G or T"),
        ([f"slurm.time={'9' * 400}-0"], "slurm.time must be a time limit of sbatch"),
        (["slurm.cpus=1_0"], "slurm.cpus must have numbers without underscores, found 1_0 in 1_0: write 10"),
        (["slurm.cpus='1_0'"], "slurm.cpus must be a whole number, found '1_0'"),
        (["slurm.mem=32"], "found 32, in MB without a unit: give slurm.mem=32G"),
        (["slurm.report.mem=lots"], "give slurm.report.mem=32G"),
        (["slurm.time=tomorrow"], "slurm.time must be a time limit of sbatch"),
        (["slurm.report.time=1:2:3:4"], "slurm.report.time must be a time limit of sbatch"),
        (["slurm.gpus=1.5"], "slurm.gpus must be a number, or a type and a number, found 1.5: give slurm.gpus=1 or"),
        (["slurm.report.gpus=[1]"], "slurm.report.gpus must be a number, or a type and a number, found [1]"),
        (["slurm.gpus=-1"], "slurm.gpus must be a number, or a type and a number, found -1"),
        (["slurm.partition=''"], "slurm.partition must be a value, found an empty text"),
        (["model.unet=/nowhere"], "/nowhere"),
    ],
)
def test_what_no_shard_could_run_is_said_before_anything_is_written(tmp_path, call, capsys, given, said):
    assert call(main, f"out={tmp_path}/run", *SMALL, *given, "dry_run=true") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("limit", "warning", "is_longer"),
    [
        ("5", 300, False),
        ("6", 300, True),
        ("5:00", 300, False),
        ("5:01", 300, True),
        ("0:05:00", 300, False),
        ("1:00:00", 3600, False),
        ("1:00:01", 3600, True),
        ("0-1", 3600, False),
        ("0-1:01", 3600, True),
        ("1-00:00:00", 65535, True),
        ("0-0:5:0", 300, False),
        ("UNLIMITED", 65535, True),
        ("infinite", 65535, True),
        ("0", 65535, True),  # to sbatch no limit
        ("00:00:00", 65535, True),
    ],
)
def test_a_time_limit_within_the_warning_is_refused_in_every_form_that_sbatch_takes(limit, warning, is_longer):
    given = OmegaConf.create({"time": limit, "warning": warning})
    if is_longer:
        assert read_slurm(given).time == limit
        return
    with pytest.raises(InputError, match=r"slurm\.time must be longer than slurm\.warning"):
        read_slurm(given)


@pytest.mark.parametrize("place", ["SBATCH_TIMELIMIT", "slurm.options"])
def test_the_time_limit_that_counts_is_the_one_that_sbatch_heeds(tmp_path, call, capsys, slurm, monkeypatch, place):
    words = [*SMALL[:2], f"out={tmp_path}/run"]
    if place == "SBATCH_TIMELIMIT":
        monkeypatch.setenv(place, "4")
    else:
        words += ["slurm.time=1:00:00", "slurm.options=['--time 4']"]
    assert call(main, *words) == 2
    assert place in capsys.readouterr().err
    assert call(main, *words, "slurm.warning=100") == 0


@pytest.mark.parametrize(
    "option", ["--array=0-3", "-a0-3", "--wait", "-W", "--test-only", "--wrap=true", "-h", "--arr=3"]
)
def test_an_option_with_which_sbatch_would_do_something_else_is_refused(option):
    for given in ({"options": [option]}, {"report": {"options": ["--nice", option]}}):
        with pytest.raises(InputError, match=r"options must not hold -.*leave it out, "):
            read_slurm(OmegaConf.create(given))
    taken = ["--wait-all-nodes=1", "-w node1", "-H", "--dependency=afterok:7"]
    assert read_slurm(OmegaConf.create({"options": taken})).options == taken


@pytest.mark.parametrize(
    "option", ["--dependency=afterok:7", "--dependency afterok:7", "-d afterok:7", "--dep=singleton"]
)
def test_a_dependency_of_the_reports_own_is_refused_as_it_waits_for_the_shards(option):
    with pytest.raises(
        InputError, match=r"slurm\.report\.options must not hold -.*leave it out, its job waits for the shards"
    ):
        read_slurm(OmegaConf.create({"report": {"options": [option]}}))
    assert read_slurm(OmegaConf.create({"report": {"options": ["--deadline=now+1hour", "-D /tmp"]}}))


@pytest.mark.parametrize(
    ("limits", "partition", "refused"),
    [
        ("Default=YES DefaultTime=00:05:00 MaxTime=1-00:00:00", None, True),
        ("Default=YES DefaultTime=NONE MaxTime=00:04:00", None, True),
        ("Default=YES DefaultTime=00:05:01 MaxTime=00:10:00", None, False),
        ("Default=YES DefaultTime=NONE MaxTime=UNLIMITED", None, False),
        ("Default=NO DefaultTime=00:05:00 MaxTime=UNLIMITED", None, False),
        ("Default=NO DefaultTime=00:05:00 MaxTime=UNLIMITED", "short", True),
        ("Default=YES DefaultTime=00:05:00 MaxTime=UNLIMITED", "other", False),
    ],
)
def test_a_partition_s_own_time_limit_within_the_warning_is_refused(slurm, monkeypatch, limits, partition, refused):
    monkeypatch.setenv("PARTITION", f"PartitionName=short AllowGroups=ALL {limits} State=UP")
    given = {"partition": partition} if partition else {}
    if refused:
        with pytest.raises(InputError, match=r"found the default 00:0.* of partition short"):
            check_default_time(read_slurm(OmegaConf.create(given)))
    else:
        check_default_time(read_slurm(OmegaConf.create(given)))
    check_default_time(read_slurm(OmegaConf.create({**given, "time": "1:00:00"})))


def test_gpus_that_a_shard_would_leave_idle_are_said(tmp_path, call, capsys, slurm):
    words = [f"out={tmp_path}/run", *SMALL, "slurm.gpus=a100:4", "dry_run=true"]
    assert call(main, *words) == 0
    assert "a shard has 4 GPUs and uses only one: workers=auto" in capsys.readouterr().err
    assert call(main, *words, "workers=auto") == 0
    assert "GPUs" not in capsys.readouterr().err


def test_without_slurm_on_the_path_it_says_so(tmp_path, call, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(main, f"out={tmp_path}/run", *SMALL) == 2
    assert "SLURM's scontrol must be on the PATH, found none" in capsys.readouterr().err


def test_a_report_that_is_refused_is_found_before_anything_is_queued(tmp_path, call, capsys, slurm, monkeypatch):
    monkeypatch.setenv("REFUSED", "report.sbatch")
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4") == 2
    said = capsys.readouterr().err
    assert "nothing is queued, since sbatch refused the report (sbatch: error: not like this)" in said
    assert "slurm.report=null" in said
    assert not submitted(slurm)
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4", "slurm.report=null") == 0
    assert len(submitted(slurm)) == 1
    assert not (tmp_path / "run/slurm/report.sbatch").exists()
    assert f" report {tmp_path}/run" in capsys.readouterr().out


@pytest.mark.parametrize("can_cancel", [True, False])
def test_what_was_queued_before_a_refusal_is_cancelled_or_said(tmp_path, call, capsys, slurm, monkeypatch, can_cancel):
    monkeypatch.setenv("REFUSED", "--dependency")  # which only the submission itself has
    if not can_cancel:
        (tmp_path / "bin/scancel").write_text("#!/bin/bash\necho no >&2; exit 1\n")
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4") == 2
    said = capsys.readouterr().err
    if can_cancel:
        assert slurm("scancel") == ["scancel 101"]
        assert "job 101, queued before, is cancelled" in said
    else:
        assert "job 101 is still queued, because scancel refused (no); to cancel it: scancel 101" in said


@pytest.mark.parametrize("sent", ["TERM", "INT", "HUP"])
def test_a_signal_between_two_submissions_leaves_nothing_queued(tmp_path, call, capsys, slurm, monkeypatch, sent):
    monkeypatch.setenv("SENT", sent)  # by sbatch to who called it
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4") == 3
    assert "job 101, queued before, is cancelled" in capsys.readouterr().err
    assert len(submitted(slurm)) == 1
    assert slurm("scancel") == ["scancel 101"]


def test_the_number_of_a_job_is_found_below_a_greeting_and_without_one_nothing_is_taken_for_it(
    tmp_path, call, capsys, slurm, monkeypatch
):
    monkeypatch.setenv("GREETING", "Welcome to 2 clusters\n\n--> 7 nodes: OK")
    assert call(main, f"out={tmp_path}/run", *SMALL) == 0
    assert "Submitted job 101: " in capsys.readouterr().out
    assert "--dependency=afterany:101" in submitted(slurm)[1]
    (tmp_path / "bin/sbatch").write_text("#!/bin/bash\necho queued\n")
    assert call(main, f"out={tmp_path}/other", *SMALL) == 2
    assert "expected the number of a job from it, found queued" in capsys.readouterr().err


def test_a_job_that_slurm_took_although_sbatch_gave_up_is_cancelled_too(tmp_path, call, capsys, slurm, monkeypatch):
    out = tmp_path / "run"
    jobs = [(101, out / "slurm/shard"), (102, out / "slurm/report"), (103, tmp_path / "other/slurm/shard")]
    queue = [f"{number}|PENDING|{script}.sbatch" for number, script in jobs]
    (tmp_path / "log.queue").write_text("\n".join(queue))
    monkeypatch.setenv("REFUSED", "--dependency")
    assert call(main, f"out={out}", *SMALL) == 2
    assert "job 101, 102, queued before, is cancelled" in capsys.readouterr().err
    assert slurm("scancel") == ["scancel 101", "scancel 102"]


def test_a_run_that_is_queued_is_not_queued_twice(tmp_path, call, capsys, slurm):
    out = tmp_path / "run"
    words = [f"out={out}", *SMALL, "shard.count=4"]
    assert call(main, *words) == 0
    record = json.loads((out / "slurm/jobs.json").read_text())["jobs"]
    assert [(job["number"], job["what"]) for job in record] == [("101", "shards 0 to 3 of 4"), ("102", "the report")]
    # squeue that does not answer: nobody knows.
    assert call(main, *words) == 2
    assert "squeue must tell whether the jobs of this run are still queued (101, 102)" in capsys.readouterr().err
    queue = tmp_path / "log.queue"
    queue.write_text(f"101|RUNNING|{out}/slurm/shard.sbatch 0\n101|PENDING|{out}/slurm/shard.sbatch 0\n")
    assert call(main, *words) == 2
    said = capsys.readouterr().err
    assert f"{out} must not be in SLURM's queue already, found job 101 (running, pending)" in said
    assert "scancel 101" in said
    # Submitted by hand, under a number that the record does not know.
    queue.write_text(f"7|PENDING|{out}/slurm/shard.sbatch\n")
    assert call(main, *words) == 2
    assert len(submitted(slurm)) == 2
    # Numbers begin anew after SLURM was set up anew: that 101 is somebody else.
    queue.write_text(f"101|RUNNING|{tmp_path}/other/slurm/shard.sbatch 0\n8|RUNNING|/bin/thing\n9|RUNNING|\n")
    assert call(main, *words) == 0
    assert len(submitted(slurm)) == 4


@pytest.mark.parametrize(("first", "second"), [("", "link"), ("link", "")])
def test_a_run_that_is_queued_by_another_path_is_not_queued_twice(tmp_path, call, capsys, slurm, first, second):
    (tmp_path / "link").symlink_to(tmp_path)
    assert call(main, f"out={tmp_path / first / 'run'}", *SMALL) == 0
    (tmp_path / "log.queue").write_text(f"7|PENDING|{tmp_path / first / 'run'}/slurm/shard.sbatch 0\n")
    assert call(main, f"out={tmp_path / second / 'run'}", *SMALL) == 2
    assert "must not be in SLURM's queue already, found job 7 (pending)" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["101", "101|RUNNING"])
def test_a_squeue_that_leaves_columns_out_still_tells_a_job_by_its_number(tmp_path, call, capsys, slurm, line):
    words = [f"out={tmp_path}/run", *SMALL]
    assert call(main, *words) == 0
    (tmp_path / "log.queue").write_text(f"{line}\n")
    assert call(main, *words) == 2
    assert "must not be in SLURM's queue already, found job 101 (" in capsys.readouterr().err


def test_slurm_s_commands_have_a_session_of_their_own_which_ctrl_c_does_not_reach(tmp_path, slurm):
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.write_text(f"#!{sys.executable}\nimport os\nprint(int(os.getsid(0) == os.getpid()))\n")
    assert submit([], "script", []).number == "1"


def test_of_two_submissions_at_once_one_is_refused(tmp_path, call, capsys, slurm):
    with locked(tmp_path / "run/slurm"):
        assert call(main, f"out={tmp_path}/run", *SMALL) == 2
        assert f"{tmp_path}/run must be submitted by one process at a time" in capsys.readouterr().err
        assert not slurm("sbatch")
    assert call(main, f"out={tmp_path}/run", *SMALL) == 0


def test_jobs_of_a_colleague_who_submitted_the_same_run_count_too(tmp_path, call, slurm):
    words = [f"out={tmp_path}/run", *SMALL]
    assert call(main, *words) == 0
    record = tmp_path / "run/slurm/jobs.json"
    jobs = json.loads(record.read_text())["jobs"]
    assert {job["user"] for job in jobs} == {os.getuid()}
    record.write_text(json.dumps({"jobs": [job | {"user": 4711} for job in jobs] + [{"number": "9"}]}))  # 9: of old
    (tmp_path / "log.queue").touch()
    assert call(main, *words) == 0
    assert f"--user={','.join(map(str, sorted([os.getuid(), 4711])))} " in slurm("squeue")[-1]


def test_a_lock_of_a_process_that_was_killed_is_no_obstacle_and_one_of_another_machine_is_named(
    tmp_path, call, capsys, slurm
):
    import socket

    lock = tmp_path / "run/slurm/.lock"
    lock.parent.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock.write_text(json.dumps({"host": socket.gethostname(), "pid": gone.pid}))
    assert call(main, f"out={tmp_path}/run", *SMALL) == 0
    assert not lock.exists()
    (tmp_path / "log.queue").touch()
    lock.write_text(json.dumps({"host": "elsewhere", "pid": gone.pid}))
    assert call(main, f"out={tmp_path}/run", *SMALL) == 2
    assert f"delete {lock}" in capsys.readouterr().err


def test_explicit_keys_are_on_the_command_line_of_sbatch_and_the_environment_reaches_it(
    tmp_path, call, slurm, monkeypatch
):
    monkeypatch.setenv("SBATCH_ACCOUNT", "project")
    monkeypatch.setenv("SLURM_CLUSTERS", "west")
    monkeypatch.setenv("SBATCH_WAIT", "1")
    assert call(main, f"out={tmp_path}/run", *SMALL, "slurm.options=['--exclude node7']") == 0
    for line in submitted(slurm)[:1]:
        assert {"--partition=gpu", "--time=01:00:00", "--requeue", "--exclude", "node7"} <= set(line.split())
    seen = set(slurm("ENV"))
    assert {"ENV SBATCH_ACCOUNT=project", "ENV SLURM_CLUSTERS=west"} <= seen
    assert not any("SBATCH_WAIT" in line for line in seen)


def test_from_inside_a_job_what_is_that_job_s_own_is_left_out(tmp_path, call, slurm, monkeypatch):
    own = ["SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_MEM_PER_NODE", "SLURM_CPUS_PER_TASK", "SBATCH_MEM_BIND_TYPE"]
    site = ["SBATCH_ACCOUNT", "SBATCH_RESERVATION", "SLURM_CONF"]
    for name in own + site:
        monkeypatch.setenv(name, "7")
    assert call(main, f"out={tmp_path}/run", *SMALL) == 0
    assert {line.split("=")[0].removeprefix("ENV ") for line in slurm("ENV")} == set(site)


def test_the_report_asks_for_little_and_for_what_it_is_told(tmp_path, call, slurm):
    gpu = ["slurm.mem=32G", "slurm.gpus=1", "slurm.account=project", "slurm.time=12:00:00"]
    assert call(main, f"out={tmp_path}/a", *SMALL[:2], *gpu, "slurm.partition=gpu", "dry_run=true") == 0
    asked = {line.removeprefix("#SBATCH --") for line in script(tmp_path / "a", "report") if "#SBATCH" in line}
    assert {"partition=gpu", "account=project", "time=01:00:00", "mem=8G", "cpus-per-task=2"} <= asked
    assert not any(word.startswith("gres") for word in asked)
    own = ["partition=cpu", "time=30", "mem=2G", "gpus=a100:1", "options=['--nice=5']", "account=other"]
    words = [f"slurm.report.{word}" for word in own]
    assert call(main, f"out={tmp_path}/b", *SMALL[:2], *gpu, "slurm.partition=gpu", *words, "dry_run=true") == 0
    asked = {line.removeprefix("#SBATCH --") for line in script(tmp_path / "b", "report") if "#SBATCH" in line}
    assert {"partition=cpu", "time=30", "mem=2G", "gres=gpu:a100:1", "nice=5", "account=other"} <= asked


def test_the_limit_of_shards_at_once_holds_over_several_arrays(tmp_path, call, slurm, monkeypatch):
    monkeypatch.setenv("SIZE", "2")
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=5", "slurm.at_once=2") == 0
    words = [line.split() for line in submitted(slurm)]
    arrays = [next(word for word in line if word.startswith("--array")) for line in words[:-1]]
    assert arrays == ["--array=0-1%2", "--array=0-1%2", "--array=0-0%2"]
    waits = [[word for word in line if word.startswith("--dependency")] for line in words]
    assert waits == [[], ["--dependency=afterany:101"], ["--dependency=afterany:102"], [f"--dependency={AFTER_ALL}"]]


AFTER_ALL = "afterany:101:102:103"


def test_a_cluster_without_arrays_is_said_so(tmp_path, call, capsys, slurm, monkeypatch):
    monkeypatch.setenv("SIZE", "0")
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4") == 2
    assert "this cluster must accept job arrays, found MaxArraySize=0" in capsys.readouterr().err
    monkeypatch.setenv("SIZE", "1")
    assert call(main, f"out={tmp_path}/run", *SMALL, "shard.count=4") == 0
    assert [line.split()[-1] for line in submitted(slurm)[:4]] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a#b", "a#b"),
        ("o'brien", "o'brien"),
        ('say "x"', 'say \\"x\\"'),
        ("fifty%j", "fifty%%j"),
        ("two words", "two words"),
        ("$HOME", "$HOME"),
        ("é", "é"),
    ],
)
def test_the_log_is_in_the_run_directory_whatever_that_is_called(name, written):
    run = Path("/runs", name)
    shard = shard_script(shard_options(SlurmSettings(), run), None, ["true"], ["true"])
    report = report_script(report_options(ReportJob(), run), None, ["true"])
    assert f'#SBATCH --output="/runs/{written}/slurm/%A_%a.log"' in shard.splitlines()
    assert f'#SBATCH --output="/runs/{written}/slurm/report_%j.log"' in report.splitlines()


@pytest.mark.parametrize("name", ["back\\slash", "two\nlines"])
def test_a_path_in_which_slurm_can_write_no_log_is_refused(name):
    """Of real ones, 22.05 drops a backslash, and behind two it puts no number into the name."""
    with pytest.raises(InputError, match="backslash" if "\\" in name else "line breaks"):
        shard_options(SlurmSettings(), Path("/runs", name))


def test_an_experiment_of_one_s_own_holds_slurm_s_keys_and_the_command_line_wins(
    tmp_path, call, caplog, slurm, monkeypatch
):
    (tmp_path / "own/experiment").mkdir(parents=True)
    (tmp_path / "own/experiment/mine.yaml").write_text(
        '# @package _global_\nslurm: {partition: cpu, time: "04:00:00", report: {mem: 2G}}\nimages: none\n'
    )
    words = ["--config-dir", tmp_path / "own", "experiment=mine", "slurm.time=02:00:00", f"out={tmp_path}/run"]
    assert call(main, *words, SMALL[0], "dry_run=true") == 0
    lines = script(tmp_path / "run")
    assert {"#SBATCH --partition=cpu", "#SBATCH --time=02:00:00", "#SBATCH --cpus-per-task=4"} <= set(lines)
    assert {"#SBATCH --mem=2G", "#SBATCH --partition=cpu"} <= set(script(tmp_path / "run", "report"))
    shard = command(lines, "run")[len(command_line("run")) :]
    assert shard == [
        f"--config-dir={tmp_path}/own",
        "experiment=mine",
        SMALL[0],
        f"out={tmp_path}/run",
        "shard.count=1",
    ]
    # The shard reads the same file, whose slurm is not its own; only of a run outside of SLURM is that worth a word.
    monkeypatch.setattr("sys.argv", ["eval.run", *shard])
    for mark, is_said in (("1", False), (None, True)):
        with monkeypatch.context() as patch:
            if mark:
                patch.setenv("I2P_BENCH_REQUEUE", mark)
            compose_and_call("run", lambda config: read_settings(config).shard.index)
        assert is_said == ("slurm.* is not used here" in caplog.text)


def test_a_number_that_yaml_makes_of_a_time_or_an_account_is_refused():
    for text, found in (("time: 12:00:00", "43200"), ("account: 2024_10", "202410"), ("report: {qos: on}", "true")):
        with pytest.raises(InputError, match=f"must be a text, found {found}"):
            read_slurm(OmegaConf.create(text))


@pytest.mark.parametrize(("key", "typed"), [("account", "2024_10"), ("time", "90"), ("qos", "1e3"), ("mem", "4000")])
def test_what_is_typed_on_the_command_line_reaches_sbatch_as_it_was(tmp_path, call, slurm, key, typed):
    words = [f"slurm.{key}={typed}", f"slurm.report.{key}={typed}", f"out={tmp_path}/run", "dry_run=true"]
    assert call(main, *SMALL[:1], *words) == 0
    assert f"#SBATCH --{key}={typed}" in script(tmp_path / "run")
    assert f"#SBATCH --{key}={typed}" in script(tmp_path / "run", "report")


def test_slurm_s_keys_may_refer_to_those_of_the_run(tmp_path, call, slurm):
    words = ["slurm.gpus=${workers}", "slurm.options=['--comment=${out}']", "workers=2", "dry_run=true"]
    assert call(main, *SMALL[:2], f"out={tmp_path}/run", *words) == 0
    script = (tmp_path / "run" / "slurm" / "shard.sbatch").read_text()
    assert "#SBATCH --gres=gpu:2\n" in script
    assert f"#SBATCH --comment={tmp_path}/run\n" in script


def test_slurm_as_one_mapping_reaches_the_scripts_and_not_the_shards(tmp_path, call, slurm):
    words = ["slurm={partition: cpu, time: 1:00:00, report: {cpus: 1}}", "shard={count: 4}", f"out={tmp_path}/run"]
    assert call(main, *SMALL[:2], *words, "dry_run=true") == 0
    lines = script(tmp_path / "run")
    assert {"#SBATCH --partition=cpu", "#SBATCH --time=1:00:00"} <= set(lines)
    assert command(lines, "run")[3:] == [*SMALL[:2], f"out={tmp_path}/run", "shard.count=4"]


@pytest.mark.parametrize(
    "text",
    [
        *("a/b-c.d", "a b", "it's", "back\\slash", "end\\", "\\'", "a (1), {b: c} [d] $x=y", "ü"),
        *("${foo}", "a\\${out}", "it's ${b}\\"),
    ],
)
def test_an_override_is_read_back_by_hydra_as_it_was(text):
    from hydra import compose, initialize_config_module

    with initialize_config_module("conf", version_base="1.3"):
        assert compose("run", overrides=[override("out", text)]).out == text


@pytest.mark.parametrize(("count", "size"), [(1, 1), (6, 4), (64, 1001), (1001, 1001), (1002, 1001), (5, 1)])
def test_arrays_cover_every_shard_once_and_keep_below_the_largest_index(count, size):
    ranges = array_ranges(count, size)
    assert [offset + task for offset, tasks in ranges for task in range(tasks)] == list(range(count))
    assert all(tasks <= size for _, tasks in ranges)
