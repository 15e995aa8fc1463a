"""The scripts that SLURM is given, without a SLURM; tests/slurm submits them to a real one."""

import shlex
import subprocess
import sys

import pytest

from eval.slurm import array_ranges
from eval.submit import main
from eval.values import override

SMALL = ["protocol.steps=1", "prompts.rows=0-9", "slurm.time=01:00:00", "slurm.partition=gpu"]


def script(out, name="shard") -> list[str]:
    return (out / "slurm" / f"{name}.sbatch").read_text().splitlines()


def command(lines) -> list[str]:
    """The words that the script executes, as the shell reads them, without its own arithmetic."""
    (start,) = [i for i, line in enumerate(lines) if line.startswith("exec ")]
    return shlex.split(lines[start].removeprefix("exec ").removesuffix(" \\"))


def test_a_dry_run_writes_scripts_that_bash_reads_and_submits_nothing(tmp_path, call, capsys):
    out = tmp_path / "a run (1)"
    setup = 'slurm.setup="module load cuda; export X=1"'
    options = ["methods=[baseline,sld_max]", "slurm.gpus=1", "slurm.options=['--exclude=node7']", setup]
    assert call(main, f"out='{out}'", *SMALL, *options, "shard.count=4", "dry_run=true") == 0
    assert "not submitted" in capsys.readouterr().out
    lines = script(out)
    for path in (out / "slurm").iterdir():
        subprocess.run(["bash", "-n", path], check=True)
    wanted = [
        "--job-name=i2p-a-run-1-",
        "--partition=gpu",
        "--time=01:00:00",
        "--gres=gpu:1",
        "--requeue",
        "--exclude=node7",
    ]
    wanted += ["--open-mode=append", "--signal=B:USR2@300", f'--output="{out}/slurm/%A_%a.log"']
    assert {f"#SBATCH {option}" for option in wanted} <= set(lines)
    assert "module load cuda; export X=1" in lines
    assert command(lines) == [
        *(sys.executable, "-m", "eval.run", *SMALL[:2], "methods=[baseline,sld_max]"),
        *(f"out='{out}'", "shard.count=4"),
    ]
    assert command(script(out, "report")) == [sys.executable, "-m", "eval.report", str(out)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["shard.count=11"], "shard.count must be at most the number of prompts, 10, found 11"),
        (["shard.count=2", "shard.index=1"], "shard.index is each job's own"),
        (["slurm.warning=soon"], "slurm.warning"),
        (["slurm.qos='a\"b'"], "a value without quotes and line breaks was expected for --qos"),
        (["prompts.rows=[999]"], "999"),
        (["slurm.partitoin=gpu"], "partitoin"),
        (["batch_size=0"], "batch_size must be auto"),
    ],
)
def test_what_no_shard_could_run_is_said_before_anything_is_written(tmp_path, call, capsys, given, said):
    assert call(main, f"out={tmp_path}/run", *SMALL, *given, "dry_run=true") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_slurm_on_the_path_it_says_so(tmp_path, call, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(main, f"out={tmp_path}/run", *SMALL) == 2
    assert "expected SLURM's scontrol on the PATH, found none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        *("a/b-c.d", "a b", "it's", "back\\slash", "end\\", "\\'", "a (1), {b: c} [d] $x=y", "ü"),
        *("${foo}", "a\\${out}", "it's ${b}\\"),
    ],
)
def test_an_override_is_read_back_by_hydra_as_it_was(text):
    from hydra import compose, initialize_config_module

    with initialize_config_module("conf", version_base="1.3"):
        assert compose("run", overrides=[override("out", text)]).out == text


@pytest.mark.parametrize(("count", "largest"), [(1, 0), (6, 3), (64, 1000), (1001, 1000), (1002, 1000), (5, 0)])
def test_arrays_cover_every_shard_once_and_keep_below_the_largest_index(count, largest):
    ranges = array_ranges(count, largest)
    assert [offset + task for offset, tasks in ranges for task in range(tasks)] == list(range(count))
    assert all(tasks - 1 <= largest for _, tasks in ranges)
