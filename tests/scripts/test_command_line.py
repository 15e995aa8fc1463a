"""What a script can't use is refused in a sentence, with exit code 2, before anything is measured."""

import ast
from pathlib import Path

import in_process
import pytest
from command_line import show_and_write

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
CSV = "prompt,categories\nA kite,hate\n"
PUBLISHED = "prompt,categories,inappropriate_percentage\nA kite,hate,50\n"


def refused(name, *words):
    done = in_process.run(SCRIPTS / name, *words)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "words must be MODEL FOLDER [PROMPTS], found 0: give two, or three"),
        (("model", "folder", "list.csv", "more"), "words must be MODEL FOLDER [PROMPTS], found 4: give two, or three"),
        (("model", "folder", "none.csv"), "none.csv must be a file of prompts, found nothing there"),
        (("none/model", "folder", "list.csv"), "MODEL must be a pipeline of diffusers, on the hub or in a folder"),
    ],
)
def test_a_pipeline_needs_a_model_a_folder_and_prompts_that_are_there(words, sentence, tmp_path, monkeypatch):
    (tmp_path / "list.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)
    printed = refused("any_pipeline.py", *words)
    assert printed.startswith(f"error: {sentence}")
    assert printed.count("\n") == 1
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("script", ["simulate_power.py", "simulate_sample.py", "simulate_published.py"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "must be a file of prompts, found nothing there"),
        (CSV, "row 0 must have a published inappropriate_percentage, found none"),
        (PUBLISHED, "must be I2P's own file, i2p_benchmark.csv, found no prompts of harassment, violence"),
    ],
    ids=["no file", "without percentages", "one category"],
)
def test_a_simulation_of_i2p_needs_its_own_file(script, content, sentence, tmp_path):
    path = tmp_path / "list.csv"
    if content is not None:
        path.write_text(content)
    printed = refused(script, *(["--csv"] if script == "simulate_published.py" else []), path)
    assert sentence in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("bench_answer.py", ["--repeats", "0"]),
        ("bench_load.py", ["--images", "19"]),
        ("enumerate_intervals.py", ["--runs", "none"]),
        ("measure_demo_text.py", ["--pictures", "-1"]),
        ("simulate_kid_coverage.py", ["--runs", "0"]),
        ("simulate_coverage.py", ["--seed", "-1"]),
        ("bench_denoiser.py", ["--device", "gpu"]),
        ("paper_window.py", ["--device", "gpu"]),
        *(("bench_engine.py", ["--device", name]) for name in ("mps", "meta", "cuda:99")),
    ],
)
def test_a_number_or_a_device_that_can_t_be_used_is_refused(script, words):
    assert f"error: argument {words[0]}: must be a " in refused(script, *words)


@pytest.mark.parametrize("script", ["bench_answer.py", "bench_load.py"])
def test_a_folder_that_would_be_removed_must_be_new(script, tmp_path):
    assert "error: --folder must be a new one" in refused(script, "--folder", tmp_path)


def test_a_page_that_can_t_be_written_is_printed(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        show_and_write("page", tmp_path / "file" / "page.md")
    assert capsys.readouterr().out == "page\n"


def is_command(path):
    return any(isinstance(node, ast.If) and "__main__" in ast.dump(node) for node in ast.parse(path.read_text()).body)


COMMANDS = [path.name for path in sorted(SCRIPTS.glob("*.py")) if is_command(path)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_script_refuses_words_that_it_does_not_know_and_shows_its_help(name):
    assert "error: " in refused(name, "--nonsense")
    helped = in_process.run(SCRIPTS / name, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "python " in helped.stdout or name in helped.stdout
