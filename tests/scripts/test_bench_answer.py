"""The clock on commands and on the parts of the demo."""

import importlib
from pathlib import Path

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
