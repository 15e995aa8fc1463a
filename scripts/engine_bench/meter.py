"""Clocks, counters and the machine: the measurements of a row of the bench."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from command_line import processor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from eval.base.words import counted


@dataclass
class Run:
    """One turn of one row: seconds; bytes; `flops` of the denoiser, padding included."""

    noises: int = 0
    seconds: float = 0.0
    denoising: float = 0.0
    evaluations: float = 0.0
    flops: float = 0.0
    peak_bytes: int = 0
    start_up: float = 0.0
    labels: dict[tuple[str, int, int], bool] = field(default_factory=dict)


def synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.current_stream(device).synchronize()  # the denoiser's; the judges have their own


def seconds(call: Callable[[], object], device: str) -> float:
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def matrix_peak(device: str, dtype: str) -> float:
    """Return the FLOP/s of one large matrix product, median of 9: what a perfect denoiser would reach."""
    side = 1024 if device == "cpu" else 8192
    a, b = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    a @ b
    return 2 * side**3 / statistics.median(seconds(lambda: a @ b, device) for _ in range(9))


def flops(call: Callable[[], object]) -> int:
    """Return the FLOP of a call, two per multiply-add."""
    # Not every fused attention is counted; the plain one consists of matrix products, which are.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@contextlib.contextmanager
def peak_memory(device: str, run: Run) -> Iterator[None]:
    """Record the peak memory meanwhile: the card's, or on a CPU the process's, sampled every 10 ms."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield
        run.peak_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    done, seen = threading.Event(), [_resident()]

    def watch() -> None:
        while not done.wait(0.01):
            seen.append(_resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    run.peak_bytes = max(seen) - seen[0]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def card(device: str) -> str:
    """Return the device's name as a part of a file's name."""
    name = "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def machine(device: str) -> str:
    """Return the machine in words."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    return f"{processor()}, {counted(torch.get_num_threads(), 'thread')}, torch {torch.__version__}"
