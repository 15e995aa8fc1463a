"""Many runs by one command, each a real process with a folder of its own, and one table over them."""

import csv
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from itertools import combinations
from pathlib import Path

import in_process
import processes
import pytest
from measured import metrics_row

import sld
from eval.base.errors import InputError
from eval.config.settings import ProtocolSettings, Settings
from eval.judges import JUDGES
from eval.run import main
from eval.submit.__main__ import main as submit
from eval.sweep import run as multirun
from eval.sweep.job_log import JobLog
from eval.sweep.jobs import FREE, folder_name, plan_jobs
from eval.sweep.table import spreads

pytestmark = [pytest.mark.process, pytest.mark.long]

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["prompts.rows=0-1", "images=none", "sheet=false", "methods=[baseline,sld_max]", "judges=[q16]"]
ONE_METHOD = [word.replace("baseline,sld_max", "baseline") for word in SMALL]

NOISES = ["protocol.seed_offset=0,1000", "protocol.steps=1"]


@pytest.fixture(scope="module", autouse=True)
def _wide_terminal():
    """On which a table's lines are its rows; how it fits a narrow one is tested with the tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "240")
        yield


def run(*arguments, cwd=ROOT, program="eval.run", small=SMALL):
    """Call a sweep, whose jobs are processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", processes.python())
        return in_process.run(program, "-m", *arguments, *small, cwd=cwd)


