"""What the doctor says of the device where no GPU is found."""

import shlex
import shutil

import pytest

from eval.doctor import machine
from eval.doctor.check import OK, WARNING


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
