"""The machine under a run: its cores, memory, GPUs, inference providers and network."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from pathlib import Path

from eval.base.cores import usable_cores
from eval.base.words import counted
from eval.config.settings import AUTO
from eval.doctor.check import OK, SKIPPED, WARNING, Check
from eval.plan.memory import GIB, free_memory
from sld.devices import device_of

NAMES_GPU = re.compile(r"\s*(\d|GPU-|MIG-)")  # any other value of CUDA_VISIBLE_DEVICES, such as -1, hides all of them


def host() -> Check:
    """Return the cores and the memory that this process may use."""
    return Check("cpu", OK, f"{usable_cores()} of {counted(os.cpu_count(), 'core')} usable, {_memory()}")


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "memory unknown"
    with contextlib.suppress(OSError, ValueError):  # of a container; "max" where it has no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    free = free_memory()
    return f"{total / GIB:.0f} GiB memory" + ("" if free is None else f" ({free / GIB:.0f} GiB unused)")


def devices(unneeded: str, device: str, workers: int | str, attention: str) -> list[Check]:
    """Return the GPUs, and the device that the run would use.

    Args:
        unneeded: why the run uses no device; empty where it does.
        device: the setting `device`.
        workers: the setting `workers`.
        attention: the setting `engine.attention`.

    Raises:
        InputError: the device is absent, or can't run this attention.
    """
    import torch

    from eval.generate.engine import check_attention
    from eval.generate.worker_count import count_workers, visible_gpus

    checks, (variable, seen) = [], visible_gpus()
    chosen_by = "" if seen is None else f" with {variable}={shlex.quote(seen)}"
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            finding = f"{torch.cuda.get_device_name(number)}, {free / GIB:.1f} of {total / GIB:.1f} GiB free"
            checks.append(Check(f"cuda:{number}", OK, finding))
    elif (seen is None or NAMES_GPU.match(seen)) and (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        finding = f"an NVIDIA driver is installed, but torch {torch.__version__} finds no GPU{chosen_by}"
        checks.append(Check("gpu", WARNING, finding, "nvidia-smi; then a torch built for its CUDA: see pytorch.org"))
    if unneeded:
        return [*checks, Check("device", SKIPPED, unneeded)]
    chosen = device_of(device)
    check_attention(attention, chosen)
    count = count_workers(workers, device)
    finding = f"{chosen}" + (f", {count} processes" if count > 1 else "")
    if chosen.type == "cpu" and device == AUTO and not checks:
        finding += f" (no GPU found{chosen_by})"
    return [*checks, Check("device", OK, finding)]
