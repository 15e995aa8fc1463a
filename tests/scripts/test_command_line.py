"""What a script can't use is refused in a sentence, with exit code 2, before anything is measured."""

import argparse
import ast
import contextlib
import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import in_process
import pytest
from command_line import (
    at_least,
    end_bench_with,
    end_with,
    folder,
    new_folder,
    page,
    seconds,
    show_and_write,
    usable_device,
    write_for_now,
)

from eval.base.errors import InputError

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


def test_pictures_need_a_folder(tmp_path):
    (tmp_path / "list.csv").write_text(CSV)
    printed = refused("any_pipeline.py", "model", tmp_path / "list.csv", tmp_path / "list.csv")
    assert "error: argument FOLDER: must be a folder that can be written" in printed


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
        ("bench_load.py", ["--workers", "1025"]),
        ("bench_engine.py", ["--steps", "1000"]),
        ("enumerate_intervals.py", ["--runs", "none"]),
        ("enumerate_intervals.py", ["--seed", str(2**32)]),
        ("measure_demo.py", ["--images", "1"]),
        ("measure_demo_text.py", ["--pictures", "-1"]),
        ("simulate_kid_coverage.py", ["--runs", "0"]),
        ("simulate_coverage.py", ["--seed", "-1"]),
        ("bench_denoiser.py", ["--device", "gpu"]),
        ("paper_window.py", ["--device", "gpu"]),
        ("train_demo.py", ["--device", "gpu"]),
        *((script, ["--deadline", "nan"]) for script in ("bench_denoiser.py", "bench_engine.py")),
        ("paper_window.py", ["--seconds", "-1"]),
        ("bench_nudenet.py", ["--images", "1"]),
        ("measure_demo_text.py", ["--pictures", "1"]),
        *((script, ["--runs", "1"]) for script in ("simulate_power.py", "simulate_sample.py")),
        *((script, ["--resamples", "18"]) for script in ("simulate_power.py", "simulate_coverage.py")),
        *(("bench_engine.py", ["--device", name]) for name in ("mps", "meta", "cuda:99")),
    ],
)
def test_a_number_or_a_device_that_can_t_be_used_is_refused(script, words):
    assert f"error: argument {words[0]}: must be a " in refused(script, *words)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "1_0", "+-3", "٣", "nan", "inf", "", "ten", "9" * 5000])
