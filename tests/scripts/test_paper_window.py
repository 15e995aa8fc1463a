"""The extrapolation of a window to the paper's run."""

import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import i2p

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


# In place of a run: chooses how the model runs, stores parts, and ends, or goes on.
RUN = """
import json, pathlib, sys, time
out, parts, code = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if parts >= 0:
    (out / "engine").mkdir(parents=True)
    (out / "engine/cpu.json").write_text(json.dumps({"batch_size": 2}))
for number in range(parts):
    import pyarrow, pyarrow.parquet
    (out / "scores").mkdir(exist_ok=True)
    table = pyarrow.table({"row": [0] * 10})
    pyarrow.parquet.write_table(table, out / f"scores/.{number}.tmp")
    (out / f"scores/.{number}.tmp").rename(out / f"scores/0-{number}.parquet")
    time.sleep(0.02)
time.sleep(0 if code != "on" else 1000)
print("the run's own report")
sys.exit(int(code))
"""


@pytest.fixture
def window(script, tmp_path, monkeypatch, capfd):
    """Run the script with such a run of so many parts; returns its exit code, what it printed, and its table."""
    out = tmp_path / "table.md"

    def window(parts, code, seconds):
        command = lambda arguments, folder: [sys.executable, "-c", RUN, f"{folder}/run", str(parts), code]  # noqa: E731
        monkeypatch.setattr(script, "command", command)
        monkeypatch.setattr("sys.argv", ["x", "--device", "cpu", "--small", "--seconds", seconds, "--out", str(out)])
        return script.main(), capfd.readouterr(), out.read_text() if out.exists() else None

    return window


def row(table):
    """The first and only row of a table, by its headers."""
    headers, _, cells = ([c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines() if line[:1] == "|")
    return dict(zip(headers, cells, strict=True))


def test_a_run_that_ends_well_within_the_window_has_a_rate(window):
    code, printed, table = window(3, "0", "600")
    assert code == 0
    assert printed.out == table
    cells = row(table)
    assert (cells["batches"], cells["images"]) == ("3", "30")
    assert float(cells["images/s"]) > 0
    # From the start of the command, not since 1970.
    assert all(0 <= float(cells[name]) < 600 for name in ("begins to draw, s", "begins to store, s"))
    assert "The run ended within the window, with exit code 0." in table
    assert 'Chosen: {"batch_size": 2}.' in table


def test_a_run_that_fails_after_two_batches_is_a_failure_that_the_table_tells(window):
    code, printed, table = window(3, "3", "600")
    assert code == 1
    assert "the run has ended with exit code 3\n" in printed.err
    assert "give it more --seconds" not in printed.err
    assert "The run ended within the window, with exit code 3." in table
    assert printed.out == table


def test_a_run_that_fails_before_it_draws_leaves_no_table(window):
    code, printed, table = window(-1, "2", "600")
    assert (code, printed.out, table) == (1, "", None)
    assert "the run has ended with exit code 2\n" in printed.err
    assert "give it more --seconds" not in printed.err


def test_a_window_that_ends_before_the_second_batch_asks_for_more_seconds(window, script, monkeypatch):
    now, write = [0.0], script.write_for_now

    def write_and_end(text, path):
        write(text, path)
        now[0] = 600.0  # the window's end

    monkeypatch.setattr(script, "write_for_now", write_and_end)
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time, sleep=time.sleep)
    monkeypatch.setattr(script, "time", clock)
    code, printed, table = window(0, "on", "600")
    assert code == 1
    assert row(table)["images/s"] == "–"
    assert "it begins to draw\n" in printed.err
    assert printed.err.endswith("Fewer than two batches were stored, so there is no rate: give it more --seconds.\n")
    assert "The run ended" not in table


def test_the_run_finds_weights_and_prompts_wherever_it_is_started(script, tmp_path, monkeypatch):
    world = importlib.import_module("engine_bench.world")
    monkeypatch.setattr(
        world, "full", lambda device, work: world.World("", work / "sd1", {"weights": work / "c"}, 512, device, "")
    )
    monkeypatch.chdir(tmp_path)
    Path("list.csv").write_text("prompt\na kite\n")
    monkeypatch.setattr(
        "sys.argv", ["x", "--device=cpu", "--world=w", "--prompts=list.csv", "--out=x.md", "batch_size=2"]
    )
    words = script.command(script.parse_arguments(), tmp_path / "temporary")
    assert f"model.path={tmp_path}/w/sd1" in words
    assert f"q16.weights={tmp_path}/w/c" in words
    assert f"prompts.path={tmp_path}/list.csv" in words
    assert words[-1] == "batch_size=2"
    Path("list.csv").unlink()
    with pytest.raises(i2p.InputError, match=r"list\.csv must be a file of prompts"):
        script.command(script.parse_arguments(), tmp_path / "temporary")
