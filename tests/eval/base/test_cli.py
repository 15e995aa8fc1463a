"""Commands that take a run directory or KEY=VALUE: what is said of another word, and of a folder that is no run."""

import re
from pathlib import Path

import in_process
import pytest

import i2p_bench

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def runs(tmp_path):
    """Two folders that have the file by which a run is known, though none of these commands comes to read it."""
    for name in ("demo", "mine"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "manifest.json").write_text("{}")
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
        ("status runs/demo --watch", "a command must have RUN and no more, found '--watch': leave it out"),
        ("compare runs/demo runs/mine --out x", "did you mean out=x?"),
        ("compare --paired=false runs/demo runs/mine", "found '--paired=false': did you mean paired=false?"),
        ("compare runs/demo flags=q16 flags=esd", "flags must be given once, found 'q16' and 'esd': leave one out"),
        ("report runs/demo gallery=off report.gallery=clear", "gallery must be given once, found 'off' and 'clear'"),
        ("power width=2 width=3", "width must be given once, found '2' and '3': leave one out"),
        ("power withd=2", "found 'withd=2': did you mean width=2?"),
        ("power --width 2", "found '--width': did you mean width=2?"),
        ("power width", "found 'width': did you mean width=…?"),
    ],
)
def test_a_mistake_is_met_half_way(line, told, runs):
    command, *words = line.split()
    done = in_process.run(f"eval.{command}", *words, cwd=runs)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*\n", done.stderr)
    assert told in done.stderr


@pytest.mark.parametrize("command", ["run", "report", "compare", "status", "power", "doctor", "submit"])
def test_every_command_says_the_version(command):
    number = re.search('^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    done = in_process.run(f"eval.{command}", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"i2p-bench {number} ({ROOT})\n"


def test_so_does_the_command_of_all(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["i2p-bench", "--version"])
    with pytest.raises(SystemExit) as stopped:
        i2p_bench.main()
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith("i2p-bench ")
