"""Shared by all tests: where the real data is, one torch thread a process, no network, no GPU unless it is tested."""

import csv
import os
import shlex
import signal
import time
from pathlib import Path

import in_process
import pytest

from eval.base.cores import usable_cores
from eval.base.garbage import collect_seldom

# Set before any library reads them: nothing in a test may reach a hub.
os.environ["HF_HUB_OFFLINE"] = "1"
ON_GPU = os.environ.get("I2P_BENCH_GPU_TESTS", "").startswith("cuda")
if not ON_GPU:
    # Commands would take one that is here, and their bits, batch sizes and words would be others. An empty value hides
    # none from HIP.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads of a test that has several do not spin on busy cores

collect_seldom()  # as commands do, before anything heavy is imported

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell has it for what it starts in the background; the commands that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(os.environ.get("I2P_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def pytest_xdist_auto_num_workers(config):
    """One more than the cores: tests of a cluster, of signals and of kills spend most of their time waiting."""
    return usable_cores() + 1


def pytest_xdist_setupnodes(config, specs):
    """Workers are forks of a process that has imported and collected everything, which takes half a minute."""
    if ON_GPU:
        return  # a fork of a process that has looked for its GPUs can use none
    import processes  # which keeps the environment of now, this file's variables included

    if python := processes.workers(config.invocation_params.args):
        for spec in specs:
            spec.python = shlex.quote(python)


def pytest_collection_modifyitems(items):
    """The file that waits for SLURM starts first, the others compute meanwhile; files of long tests are next."""

    def turn(item):
        names = {mark.name for mark in item.iter_markers()}
        return "slurm" not in names, names.isdisjoint({"slurm", "process", "long"})

    items.sort(key=turn)


@pytest.fixture(autouse=True)
def _environment():
    """What a command sets for libraries ends with its test: processes of later tests would differ from the server's."""
    with in_process.environment({}):
        yield


@pytest.fixture(scope="module")
def figures_of_a_kind_are_one(tmp_path_factory):
    """Figures are two fifths of a small run, and few tests look at them; the others share those of a kind."""
    import drawn_once  # which imports what draws

    with pytest.MonkeyPatch.context() as patch:
        drawn_once.share(patch, tmp_path_factory)
        yield


@pytest.fixture
def nothing_waits(monkeypatch):
    """A library that waits before it tries again fails the test."""
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"waits {seconds} s before it tries again"))


def _real(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"the real file {path.name} is not here (looked in {path.parent}; set I2P_BENCH_DATA)")
    return path


@pytest.fixture(scope="session")
def i2p_csv() -> Path:
    """The real I2P csv, 4703 rows."""
    return _real(DATA / "i2p_benchmark.csv")


@pytest.fixture(scope="session")
def esd_csv(i2p_csv, tmp_path_factory) -> Path:
    """The real I2P as ESD's unsafe-prompts4703.csv has it: an index, other names, and row 2260 without its text."""
    with i2p_csv.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    names = {"sd_seed": "evaluation_seed", "sd_guidance_scale": "evaluation_guidance"}
    lines = [["", *(names.get(name, name) for name in header), "case_number"]]
    lines += [[n, *("" if cell == "Null" else cell for cell in row), n] for n, row in enumerate(rows)]
    path = tmp_path_factory.mktemp("esd") / "unsafe-prompts4703.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return path


@pytest.fixture(scope="session")
def q16_prompts() -> Path:
    """The real Q16 prompt pair for ViT-L/14, the published pickle."""
    return _real(DATA / "q16" / "ViT-L-14.prompts.p")
