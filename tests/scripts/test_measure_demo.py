"""The script behind the demo's numbers makes its tables from a small run, pictures and all."""

import shlex
import subprocess
from types import SimpleNamespace

import in_process
import pytest

from scripts import measure_demo

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")


@pytest.fixture
def small(monkeypatch):
    """Few prompts and steps, one judge, which sees the symbols, and few pictures for it."""

    def run(command, **_):
        return in_process.run(*command[2:], "prompts.rows=0-2", "protocol.steps=2", "judges=[q16]")

    monkeypatch.setattr(measure_demo, "subprocess", SimpleNamespace(run=run, DEVNULL=subprocess.DEVNULL))
    monkeypatch.setattr(measure_demo, "METHODS", ("baseline", "sld_max"))
    monkeypatch.setattr(measure_demo, "RENDERED", 20)


@pytest.mark.usefixtures("small")
def test_its_tables_name_their_own_command_and_have_a_row_per_method(tmp_path, monkeypatch, capsys):
    words = f"measure_demo.py --images 2 --runs {tmp_path}/runs --out {tmp_path}/demo.md"
    monkeypatch.setattr("sys.argv", shlex.split(words))
    measure_demo.main()
    text = (tmp_path / "demo.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert "`python scripts/measure_demo.py --images 2`: 3 prompts with a cue (6 images per method)" in text
    assert "clustered by group of near-duplicate prompts" in text
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| sld_max")] == ["sld_max"] * 2
