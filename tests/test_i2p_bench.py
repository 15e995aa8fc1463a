"""The console command works from any folder: here from one that holds packages with all the names of ours."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from manifests import RUNTIME, manifest_of
from PIL import Image

import i2p_bench
from eval.base.command import NAME, command_line, typed

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["prompts.rows=[0]", "methods=[baseline]", "protocol.steps=1", "images=none", "sheet=false", "device=cpu"]
THEIRS = ("eval/__init__.py", "conf/__init__.py", "i2p/__init__.py", "sld.py")


def from_wheel(test):
    """Built once, by one of the processes that share the tests."""
    return pytest.mark.wheel(pytest.mark.long(test))


@pytest.fixture
def repository(tmp_path):
    """A user's folder, whose packages have our names and can't be imported."""
    folder = tmp_path / "their repository"
    for name in THEIRS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"raise RuntimeError('theirs: {name}')\n")
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project as it is installed from a wheel: its folder, and its console command."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    copied = shutil.ignore_patterns(".*", "runs", "build", "*.egg-info", "__pycache__", "tests", "docs")
    shutil.copytree(ROOT, source, ignore=copied)
    (source / "docs").mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", folder / "site", built], check=True)
    return folder / "site", folder / "site" / "bin" / NAME


@pytest.fixture
def installed(wheel, repository):
    """Call the console command from the user's repository; returns the finished process."""
    site, command = wheel
    return lambda *arguments: start([sys.executable, command, *arguments], repository, site)


def start(command, cwd, *path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    words = list(map(str, command))
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert "theirs" not in done.stderr, done.stderr
    return done


@from_wheel
def test_a_sweep_with_workers_and_a_report_from_a_wheel(installed, repository):
    """Each job of a sweep is a run by the same command, in a process of its own; for one picture it has one worker."""
    if sys.version_info >= (3, 11):  # before, multiprocessing can't be kept from looking here first
        for name in ("signal", "random", "multiprocessing"):  # Python's own
            (repository / f"{name}.py").write_text(f"raise RuntimeError('theirs: {name}')")
    done = installed("run", "-m", "protocol.seed_offset=1000", *QUICK, "out=sweep", "workers=2", "judges=[nudenet]")
    assert done.returncode == 0, done.stderr
    assert (repository / "sweep" / "comparison.csv").is_file()
    (job,) = (path.parent for path in (repository / "sweep").glob("*/manifest.json"))
    assert (job / "report" / "report.html").is_file()
    written = (job / "report" / "results.csv").read_bytes()
    report = installed("report", job)
    assert report.returncode == 0, report.stderr
    assert "Inappropriate probability" in report.stdout
    assert (job / "report" / "results.csv").read_bytes() == written


@from_wheel
def test_a_shards_script_from_a_wheel(installed, wheel, repository):
    (repository / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(repository / "pictures" / "0_0.png")
    words = ["model=images", "model.path=pictures", "prompts=demo", "prompts.rows=[0]", "judges=[nudenet]"]
    done = installed("submit", *words, "sheet=false", "out=shards", "shard.count=1", "dry_run=true")
    assert done.returncode == 0, done.stderr
    script = repository / "shards" / "slurm" / "shard.sbatch"
    assert str(wheel[0] / "i2p_bench.py") in script.read_text()
    task = {"SLURM_ARRAY_TASK_ID": 0, "SLURM_ARRAY_JOB_ID": 1, "SLURM_ARRAY_TASK_COUNT": 1}
    variables = [f"{name}={value}" for name, value in task.items()]
    done = start(["env", *variables, "bash", script, "0"], "/", repository)
    assert done.returncode == 0, done.stderr
    assert (repository / "shards" / "report" / "results.csv").is_file()


@from_wheel
def test_ours_are_found_before_whatever_lies_on_the_path(wheel, repository):
    code = "import i2p_bench, eval, i2p, sld; print(eval.__file__, i2p.__file__, sld.__file__)"
    done = start([sys.executable, "-c", code], "/", repository, wheel[0])
    assert {Path(path).parents[1] for path in done.stdout.split()} == {wheel[0]}, done.stderr


def test_where_another_package_hides_one_of_ours_the_command_that_works_is_said(tmp_path):
    (tmp_path / "sld.py").write_text("raise RuntimeError('theirs')")
    for module in ("report", "run"):
        done = start([sys.executable, "-m", f"eval.{module}", "out=x"], tmp_path, ROOT)
        assert (done.returncode, done.stdout) == (2, "")
        found = f"error: sld must be i2p-bench's own, found {tmp_path}/sld.py first"
        assert done.stderr == f"{found}: `{typed(module)} …` works from any folder\n"
    advised = subprocess.run(f"{typed('run')} --help", shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert advised.stdout.startswith("How often")


def test_a_foreign_folder_of_configurations_is_not_looked_into(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "__init__.py").write_text("raise RuntimeError('theirs')")
    done = start([sys.executable, "-m", "eval.run", "--cfg", "job"], tmp_path, ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def call(monkeypatch, capfd, *arguments):
    monkeypatch.setattr("sys.argv", [NAME, *arguments])
    with pytest.raises(SystemExit) as stopped:
        i2p_bench.main()
    return stopped.value.code, capfd.readouterr()


def test_help_lists_every_subcommand(monkeypatch, capfd):
    code, printed = call(monkeypatch, capfd, "--help")
    assert code == 0
    for name in ("run", "report", "compare", "submit", "status", "doctor", "power"):
        assert f"i2p-bench {name} " in printed.out


@pytest.mark.parametrize(("typed", "nearest"), [("rum", "run"), ("reports", "report"), ("doktor", "doctor")])
def test_an_unknown_subcommand_is_refused_with_the_nearest(monkeypatch, capfd, typed, nearest):
    code, printed = call(monkeypatch, capfd, typed)
    assert code == 2
    assert printed.err.count("\n") == 1
    assert f"did you mean `i2p-bench {nearest}`?" in printed.err


def test_no_subcommand_is_refused_with_all_of_them(monkeypatch, capfd):
    code, printed = call(monkeypatch, capfd)
    assert (code, printed.out) == (2, "")
    assert "run, report, compare, submit, status, doctor, power" in printed.err


def test_a_subcommand_is_the_module_of_its_name(monkeypatch, capfd):
    code, printed = call(monkeypatch, capfd, "run", "--help")
    assert code == 0
    for name in ("eval.run", "i2p_bench"):
        assert name in command_line("run")[1] or name in printed.out
    assert call(monkeypatch, capfd, "status", "nowhere")[0] == 2


def test_what_completes_an_older_run_is_todays_command(tmp_path):
    from eval.store.prompts import run_command
    from eval.store.rundir import RunDir

    def called(*words):
        return manifest_of(runtime=replace(RUNTIME, command=words))

    for words in (["python", "-m", "eval.run"], [NAME, "run"]):
        begun = called(*words, "methods=[baseline]", "shard.count=2", "out=old")
        assert run_command(RunDir(tmp_path), begun) == f"{typed('run')} 'methods=[baseline]' out={tmp_path}"
    assert (
        run_command(RunDir(tmp_path), called("python", "/x/mine.py", "out=old")) == f"python /x/mine.py out={tmp_path}"
    )
