"""Commands that take a run directory or KEY=VALUE: what is said of another word, and of a folder that is no run."""

import re
import subprocess
import sys
from pathlib import Path

import in_process
import pytest

import i2p_bench
from eval.base import cli
from eval.base.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def runs(tmp_path):
    """Two folders with the file by which a run is known, which none of these commands comes to read; one of a queue."""
    for name in ("demo", "mine"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "manifest.json").write_text("{}")
    (tmp_path / "queued" / "slurm").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("report runs/demo flag=esd", "found 'flag=esd': did you mean flags=esd?"),
        ("report runs/demo report.galery=off", "did you mean gallery=off?"),
        ("report runs/demo --flags esd", "found '--flags': did you mean flags=esd?"),
        ("report --flags=esd runs/demo", "report RUN flags=esd`"),
        ("report flags=esd", "found 'flags=esd' there: give it behind"),
        ("report runs/demo extra", "found 'extra': see `"),
        ("report runs/demoo", "runs/demoo must be a run directory, found nothing there: did you mean runs/demo?"),
        ("report rusn/mine", "did you mean runs/mine?"),
        ("report runs", "found no manifest.json in it: choose a run in it, runs/demo, runs/mine"),
        ("status elsewhere", "found nothing there: `"),
        ("status queued", "no manifest.json in it: the first of its jobs that begins writes it; if none is queued any"),
        ("status runs/demo --watch", "a command must have RUN and no more, found '--watch': leave it out"),
        ("compare runs/demo runs/mine --out x", "did you mean out=x?"),
        ("compare --paired=false runs/demo runs/mine", "found '--paired=false': did you mean paired=false?"),
        ("compare runs/demo flags=q16 flags=esd", "flags must be given once, found 'q16' and 'esd': leave one out"),
        ("report runs/demo gallery=off report.gallery=clear", "gallery must be given once, found 'off' and 'clear'"),
        ("power width=2 width=3", "width must be given once, found '2' and '3': leave one out"),
        ("power withd=2", "found 'withd=2': did you mean width=2?"),
        ("power --width 2", "found '--width': did you mean width=2?"),
        ("power width", "found 'width': did you mean width=…?"),
        ("power width 2", "found 'width': did you mean width=2?"),
        ("power --prompts.pth=a.csv", "did you mean prompts.path=a.csv?"),
        ("report runs/demo --flags gallery=off", "did you mean flags=…?"),
        ("report runs/demo flags=", "found 'flags=': did you mean flags=…?"),
        ("report runs/demo report.gallery", "found 'report.gallery': did you mean gallery=…?"),
    ],
)
def test_a_mistake_is_met_half_way(line, told, runs):
    command, *words = line.split()
    done = in_process.run(f"eval.{command}", *words, cwd=runs)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*\n", done.stderr)
    assert told in done.stderr


@pytest.fixture
def called(monkeypatch, tmp_path):
    """Calls one of the three kinds of commands with words; returns its exit code, or what it was called with."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def called(kind, *words):
        monkeypatch.setattr("sys.argv", ["command", *words])
        given = []
        kinds = {
            "run": lambda: cli.with_run("eval.report", call, ("flags", "out"), "It reports.", {"report.out": "out"}),
            "runs": lambda: cli.with_runs("eval.compare", call, ("flags", "out"), "It compares."),
            "keys": lambda: cli.with_keys("eval.power", call, ("width", "out"), "It plans."),
        }

        def call(*folders, **values):
            given.append((*map(str, folders), values) if values or kind != "keys" else folders)
            return 0

        code = kinds[kind]()
        return given[0] if given else code

    return called


@pytest.mark.parametrize(
    ("kind", "words", "given"),
    [
        ("run", ["a"], ("a", {})),
        ("run", ["~/a", "flags=x=y", "out=~/b"], ("HOME/a", {"flags": "x=y", "out": "HOME/b"})),
        ("run", ["a", "report.out=b"], ("a", {"out": "b"})),
        ("run", ["flags=dir"], ("flags=dir", {})),  # which exists
        ("runs", ["~/a", "flags=~/x", "b"], ("HOME/a", "b", {"flags": "~/x"})),
        ("runs", ["a", "x=dir"], ("a", "x=dir", {})),
        ("runs", ["a", "flags=dir"], ("a", {"flags": "dir"})),  # though such a folder exists
        ("keys", ["width=2", "out=~/b"], ({"width": "2", "out": "HOME/b"},)),
        ("keys", [], ({},)),
    ],
)
def test_folders_and_values_arrive_as_typed_with_the_home_folder(kind, words, given, called, tmp_path):
    for name in ("flags=dir", "x=dir"):
        (tmp_path / name).mkdir()
    assert str(called(kind, *words)) == str(given).replace("HOME", str(tmp_path))


@pytest.mark.parametrize("kind", ["run", "runs", "keys"])
@pytest.mark.parametrize("words", [["-h"], ["--help"], ["a", "--help"], ["a", "out=b", "-h"]])
def test_help_is_given_wherever_it_is_asked_for(kind, words, called, capsys):
    assert called(kind, *words) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: python -m eval.")
    assert printed.out.splitlines()[-1].startswith("It ")
    assert printed.err == ""


@pytest.mark.parametrize(
    ("kind", "words"), [("run", []), ("run", [""]), ("run", [" "]), ("runs", []), ("runs", ["out=b"])]
)
def test_a_command_without_a_run_shows_its_usage_on_stderr_and_is_bad_input(kind, words, called, capsys):
    assert called(kind, *words) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.startswith("usage: python -m eval.")) == ("", True)


def test_an_empty_word_is_no_folder_of_several(called):
    with pytest.raises(InputError, match=r"arguments beside run directories must be .*, found ''"):
        called("runs", "a", "")


def test_a_process_whose_output_nobody_reads_gives_up_all_the_same():
    """Its pipe is full, so that printing why waits for ever."""
    code = """
import os, sys
from eval.base import cli
cli.threading.Thread.join = lambda thread, seconds, join=cli.threading.Thread.join: join(thread, seconds / 100)
os.set_blocking(2, False)
try:
    while os.write(2, b"x" * 4096):
        pass
except BlockingIOError:
    os.set_blocking(2, True)
cli.give_up("a judge hangs")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    with process.stderr:
        assert process.wait(30) == 3


def test_a_process_that_gives_up_says_why():
    code = "from eval.base.cli import give_up; give_up('a judge hangs')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "stopped: a judge hangs\n")


@pytest.mark.parametrize("command", ["run", "report", "compare", "status", "power", "doctor", "submit"])
def test_every_command_says_the_version(command):
    number = re.search('^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    done = in_process.run(f"eval.{command}", *(["runs/demo"] if command == "report" else []), "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"i2p-bench {number} ({ROOT})\n"


def test_so_does_the_command_of_all(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["i2p-bench", "--version"])
    with pytest.raises(SystemExit) as stopped:
        i2p_bench.main()
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith("i2p-bench ")
