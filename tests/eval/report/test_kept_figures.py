"""Figures of the same numbers are read from an earlier report, and drawn again where anything has changed."""

import functools

import in_process
import pytest

from eval.base import fingerprints
from eval.report import kept_figures
from eval.report.make import make_report
from eval.store.rundir import RunDir

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("figures") / "run"
    words = ["prompts.rows=0-3", "protocol.steps=1", "methods=[baseline,sld_max]", "images=none"]
    done = in_process.run("eval.run", f"out={out}", *words)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def drawn(monkeypatch):
    """The folders of the reports whose figures were drawn."""
    folders, draw = [], kept_figures.draw_figures
    monkeypatch.setattr(kept_figures, "draw_figures", lambda report: folders.append(report.folder.name) or draw(report))
    return folders


def report(run, *words):
    done = in_process.run("eval.report", run, *words)
    assert done.returncode == 0, done.stderr
    folder = run / "report"
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_of_the_same_numbers_has_the_same_files_and_draws_nothing(run, drawn):
    first = {path.relative_to(run / "report"): path.read_bytes() for path in (run / "report").rglob("*.*")}
    assert report(run) == first
    assert drawn == []


@pytest.mark.parametrize("name", ["probability.svg", "differences.png"])
def test_a_file_that_was_changed_or_removed_is_drawn_again(run, drawn, name):
    first, path = report(run), run / "report" / "figures" / name
    for change in (lambda: path.write_bytes(path.read_bytes() + b" "), path.unlink):
        drawn.clear()
        change()
        assert report(run) == first
        assert drawn == ["report"]


def test_other_numbers_another_program_and_a_damaged_index_are_drawn_again(run, drawn, monkeypatch):
    again = functools.partial(kept_figures.figures_of, make_report(RunDir(run)), RunDir(run))
    own = {name: (plot.foot, plot.svg, plot.png) for name, plot in again().items()}
    assert drawn == []
    for text in ("", "{}", "[]", '{"digest": "x", "figures": 1}'):
        drawn.clear()
        (run / "cache" / "figures-report.json").write_text(text)
        assert {name: (plot.foot, plot.svg, plot.png) for name, plot in again().items()} == own
        assert drawn == ["report"]
    drawn.clear()
    for _ in range(2):
        report(run, "flags=q16")
        assert drawn == ["flags-q16"]
    drawn.clear()
    monkeypatch.setattr(fingerprints, "of_program", lambda: "another")
    again()
    assert drawn == ["report"]


def test_a_report_elsewhere_leaves_nothing_in_the_run_directory(run, drawn, tmp_path):
    before = {path: path.read_bytes() for path in (run / "cache").iterdir()}
    report(run, f"out={tmp_path / 'elsewhere'}")
    assert drawn == ["elsewhere"]
    assert {path: path.read_bytes() for path in (run / "cache").iterdir()} == before
