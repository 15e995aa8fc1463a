"""How many processes draw, as many as there are devices for them, or cores and memory; and the GPU of each."""

from __future__ import annotations

import contextlib
import os

from eval.base.errors import InputError
from eval.base.variables import CUDA_GPUS, HIP_GPUS, variable
from eval.base.words import counted
from eval.config.settings import AUTO
from eval.plan.memory import GIB, free_memory
from sld.devices import device_type

FEW = 8  # processes that are allowed on any CPU, even with fewer cores
LIBRARIES = GIB  # bytes that a process needs before it has a model


def count_workers(requested: int | str, device: str) -> int:
    """Return how many processes draw: as the user requested, or with `auto` one per GPU.

    Raises:
        InputError: more than one per GPU.
    """
    if requested == 1:
        return 1
    if device == "cpu":
        return 1 if requested == AUTO else _on_cpu(requested)
    if device not in (AUTO, "cuda"):
        if requested == AUTO:
            return 1
        raise InputError(f"workers={requested} must have one device each, found device={device}: leave device at auto")
    import torch

    gpus = torch.cuda.device_count()
    if gpus and requested != AUTO and requested > gpus:
        raise InputError(
            f"workers must be at most the number of GPUs here, {gpus}, found {requested}: leave it at auto"
        )
    if requested == AUTO:
        return max(1, gpus)
    return requested if gpus else _on_cpu(requested)


def own_gpu(device: str, number: int) -> contextlib.AbstractContextManager[None]:
    """Have a process that starts meanwhile see one GPU alone, its own, if there are any; to the process it is number 0.

    So no library opens a context on the GPU of another process. And what one process has compiled serves the others:
    torch's key of compiled code holds the number of the GPU.

    Args:
        device: of the run, as the user chose it.
        number: of the GPU, among those that this process sees.
    """
    if device not in (AUTO, "cuda") or device_type(device) != "cuda":
        return contextlib.nullcontext()
    (name, *_), (_, seen) = _variables(), visible_gpus()
    return variable(name, str(number) if seen is None else seen.split(",")[number].strip())


def visible_gpus() -> tuple[str, str | None]:
    """Return the variable that chooses which GPUs a process sees, and its value; None where nothing is chosen."""
    import torch

    names = _variables()
    name = next((name for name in names if os.environ.get(name)), names[0])
    value = os.environ.get(name)
    # An empty one hides every GPU from CUDA; HIP passes over it.
    return name, None if torch.version.hip and not value else value


def _variables() -> tuple[str, ...]:
    """The variables that choose among GPUs, the one that wins first.

    HIP reads the one of CUDA where its own is not set or empty. ROCR_VISIBLE_DEVICES applies before both, which count
    what it leaves (ROCm's documentation of GPU isolation; `torch.cuda`).
    """
    import torch

    return (HIP_GPUS, CUDA_GPUS) if torch.version.hip else (CUDA_GPUS,)


def _on_cpu(requested: int) -> int:
    """Return the requested number of processes on a CPU; refuse more than its cores or memory allow."""
    free, limit = free_memory(), max(FEW, os.cpu_count() or 1)
    if free is not None:
        limit = max(1, min(limit, free // LIBRARIES))
    if requested > limit:
        memory = "" if free is None else f" and {free // GIB} GiB of free memory, of which each worker takes one"
        raise InputError(
            f"workers must be at most {limit} on a machine of {counted(os.cpu_count(), 'core')}{memory}, found "
            f"{requested}: lower it"
        )
    return requested
