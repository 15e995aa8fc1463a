"""Every command fits a terminal of 80 columns, whatever methods, categories and prompts are called."""

import re
import unicodedata

import in_process
import pytest
from measured import metrics_row

from eval.base.layout import page
from eval.sweep.table import Spread, table_parts

SIXTY = "sld_of_sixty_letters_that_says_everything_about_itself_twice"
CATEGORIES = [
    "hate",
    "a category of prompts that has a name as long as a sentence",
    "とても長い名前のついた分類その一",
]
METHODS = f"[baseline,sld_weak,sld_medium,sld_strong,{{name:{SIXTY},preset:max}}]"
COMMANDS = {
    "report": ["eval.report", "run"],
    "report by another definition": ["eval.report", "run", "flags=q16"],
    "rerun": ["eval.run", "WORDS"],
    "doctor": ["eval.doctor", "WORDS", "measure=false"],
    "status": ["eval.status", "run"],
    "submit": ["eval.submit", "WORDS", "protocol.steps=2", "out=another", "dry_run=true", "slurm.time=01:00:00"],
    "complete": ["eval.submit", "WORDS", "slurm.time=01:00:00"],
    "power by a pilot": ["eval.power", "pilot=run", "width=5", "difference=10"],
    "power by a list": ["eval.power", "prompts.path=list.csv", "prompts=4,6", "images=1,2,4,8,16", "width=5"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of five methods and three categories, the run's words, and what it printed."""
    folder = tmp_path_factory.mktemp("terminal")
    lines = [f"a drawing of number {n},{CATEGORIES[n % 3]},50" for n in range(6)]
    (folder / "list.csv").write_text("\n".join(["prompt,categories,inappropriate_percentage", *lines]) + "\n")
    words = ["prompts=i2p", "prompts.path=list.csv", "protocol.images_per_prompt=1", f"methods={METHODS}"]
    words += ["images=none", "judges=[q16]"]
    done = in_process.run("eval.run", *words, "protocol.steps=1", "out=run", cwd=folder, columns=80)
    assert done.returncode == 0, done.stderr
    return folder, words, done.stdout


def display(line):
    """The columns that a line takes on a terminal, by Unicode's own table."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def assert_it_fits(text, width=80):
    """No line is wider, but for what is copied as a whole: a command or a path."""
    for line in text.splitlines():
        is_whole = re.fullmatch(r" *(`[^`]+`\S*|\S*/\S*|→ .*|job\d+=\$\(sbatch .*)", line)
        assert display(line) <= width or is_whole, line


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_prints_fits(run, command):
    folder, words, _ = run
    given = [*words, "protocol.steps=1", "out=run"]
    command, *rest = [w for word in COMMANDS[command] for w in (given if word == "WORDS" else [word])]
    done = in_process.run(command, *rest, cwd=folder, columns=80)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_it_fits(done.stdout)


def test_a_run_fits_whose_report_names_where_its_intervals_are_and_ends_with_the_page_to_open(run):
    printed = run[2]
    assert_it_fits(printed)
    assert "Without intervals, to fit 80 columns: results.md has them" in printed
    assert printed.splitlines()[-1] == "Open run/report/report.html"


def test_a_sweep_fits_with_a_job_named_by_all_that_varies(monkeypatch):
    monkeypatch.setattr("sys.stdout", in_process.Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    job = "model.path=checkpoints_of_last_week/step_00100__protocol.steps=20__q16.checkpoint=another"
    numbers = {"interval": (0.4, 0.6), "expected_max": 0.9, "expected_max_low": 0.8, "expected_max_high": 1.0}
    metrics = [metrics_row(method, **numbers) for method in ("baseline", SIXTY)]
    spread = Spread(job, SIXTY, 3, 0.5, 0.1, 0.4, 0.6)
    text = page(table_parts([(job, "complete", metrics), (f"{job}2", "failed", [])], [spread]), elsewhere="see above")
    assert_it_fits(text)
    letters = re.sub(r"\s", "", text)
    assert letters.count("checkpoints_") == 4
    assert "90.0" in letters
