"""What the doctor says of memory and devices: GPUs that are found or not, and what a run would use."""

import shlex
import shutil

import pytest
import torch

from eval.base.errors import InputError
from eval.doctor import machine
from eval.doctor.check import OK, SKIPPED, WARNING

GIB = 2**30


def found(monkeypatch, visible=None, driver=True):
    """The names, states and findings where an NVIDIA driver may be installed and variables may hide its GPUs."""
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if driver else None)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    checks = machine.devices("", "auto", "auto", "auto")
    return [(check.name, check.state, check.finding) for check in checks]


def test_a_driver_whose_gpus_torch_does_not_find_is_a_warning(monkeypatch):
    (gpu, state, finding), device = found(monkeypatch)
    assert (gpu, state) == ("gpu", WARNING)
    assert finding.startswith("an NVIDIA driver is installed, but torch ")
    assert device == ("device", OK, "cpu")


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_gpus_that_a_variable_hides_are_no_fault_of_torch(monkeypatch, value):
    shown = shlex.quote(value)
    assert found(monkeypatch, visible=value) == [
        ("device", OK, f"cpu (no GPU found with CUDA_VISIBLE_DEVICES={shown})")
    ]


@pytest.mark.parametrize("value", ["0", "0,1", "GPU-5a", "MIG-6b"])
def test_a_gpu_that_a_variable_names_and_torch_does_not_find_is_a_warning(monkeypatch, value):
    """As a cluster's scheduler sets it for every job that has a GPU."""
    (gpu, state, finding), device = found(monkeypatch, visible=value)
    assert (gpu, state) == ("gpu", WARNING)
    assert finding.endswith(f" finds no GPU with CUDA_VISIBLE_DEVICES={value}")
    assert device == ("device", OK, "cpu")


def test_a_machine_without_a_gpu_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "Path", lambda name: tmp_path / "none")  # whatever is in /dev here
    assert found(monkeypatch, driver=False) == [("device", OK, "cpu (no GPU found)")]


def test_a_device_that_is_asked_for_or_not_needed_is_not_searched_for():
    assert [check.finding for check in machine.devices("", "cpu", "auto", "auto")] == ["cpu"]
    (device,) = machine.devices("a replay", "auto", "auto", "cudnn")
    assert (device.state, device.finding) == (SKIPPED, "a replay")
    with pytest.raises(InputError, match=r"engine\.attention=cudnn must have a GPU, found cpu"):
        machine.devices("", "cpu", "auto", "cudnn")


def test_gpus_are_listed_with_their_memory_and_how_many_processes_share_them(monkeypatch):
    monkeypatch.setattr(machine, "device_of", lambda device: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "AB"[number])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: ((number + 1) * 10 * GIB, 80 * GIB))
    assert found(monkeypatch) == [
        ("cuda:0", OK, "A, 10.0 of 80.0 GiB free"),
        ("cuda:1", OK, "B, 20.0 of 80.0 GiB free"),
        ("device", OK, "cuda, 2 processes"),
    ]
    assert machine.devices("", "auto", 1, "auto")[-1].finding == "cuda"


@pytest.mark.parametrize(
    ("limit", "free", "told"),
    [
        (None, 3 * GIB, "16 GiB memory (3 GiB unused)"),
        ("max", None, "16 GiB memory"),
        (str(8 * GIB), 3 * GIB, "8 GiB memory (3 GiB unused)"),
        (str(64 * GIB), None, "16 GiB memory"),
    ],
)
def test_the_memory_is_that_of_the_machine_or_of_its_container(limit, free, told, monkeypatch, tmp_path):
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(machine, "Path", lambda name: tmp_path / name.removeprefix("/sys/fs/cgroup/"))
    monkeypatch.setattr(machine, "free_memory", lambda: free)
    with monkeypatch.context() as patch:
        patch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * GIB // 4096}.get)
        assert machine.host().finding.endswith(f" usable, {told}")


def test_a_machine_that_does_not_tell_its_memory_has_an_unknown_one(monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr("os.sysconf")  # as on Windows
        assert machine.host().finding.endswith(" usable, memory unknown")
