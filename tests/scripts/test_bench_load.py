"""The table of a long run: a row per tenth, and what was really drawn."""

import importlib
import os
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest

from eval.base.errors import InputError


@pytest.fixture
def script():
    return importlib.import_module("bench_load")


# Of a run of 100 images: a part of 5 every second, from 101 on; it was killed at 110.5, and began again 20 s later.
PARTS = [(101.0 + n + 20 * (n >= 10), 5) for n in range(20)]


def test_a_tenth_has_its_rate_without_the_time_between_the_two_processes(script):
    looks = [script.Seen(when, int(when) << 20, int(2 * when) << 20) for when in (101.5, 102.0, 103.5, 131.0)]
    rows = script.tenths(list(PARTS), looks, killed=110.5)
    assert [row[0] for row in rows] == [f"{10 * n} to {10 * n + 10}" for n in range(10)]
    assert {row[1] for row in rows} == {"5.0"}  # one part in the second between two
    assert rows[0][2:] == ["102", "204"]  # of the looks within the tenth, the upper median
    assert rows[1][2:] == ["103", "207"]
    assert rows[2][2:] == ["–", "–"]


def test_the_time_of_a_kill_within_a_tenth_is_left_out(script):
    rows = script.tenths([(1.0, 10), (2.0, 10), (50.0, 10), (52.0, 20)] + [(60.0 + n, 50) for n in range(9)], [], 3.0)
    assert rows[0][:2] == ["0 to 50", f"{(10 + 20) / (1 + 2):.1f}"]


def test_a_part_that_is_more_than_a_tenth_makes_one_row(script):
    assert [row[0] for row in script.tenths([(1.0, 60), (2.0, 40)], [], 1.5)] == ["0 to 60", "60 to 100"]


def test_the_table_counts_what_was_drawn(script):
    timed = [script.Timed("`eval.status`", 1.25, 2.0, 300 << 20)]
    arguments = Namespace(images=1009, workers=3)
    looks = [script.Seen(110.5, 1 << 20, 1 << 20)]
    text = script.to_markdown(arguments, list(PARTS), looks, looks, (7.0, 8.0), timed)
    assert "`python scripts/bench_load.py --images 1009 --workers 3`" in text
    assert "100 images of 64 × 64 pixels, five methods, both judges, every picture kept, 20 score parts." in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert ["the run begins to draw", "7.0", "", ""] in rows
    assert ["the killed run begins to draw again", "8.0", "", ""] in rows
    assert ["`eval.status`", "1.2", "2.0", "300"] in rows


def test_a_run_that_leaves_nothing_to_resume_is_refused_and_one_that_fails_named(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script.time, "sleep", lambda seconds: None)
    run = tmp_path / "run"
    with pytest.raises(InputError, match="--images must be so many that the run can be killed"):
        script.watch([sys.executable, "-c", ""], run, until=lambda: False)
    with pytest.raises(SystemExit, match="ended with 3: see "):
        script.watch([sys.executable, "-c", "raise SystemExit(3)"], run, until=lambda: False)
    with pytest.raises(SystemExit, match=r"ended with 3$"):
        script.time_command("a command", [sys.executable, "-c", "raise SystemExit(3)"])


def test_a_command_s_memory_is_in_bytes_and_its_seconds_are_of_all_processes(script, monkeypatch):
    wait4 = os.wait4

    def waited(number, options):
        return *wait4(number, options)[:2], SimpleNamespace(ru_utime=1.5, ru_stime=0.25, ru_maxrss=7)

    monkeypatch.setattr(script.os, "wait4", waited)
    monkeypatch.setattr(script.sys, "platform", "linux")
    timed = script.time_command("a command", [sys.executable, "-c", ""])
    assert (timed.name, timed.cpu, timed.memory) == ("a command", 1.75, 7 * 1024)


def test_a_run_is_watched_until_it_is_killed_with_its_workers(script, monkeypatch, tmp_path):
    killed = []

    def process(rss):
        memory = SimpleNamespace(rss=rss)
        return SimpleNamespace(memory_info=lambda: memory, send_signal=lambda number: killed.append((rss, number)))

    workers = [process(5), process(3)]
    parent = process(2)
    parent.children = lambda recursive=False: workers
    parts = [[], [(107.0, 5)]]
    monkeypatch.setattr(script.psutil, "Process", lambda number: parent)
    monkeypatch.setattr(script.psutil, "wait_procs", lambda processes: None)
    monkeypatch.setattr(script, "parts_of", lambda run: parts.pop(0))
    monkeypatch.setattr(script, "time", SimpleNamespace(time=lambda: 100.0, sleep=lambda seconds: None))
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    looks, begun = script.watch(command, tmp_path / "run", until=lambda: True)
    assert set(looks) == {script.Seen(100.0, 2, 5)}  # until the kill is seen
    assert begun == 7.0  # the first part is of 107
    assert killed[:2] == [(5, 9), (3, 9)]