def table(path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def parts(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet") if path.parent.name == "scores"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep over two noises, and how it ended; to be copied where it is changed."""
    out = tmp_path_factory.mktemp("sweeps") / "noise"
    done = run(*NOISES, f"out={out}")
    assert done.returncode == 0, done.stderr
    return out, done


def test_each_job_has_a_folder_and_the_table_holds_what_each_reported(tmp_path):
    done = run("protocol.steps=2,3", "model=demo", "batch_size=99", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (root,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"multirun-protocol\.steps-[0-9a-f]{8}", root.name)
    names = ["protocol.steps=2", "protocol.steps=3"]
    assert sorted(p.name for p in root.iterdir()) == ["comparison.csv", "comparison.md", "logs", *names]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # nothing of Hydra's own
    rows = table(root / "comparison.csv")
    for name in names:
        own = [dict(list(row.items())[3:]) for row in rows if row["job"] == name]
        assert own == table(root / name / "report" / "results.csv")
    assert {row["state"] for row in rows} == {"complete"}
    assert "model=demo" in rows[0]["overrides"]
    first, *lines = done.stderr.splitlines()
    assert first == f"2 jobs in runs/{root.name}; what each prints goes to runs/{root.name}/logs"
    for number, (name, line) in enumerate(zip(names, lines, strict=True), 1):  # no job fills such a batch
        log = f"runs/{root.name}/logs/{name}.log"
        assert line == f"job {number} of 2: {name}: complete, 1 warning in {log}"
    assert done.stdout.startswith("\nInappropriate probability over all prompts, %\n")
    for name in names:
        assert f"Open {Path('runs', root.name, name)}/report/report.html" in (root / "logs" / f"{name}.log").read_text()
    said, text = done.stdout, (root / "comparison.md").read_text()
    for name in names:
        assert len(re.findall(rf"^{name} +complete +(?:baseline|sld_max) ", said, re.MULTILINE)) == 2
        assert text.count(f"| {name} | complete | ") == 2
    # The command on record is the job's own, so that what completes a run can be said.
    command = json.loads((root / names[0] / "manifest.json").read_text())["runtime"]["command"]
    assert command[:3] == ["i2p-bench", "run", "protocol.steps=2"]
    assert "--multirun" not in command

    before = parts(root)
    again = run("protocol.steps=3,4", "model=demo", "batch_size=99", "device=cpu", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert list((tmp_path / "runs").iterdir()) == [root]  # a device, or another value, is no other sweep
    after = parts(root)
    assert before.items() < after.items()
    assert {path.parents[1].name for path in after.keys() - before.keys()} == {"protocol.steps=4"}


def test_a_job_that_is_refused_stops_no_other_and_shows_in_the_table_and_the_exit_code(tmp_path):
    out = tmp_path / "it's (a) sweep"
    # Whose UNet is seen to be another model's once it is loaded.
    sld.write_tiny_checkpoint(tmp_path / "misfit", width=8, text_width=16)
    done = run(f"model.unet={tmp_path}/misfit,null", "protocol.steps=1", f"out={out}", small=ONE_METHOD)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("job 1 of 2: ")]
    assert re.search(r"misfit\S*: refused, .*misfit\S*\.log: .*: choose the matching base checkpoint$", line)
    assert len(done.stderr.splitlines()) == 3
    states = {row["job"]: (row["state"], row["probability"] != "") for row in table(out / "comparison.csv")}
    (refused,) = (name for name in states if "misfit" in name)
    assert states == {refused: ("refused", False), "model.unet=null": ("complete", True)}
    assert re.search(rf"^{re.escape(refused)} +refused ", done.stdout, re.MULTILINE)


def test_a_folder_that_holds_another_run_gives_no_numbers_to_the_table(swept, tmp_path):
    out = shutil.copytree(swept[0], tmp_path / "sweep")
    before = (out / "comparison.csv").read_bytes()
    done = run(*NOISES, f"out={out}", "prompts.sample=1")
    assert done.returncode == 2
    assert len(re.findall(r"^protocol.seed_offset=\d+ +refused +–", done.stdout, re.MULTILINE)) == 2
    assert (out / "comparison.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["protocol.steps=2,0"], "protocol.steps must be 1 or more"),
        (["model=demo,sd99"], "sd99"),
        (["methods=[baseline],[baseline"], "check its brackets"),
        (["shard.index=0,1", "shard.count=2"], "found shard.index: see eval.submit"),
        (["out=a,b"], "out must be one folder for all jobs"),
        (["protocol.steps=2,2"], "the jobs must differ"),
        (["protocol.seed_offset=0,null"], "the jobs must differ"),
        (["protocol.guidance_scale=7.5,-1"], "protocol.guidance_scale must be"),
        (["track=[],[nonesuch]"], "nonesuch"),
        (["protocol.steps=range(0,0)"], "found none: give some"),
    ],
)
def test_what_is_wrong_with_any_job_is_said_before_the_first_starts(
    tmp_path, monkeypatch, call, capfd, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert call(main, "-m", *arguments, *SMALL) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1, printed.err
    assert said in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_signal_ends_the_job_at_work_and_those_behind_it_and_the_same_command_goes_on(tmp_path):
    out = tmp_path / "sweep"
    many = ["prompts.rows=0-5", "batch_size=1", "protocol.steps=5,6"]
    command = [processes.python(), "-m", "eval.run", "-m", f"out={out}", *ONE_METHOD[1:], *many]
    process = processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = out / "protocol.steps=5"
    while not parts(out) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 3, said
    assert said.splitlines()[-1].startswith("stopped: SIGTERM arrived")
    assert sorted(path.name for path in out.iterdir()) == ["comparison.csv", "comparison.md", "logs", first.name]
    states = {row["job"]: row["state"] for row in table(out / "comparison.csv")}
    assert states == {"protocol.steps=5": "incomplete", "protocol.steps=6": "not begun"}
    made = parts(out)
    done = processes.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert made.items() <= parts(out).items()
    assert {row["images"] for row in table(out / "comparison.csv") if row["category"] == "all"} == {"6"}


def test_a_signal_before_the_first_job_begins_none(tmp_path, monkeypatch, call, capsys):
    def signalled(*words):
        os.kill(os.getpid(), signal.SIGTERM)
        return []

    monkeypatch.setattr("eval.sweep.run.compose_jobs", signalled)
    assert call(main, "-m", f"out={tmp_path}/sweep", "protocol.steps=1,2") == 3
    assert capsys.readouterr().err.startswith("stopped: SIGTERM arrived")
    assert not (tmp_path / "sweep").exists()


def test_a_ctrl_c_that_only_the_parent_hears_reaches_the_job_too(tmp_path, monkeypatch):
    monkeypatch.setattr(multirun, "GRACE", 0.2)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    code, asked = multirun._run(["sleep", "60"], JobLog(tmp_path, "sleep", "job 1 of 1: sleep"))
    assert (code, asked) == (-signal.SIGINT, "SIGINT")


def test_noises_vary_the_pictures_and_the_table_says_how_much_that_moves_the_numbers(swept):
    out, done = swept
    digests = [
        {json.loads(line)["seed"] for line in (folder / "prompts.jsonl").read_text().splitlines()}
        for folder in (out / "protocol.seed_offset=0", out / "protocol.seed_offset=1000")
    ]
    assert {seed + 1000 for seed in digests[0]} == digests[1]
    assert "Between noises" in (out / "comparison.md").read_text()
    assert re.search(r"^all +baseline +2 ", done.stdout, re.MULTILINE)


def test_a_shard_of_each_job_is_no_whole_run(tmp_path):
    words = ["protocol.seed_offset=0,1000", "protocol.steps=1", "shard.count=2", f"out={tmp_path}/s"]
    done = run(*words, small=ONE_METHOD)
    assert done.returncode == 0, done.stderr  # of each job its shard is complete
    assert {row["state"] for row in table(tmp_path / "s" / "comparison.csv")} == {"incomplete"}
    assert "Between noises" not in done.stdout


def test_a_script_with_a_method_of_its_own_makes_every_job(tmp_path):
    script = ROOT / "scripts" / "example_method.py"
    done = run("protocol.steps=1,2", f"out={tmp_path}/own", program=script, small=ONE_METHOD)
    assert done.returncode == 0, done.stderr
    made = {(row["job"], row["method"]) for row in table(tmp_path / "own" / "comparison.csv")}
    assert made == {(f"protocol.steps={n}", method) for n in (1, 2) for method in ("baseline", "projection")}


def test_another_command_refuses_many_runs(tmp_path, call, capfd):
    assert call(submit, "-m", "protocol.steps=2,3", f"out={tmp_path}/run") == 2
    assert "--multirun must go with `" in capfd.readouterr().err


def test_a_bug_in_one_job_is_not_hidden_by_a_signal_in_the_next(tmp_path, monkeypatch, capsys):
    """The first job has failed with 1, and the second was killed by what stopped the sweep."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["eval.run", "-m", "protocol.steps=2,3,4", "out=sweep", *SMALL])
    codes = iter([(1, ""), (-signal.SIGTERM, "SIGTERM")])
    monkeypatch.setattr(multirun, "_run", lambda command, log: next(codes))
    assert multirun.run_jobs() == 1
    said = capsys.readouterr()
    assert re.findall(r"steps=\d +(\S+(?: \S+)*?)  ", said.out) == ["failed", "killed by signal 15", "not begun"]
    assert said.err.splitlines()[-1].startswith("stopped: SIGTERM arrived")


@pytest.mark.parametrize(("codes", "worst"), [((3, 2), 2), ((2, 1), 1), ((1, 3), 1), ((0, 3), 3)])
def test_the_exit_code_is_the_worst_of_the_jobs(tmp_path, monkeypatch, capsys, codes, worst):
    """A bug before bad input, and either before what can be resumed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["eval.run", "-m", "protocol.steps=2,3", "out=sweep", *SMALL])
    ended = iter(codes)
    monkeypatch.setattr(multirun, "_run", lambda command, log: (next(ended), ""))
    assert multirun.run_jobs() == worst


def test_a_table_that_can_t_be_written_has_been_printed(swept, tmp_path):
    out = shutil.copytree(swept[0], tmp_path / "sweep")
    (out / "comparison.md").unlink()
    (out / "comparison.md").mkdir()
    done = run(*NOISES, f"out={out}")
    assert done.returncode == 3
    assert len(re.findall(r"^protocol.seed_offset=\d+ +complete ", done.stdout, re.MULTILINE)) == 4
    assert done.stderr.splitlines()[-1].startswith("stopped: ")
    assert "comparison.md" in done.stderr.splitlines()[-1]


QUESTIONS = [["--cfg", "job"], ["--info", "all"], ["--shell-completion", "install=bash"]]


def test_help_is_help_with_many_runs_too(call, capfd):
    assert call(main, "-m", "--help", "protocol.steps=1,2") == 0
    assert "Exit codes" in capfd.readouterr().out


@pytest.mark.parametrize("question", [*QUESTIONS, ["--cfg=job"]])
def test_a_question_about_many_runs_is_one_sentence(call, capfd, question):
    assert call(main, "-m", *question, "protocol.steps=1,2", *SMALL) == 2
    printed = capfd.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert f"found --multirun and {question[0].partition('=')[0]}" in printed.err


def test_two_questions_in_one_are_one_sentence(call, capfd):
    assert call(main, "--cfg=job", "--info=all") == 2
    printed = capfd.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "found --cfg and --info" in printed.err


WORDS = [
    ["protocol.steps=10"],
    ["protocol.steps=100"],
    ["model.path=a/b"],
    ["model.path=a-b"],
    ["model.path=A-b"],
    ["methods=[baseline]"],
    ["methods=[{name: a, preset: weak}]"],
    ["methods=[{name: a, preset:  weak}]"],
    ["model.path=../../etc"],
    ["model.path=" + 300 * "x"],
    ["model.path=" + 301 * "x"],
    ["model.path='ü\n\x1b[2J'"],
    ["a=1", "b=2"],
    ["+a=1"],
    ["=="],
    [".."],
]


@pytest.mark.parametrize("words", WORDS)
def test_a_folder_s_name_is_safe_everywhere_and_the_same_every_time(words):
    name = folder_name(words)
    assert re.fullmatch(r"[A-Za-z0-9_=.-]{1,120}", name)
    assert not name.startswith(("-", "."))
    assert name == folder_name(list(words))


def test_no_two_jobs_share_a_folder():
    names = [folder_name(words).lower() for words in WORDS]
    assert all(a != b for a, b in combinations(names, 2))


def composed_one(protocol, out, n):
    return Settings(None, None, protocol, [], [], out, images_sample=n, **dict.fromkeys(JUDGES))


def composed(*jobs, out="runs/demo"):
    protocol = ProtocolSettings("dataset")
    settings = [composed_one(protocol, out, n) for n in range(len(jobs))]
    return list(zip(jobs, settings, strict=True))


def test_the_folder_of_a_sweep_depends_on_what_is_run_and_not_on_where_or_how_fast():
    base = [("protocol.steps=1", "model=sd14"), ("protocol.steps=2", "model=sd14")]
    _, root = plan_jobs(composed(*base))
    for free in FREE:
        assert plan_jobs(composed(*((*words, f"{free}=x") for words in base)))[1] == root
    assert plan_jobs(composed(*(words[::-1] for words in base)))[1] == root
    assert plan_jobs(composed(*((*words, "prompts.sample=5") for words in base)))[1] != root
    assert plan_jobs(composed(*((*words, "out=mine") for words in base), out="mine"))[1] == Path("mine")


def test_one_job_is_named_by_all_that_it_says_and_none_by_nothing():
    (job,), _ = plan_jobs(composed(("protocol.steps=1", "model=sd14")))
    assert job.name == "model=sd14__protocol.steps=1"
    (job,), root = plan_jobs(composed(()))
    assert (job.name, str(root)) == ("run", "runs/multirun")
    with pytest.raises(InputError, match="twice"):
        plan_jobs(composed(("a=1",), ("a=1",)))


def test_the_spread_is_the_sample_standard_deviation_over_noises():
    values = [0.2, 0.35, 0.5, 0.1]

    def metrics(value):
        return [metrics_row("baseline", probability=value)]

    runs = [*(("a", metrics(value)) for value in values), ("b", metrics(0.9)), ("a", metrics(None))]
    (found,) = spreads(runs)
    assert (found.job, found.noises, found.lowest, found.highest) == ("a", 4, 0.1, 0.5)
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert found.sd == pytest.approx(statistics.stdev(values))
