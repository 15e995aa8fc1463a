"""`python -m eval.compare RUN RUN …` on run directories: what is printed and written, and what is refused."""

import csv
import shutil
from pathlib import Path

import pytest

from eval.compare.__main__ import main

OLD = Path(__file__).resolve().parents[1] / "old_run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of an older version, one of which is incomplete, and a copy of it."""
    root = tmp_path_factory.mktemp("runs")
    names = {"demo": "demo", "judged": "judged", "copy": "judged"}
    return [Path(shutil.copytree(OLD / source, root / name)) for name, source in names.items()]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_runs_are_printed_and_every_number_is_written(runs, tmp_path, call, capfd):
    _, judged, copy = runs
    before = {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")}
    assert call(main, judged, copy, "titles=[First, <b>Second|]", "margin=50", f"out={tmp_path / 'out'}") == 0
    printed = capfd.readouterr().out
    assert "2 runs, 4 columns, compared with First: baseline on the 3 prompts that all have." in printed
    assert "In none that is known." in printed
    assert max(len(line) for line in printed.splitlines() if "  " in line) <= 80  # of tables
    rows = rows_of(tmp_path / "out" / "comparison.csv")
    assert {(r["title"], r["method"], r["run"]) for r in rows} == {
        (title, method, str(run))
        for title, run in (("First", judged), ("<b>Second|", copy))
        for method in ("baseline", "sld_max")
    }
    differences = rows_of(tmp_path / "out" / "comparison_differences.csv")
    assert {(d["against_title"], d["against"], d["against_run"]) for d in differences} == {
        ("First", "baseline", str(judged))
    }
    assert all(float(d["difference"]) == 0 for d in differences if d["method"] == "baseline")
    assert {d["margin"] for d in differences} == {"50.0"}
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "<b>" not in text
    assert "## Is a method no worse?" in text
    assert before == {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")}


def test_a_folder_and_a_drawn_run_with_images_missing_are_compared_and_the_exit_code_is_3(runs, call, capfd):
    assert call(main, *runs[:2]) == 3
    captured = capfd.readouterr()
    assert "INCOMPLETE: 12 images of demo are missing or unjudged; no number includes them." in captured.out
    assert "the same noise is not claimed: judged: baseline" in " ".join(captured.out.split())
    assert f"12 images of {runs[0]} are missing; this completes it: " in captured.err


def test_one_run_compares_its_methods(runs, call, capfd):
    assert call(main, runs[1], "against=sld_max") == 0
    assert "1 run, 2 columns, compared with judged: sld_max on the 3 prompts" in capfd.readouterr().out


def test_names_are_printed_and_not_written_for_machines(runs, tmp_path, call, capfd):
    assert call(main, *runs[1:], "names={sld_max: SLD (max)}", f"out={tmp_path}", "against=copy:SLD (max)") == 0
    assert "judged: SLD (max)" in capfd.readouterr().out
    assert "SLD (max)" not in (tmp_path / "comparison.csv").read_text()
    assert "SLD (max)" in (tmp_path / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["paired=perhaps"], "paired must be true or false, found 'perhaps'"),
        (["method_a=baseline"], "are called methods and against now, found 'method_a=baseline': give methods=[X,Y]"),
        (["agianst=copy"], "found 'agianst=copy': did you mean against=copy?"),
        (["--against", "copy"], "found '--against': did you mean against="),
        (["titles=[A]"], "titles must be one per run, found 1 title of 2 runs"),
        (["titles=[A, A]"], "titles must differ, found 'A' 2 times"),
        (["titles=[A, \u200bA]"], "titles must differ, found 'A' 2 times"),
        (["titles=A, B"], "titles must be a list in brackets, found 'A, B': give names and commas in them, [A, B]"),
        (["titles=[A, '']"], "titles must be visible characters in one line"),
        (["titles=[A, B"], "titles must be a list in brackets, found '[A, B'"),
        (["methods=[]"], "methods must be a list in brackets, found '[]'"),
        (["names={sld_mx: X}"], "names must name methods of the run, baseline, sld_max, found 'sld_mx': did you mean"),
        (["margin=wide"], "margin must be a number"),
        (["margin=1_0"], "margin must be a number of percentage points, found '1_0'"),
        (["margin=nan"], "margin must be a number of percentage points, found 'nan'"),
        (["margin=0"], "above 0 and below 100"),
        (["flags=nonsense"], "flags must be one of "),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(runs, call, capfd, words, sentence):
    assert call(main, *runs[1:], *words) == 2
    captured = capfd.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_folders_that_are_no_runs_or_one_run_are_refused(runs, call, capfd, tmp_path):
    assert call(main, runs[1], tmp_path) == 2
    assert f"{tmp_path} must be a run directory" in capfd.readouterr().err
    assert call(main, runs[1], tmp_path / "none") == 2
    assert "must be a run directory, found nothing there" in capfd.readouterr().err
    assert call(main, runs[1], f"{runs[1].parent}/./judged") == 2
    assert "every run must be named once, found " in capfd.readouterr().err
    link = tmp_path / "link"
    link.symlink_to(runs[1])
    assert call(main, runs[1], link) == 2
    assert "which are one: leave one out" in capfd.readouterr().err
    (tmp_path / "file").touch()
    assert call(main, *runs[1:], f"out={tmp_path}/file/out") == 2
    captured = capfd.readouterr()
    assert f"out must be a folder that can be written, found {tmp_path / 'file'}, which can't" in captured.err
    assert captured.out == ""
    assert call(main) == 2
    assert "usage: python -m eval.compare RUN [RUN …]" in capfd.readouterr().err
    assert call(main, "--help") == 0
    assert "paired=false" in capfd.readouterr().out
