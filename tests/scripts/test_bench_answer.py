"""The clock on commands and on the parts of the demo."""

import importlib
import os
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("bench_answer")


def test_every_part_of_the_demo_is_a_function_that_there_is(script):
    for place, attribute in map(script.located, script.PARTS.values()):
        assert callable(getattr(place, attribute))


def test_a_clocked_function_does_what_it_did_and_its_seconds_add_up(script):
    taken = {"sum": 0.0}
    clocked = script.clocked(sum, "sum", taken)
    assert clocked(range(10**6)) == sum(range(10**6))
    first = taken["sum"]
    with pytest.raises(TypeError):
        clocked(None)
    assert taken["sum"] >= first > 0


def test_a_refusal_is_an_answer_and_a_bug_is_not(script):
    assert script.cpu_seconds(["-c", "raise SystemExit(2)"]) > 0
    with pytest.raises(SystemExit, match="ended with 1"):
        script.cpu_seconds(["-c", "raise ValueError"])


def test_ratios_are_to_torch_in_the_same_round_and_shares_to_the_whole(script, monkeypatch):
    monkeypatch.setattr("sys.argv", ["bench_answer.py", "--repeats", "3", "--folder", "new"])
    seconds = {script.TORCH: [1.0, 2.0, 4.0], "`--help`": [0.5, 1.0, 1.0]}
    text = script.to_markdown(script.parse_arguments(), seconds, [("UNet", 30.0), ("report", 10.0)])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert ["`--help`", "1.00", "0.50"] in rows
    assert ["UNet", "30.0", "75"] in rows


def test_seconds_are_those_of_the_command_and_of_the_kernel_for_it(script, monkeypatch):
    wait4 = os.wait4

    def waited(number, options):
        return *wait4(number, options)[:2], SimpleNamespace(ru_utime=1.5, ru_stime=0.25)

    monkeypatch.setattr(script.os, "wait4", waited)
    assert script.cpu_seconds(["-c", ""]) == 1.75


def test_the_parts_of_the_demo_add_up_to_all_of_it(script, monkeypatch, tmp_path):
    now = [5.0]  # seconds that the imports took

    def median(values):
        now[0] += 10.0
        return values

    def run():
        assert sys.argv[1:] == [f"out={tmp_path}"]
        statistics.median([1])
        now[0] += 2.0
        raise SystemExit(code)

    monkeypatch.setattr(script.time, "process_time", lambda: now[0])
    monkeypatch.setattr(script, "PARTS", {"a part": ("statistics", "median")})
    monkeypatch.setattr(statistics, "median", median)
    monkeypatch.setattr("eval.run.main", run)
    monkeypatch.setattr("sys.argv", [])
    code = 0
    assert [seconds for _, seconds in script.draw_demo(tmp_path)] == [5.0, 10.0, 2.0]
    code = 3
    with pytest.raises(SystemExit, match="3"):
        script.draw_demo(tmp_path)


def test_every_command_runs_once_in_each_round_and_finds_the_cache_that_it_is_named_for(script, monkeypatch, tmp_path):
    ran, pages = [], []
    folder = tmp_path / "new"

    def drawn(demo):
        (demo / "cache").mkdir(parents=True)
        return [("a part", 1.0)]

    def seconds(words):
        cache = folder / "demo/cache"
        ran.append((words[1], sorted(file.name for file in cache.iterdir())))
        for name in ("figures-x.json", "opening.json"):  # as every report leaves them
            (cache / name).touch()
        return 1.0

    monkeypatch.setattr(script, "draw_demo", drawn)
    monkeypatch.setattr(script, "cpu_seconds", seconds)
    monkeypatch.setattr(script, "show_and_write", lambda text, out: pages.append((text, out)))
    words = ["--repeats", "2", "--folder", str(folder), "--out", str(tmp_path / "page.md")]
    monkeypatch.setattr("sys.argv", ["bench_answer.py", *words])
    assert script.main() == 0
    assert not folder.exists()
    ((text, out),) = pages
    assert "`python scripts/bench_answer.py --repeats 2`" in text
    assert out == tmp_path / "page.md"
    *others, anew, complete, loaded = ran[12:]
    assert len(ran) == 24
    assert anew == ("eval.report", ["opening.json"])
    assert complete == ("eval.run", ["figures-x.json", "opening.json"])
    assert loaded == ("eval.run", [])
    assert all(len(names) == 2 for _, names in others)
