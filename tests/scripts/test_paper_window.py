"""The extrapolation of a window to the paper's run."""

import importlib
import json
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("paper_window")


def test_the_rate_leaves_out_what_came_before_the_first_part(script):
    window = script.Window(((100.0, 160), (140.0, 160), (180.0, 160)))
    assert window.rate == 320 / 80
    assert window.whole_run == 100 + (4703 * 10 * 5 - 160) / 4
    assert script.Window(((100.0, 160),)).whole_run is None
    assert script.Window().rate is None


def test_the_run_has_as_many_prompts_as_i2p_each_with_its_own_noise(script, tmp_path):
    lines = [json.loads(line) for line in script.write_prompts(tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert len(lines) == 4703
    assert len({line["sd_seed"] for line in lines}) == 4703