def test_a_count_is_a_whole_number_within_its_limits(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a whole number from 1 to 1000000, found "):
        at_least(1)(text)
    assert [at_least(1)(text) for text in ("1", "+5", " 7 ", "1000000")] == [1, 5, 7, 10**6]


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e7", "1_0", "", "ten"])
def test_the_seconds_of_a_limit_are_a_number_above_0(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a number of seconds above 0"):
        seconds(text)
    assert [seconds(text) for text in ("1e3", "0.5", "1e6")] == [1000, 0.5, 10**6]


def test_a_cpu_has_one_name(monkeypatch):
    assert [usable_device(name) for name in ("cpu", "cpu:0")] == ["cpu", "cpu"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert usable_device("cuda:1") == "cuda:1"


@pytest.mark.parametrize("script", ["bench_answer.py", "bench_load.py"])
def test_a_folder_that_would_be_removed_must_be_new(script, tmp_path):
    assert "error: argument --folder: must be a new one" in refused(script, "--folder", tmp_path)


def is_command(path):
    return any(isinstance(node, ast.If) and "__main__" in ast.dump(node) for node in ast.parse(path.read_text()).body)


WRITTEN = [
    (path.name, option)
    for path in sorted(filter(is_command, SCRIPTS.glob("*.py")))
    for option in [
        *re.findall(r'add_argument\(\s*"(--(?:out|folder|runs|plots|world))", type=(?!at_least)', path.read_text()),
        *["--out"] * ("add_out(" in path.read_text()),
    ]
]


ON_A_DEVICE = ("bench_denoiser.py", "bench_engine.py", "paper_window.py")


@pytest.mark.parametrize(("script", "option"), WRITTEN)
def test_what_could_not_be_written_in_the_end_is_refused_at_the_beginning(script, option, tmp_path):
    (tmp_path / "file").touch()
    printed = refused(script, option, tmp_path / "file" / "page.md")
    assert re.search(
        rf"error: argument {option}: must be a (file|folder) that can be written, found \S+page.md ", printed
    )
    assert len(WRITTEN) == 22
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def test_a_page_is_refused_where_no_file_can_be_or_the_disk_takes_none(tmp_path):
    for text, reason in [
        (str(tmp_path), "it is no file"),
        ("/dev/null", "it is no file"),  # a page is renamed into its place
        (str(tmp_path / ("x" * 300)), "File name too long"),
    ]:
        with pytest.raises(argparse.ArgumentTypeError, match=rf"\(.*{reason}\): change that, or name another$"):
            page(text)
    with files_of(16_384), pytest.raises(argparse.ArgumentTypeError, match="File too large"):
        page(str(tmp_path / "page.md"))
    assert page(str(tmp_path / "new" / "page.md")) == tmp_path / "new" / "page.md"
    assert not [*tmp_path.iterdir()]


def test_a_home_folder_that_no_shell_expands_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert page("~/page.md") == tmp_path / "page.md"
    (tmp_path / "here").mkdir()
    with pytest.raises(argparse.ArgumentTypeError, match="must be a new one"):
        new_folder("~/here")
    with pytest.raises(argparse.ArgumentTypeError, match=r"^must begin with the home folder of a user .*~nobody-here"):
        page("~nobody-here/page.md")


def test_a_folder_is_refused_where_there_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(argparse.ArgumentTypeError, match="it is no folder"):
        folder(str(tmp_path / "file"))
    assert folder(str(tmp_path)) == tmp_path


@contextlib.contextmanager
def files_of(size):
    """No file may be larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_page_that_can_t_be_written_has_been_printed_and_the_sentence_says_so(tmp_path, capsys):
    path = tmp_path / "page.md"
    path.write_text("of yesterday\n")
    with files_of(3), pytest.raises(SystemExit) as stopped:
        end_with(lambda: show_and_write("page", path))
    assert stopped.value.code == 3
    printed = capsys.readouterr()
    assert printed.out == "page\n"
    assert printed.err == f"stopped: {path} could not be written (File too large): copy the page from stdout\n"
    assert path.read_text() == "of yesterday\n"


def test_a_page_whose_reader_has_gone_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout", (tmp_path / "closed").open("w"))
    sys.stdout.close()
    show_and_write("page\n", tmp_path / "new" / "page.md")
    assert (tmp_path / "new" / "page.md").read_text() == "page\n"


def test_a_page_behind_a_link_is_written_where_that_leads(tmp_path):
    (tmp_path / "link.md").symlink_to(tmp_path / "page.md")
    show_and_write("page", tmp_path / "link.md")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "page.md").read_text() == "page\n"


def test_a_page_that_a_later_one_replaces_may_fail(tmp_path, capsys):
    with files_of(3):
        write_for_now("page", tmp_path / "page.md")
    assert capsys.readouterr().err == f"{tmp_path / 'page.md'} could not be written (File too large)\n"
    write_for_now("page", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == "page\n"


@pytest.mark.parametrize("end", [end_with, end_bench_with])
@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 3, "stopped: a file could not be written (No space left on"),
        (OSError(errno.EFBIG, "File too large", "x.png"), 3, "stopped: x.png could not be written (File too large): "),
        (KeyboardInterrupt(), 3, "stopped: interrupted\n"),
        (InputError("words must be"), 2, "error: words must be\n"),
    ],
    ids=["disk", "limit", "ctrl-C", "words"],
)
def test_scripts_end_in_a_sentence(end, error, code, sentence, capsys):
    def fail():
        raise error

    with pytest.raises(SystemExit) as stopped:
        end(fail)
    assert stopped.value.code == code
    printed = capsys.readouterr().err
    assert printed.startswith(sentence)
    assert printed.count("\n") == 1


def test_other_errors_are_bugs_and_a_script_s_own_code_is_kept():
    def fail():
        raise OSError(errno.ENOENT, "No such file or directory", "x")

    with pytest.raises(FileNotFoundError):
        end_with(fail)
    for own, code in ((None, 0), (0, 0), (1, 1)):
        with pytest.raises(SystemExit) as stopped:
            end_with(lambda: own)  # noqa: B023 - called at once
        assert stopped.value.code == code


def test_a_bench_leaves_its_process_as_python_starts_one():
    words = "import gc, os, sys; from command_line import end_bench_with; "
    words += "end_bench_with(lambda: print(gc.get_threshold()[0], 'GOMP_SPINCOUNT' in os.environ))"
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    own = subprocess.run(
        [sys.executable, "-c", words], env=environment, cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    plain = subprocess.run(
        [sys.executable, "-c", "import gc; print(gc.get_threshold()[0], False)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert own.stdout == plain.stdout


COMMANDS = [path.name for path in sorted(SCRIPTS.glob("*.py")) if is_command(path)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_script_refuses_words_that_it_does_not_know_and_shows_its_help(name):
    assert "error: " in refused(name, "--nonsense")
    helped = in_process.run(SCRIPTS / name, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "python " in helped.stdout or name in helped.stdout
    if name == "example_method.py":
        return  # its help is that of `eval.run`
    options = re.split(r"\n  (?=-)", helped.stdout.partition("\noptions:")[2])[1:]
    described = dict(re.fullmatch(r"(\S.*?)\s{2,}(\S.*)", option.strip(), re.DOTALL).groups() for option in options)
    described = {option: " ".join(text.split()) for option, text in described.items()}
    assert described["-h, --help"] == "show this help message and exit"
    if "--out OUT" in described and name != "train_demo.py":  # what it replaces, which may be a committed table
        assert re.search(r"\(default docs/ ?benchmarks/", described["--out OUT"])


@pytest.mark.parametrize("name", [name for name, option in WRITTEN if option == "--out" and name != "train_demo.py"])
def test_a_table_has_its_place_in_this_repository_from_whichever_folder_a_script_is_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = []

    def place(text):
        places.append(Path(text))
        raise argparse.ArgumentTypeError("is told")

    monkeypatch.setattr("command_line.page", place)
    required = ["file.csv"] if name in ("simulate_power.py", "simulate_sample.py") else []
    assert "is told" in refused(name, *required, *(["--device", "cpu"] if name in ON_A_DEVICE else []))
    assert [place.parent for place in places] == [SCRIPTS.parent / "docs" / "benchmarks"]
