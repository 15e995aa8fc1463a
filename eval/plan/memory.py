"""How much memory there is, and how many rows a denoiser call may have: said before memory is gone, not after.

Where too much is asked for, a CPU's system pages for minutes and then kills what it likes; nothing is said, and what
other programs hold may go too.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import i2p
from eval.base.errors import InputError

if TYPE_CHECKING:
    import torch

    from eval.plan.plan import Plan
    from sld.models import Model

log = logging.getLogger(__name__)

GIB = 2**30
# Estimates count tensors, and kernels' own scratch comes on top: convolutions on a CPU were seen to double them.
_SHARE_OF_CPU = 0.5
# Below 2 KiB a pixel and an eighth of the memory no estimate is needed: SD 1.x takes 1.2 KiB at 512×512 in float32.
_SURE_BYTES, _SURE_SIDE = 2048, 512
_SURE_SHARE = 0.125
_HELD = 6  # copies of a batch's pictures: those that are drawn, wait, are judged and are written


def free_memory() -> int | None:
    """Return the bytes that this process can still take without paging, None where the system does not say.

    The least of what the machine has, what its control groups (SLURM, containers) allow, and its own limit.
    """
    found = [_machine(), *_control_groups(), _own_limit()]
    known = [bytes_ for bytes_ in found if bytes_ is not None]
    return max(0, min(known)) if known else None


def _machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return None


def _control_groups() -> Iterator[int]:
    """What each group that this process is in, and each above it, has left; a cache of files gives way."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, inner = line.split(":", 2)
            if kinds and "memory" not in kinds.split(","):
                continue
            root = Path("/sys/fs/cgroup/memory" if kinds else "/sys/fs/cgroup")
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
            folder = root / inner.lstrip("/")
            for place in (folder, *folder.parents):
                with contextlib.suppress(OSError, ValueError):  # "max", or none
                    limit, used = (int((place / name).read_text(encoding="utf-8")) for name in names)
                    yield limit - used + _file_cache(place)
                if place == root:
                    break


def _file_cache(place: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        words = dict(line.split() for line in (place / "memory.stat").read_text(encoding="utf-8").splitlines())
        return int(words.get("inactive_file", 0))
    return 0


def _own_limit() -> int | None:
    """What `ulimit -v` leaves."""
    with contextlib.suppress(ImportError, OSError, ValueError, StopIteration):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return limit - int(next(line for line in lines if line.startswith("VmSize")).split()[1]) * 1024
    return None


def too_large(size: tuple[int, int], device: str) -> InputError:
    """The error for a picture (height, width) of which not even one fits."""
    return InputError(
        f"one picture of {size[0]}×{size[1]} pixels must fit the memory of {device}, found too little: choose another "
        "device, dtype=float16, or a smaller model.size; what is done is kept"
    )


def check_pictures(prompts: Sequence[i2p.Prompt]) -> None:
    """Raise InputError for a size of which one picture's decoded numbers alone are more than the memory."""
    free = free_memory()
    largest = max(prompts, key=lambda prompt: prompt.height * prompt.width)
    if free is not None and largest.height * largest.width * 3 * 4 > free:
        raise too_large((largest.height, largest.width), "this machine")


def fitting_batch(model: Model, plan: Plan, asked: int, processes: int = 1) -> int:
    """Return how many rows a denoiser call is to have where `asked` were asked for: as many as fit, which is said.

    Args:
        model: on its device, tuned.
        plan: of the run.
        asked: rows.
        processes: that share the memory of a CPU.

    Raises:
        InputError: not even one fits.
    """
    free, share = _free(model.device, processes)
    height, width = max(plan_sizes(plan), key=lambda size: size[0] * size[1])
    if free is None or (max(height, width) <= _SURE_SIDE and asked * height * width * _SURE_BYTES < free * _SURE_SHARE):
        return asked
    try:
        each = _Rows(model, len(plan.methods), height, width)
    except Exception as error:  # of a kernel that does not say its shapes
        if model.device.type == "cpu":
            raise
        log.warning("How much memory a call takes can't be estimated here (%s): trying it instead.", error)
        return asked  # a GPU says at once what does not fit, and drawing halves it
    if each.bytes(1) > free:
        raise too_large((height, width), str(model.device))
    rows = asked
    while rows > 1 and each.bytes(rows) > free * share:
        rows //= 2
    if rows < asked:
        log.warning(
            "batch_size=%d would take about %.1f GiB of the %.1f GiB that are free: continuing with batch_size=%d.",
            asked,
            each.bytes(asked) / GIB,
            free / GIB,
            rows,
        )
    return rows


def filled_batch(plan: Plan, asked: int) -> int:
    """Return `asked` rows of a denoiser call, or what the plan can ever fill where that is less, which is said."""
    # All methods on a trajectory of their own, as late in a run: prompt, negative prompt and concept of each.
    each = sum(2 + (method.safety is not None) for method in plan.methods)
    most = max(plan_sizes(plan).values()) * plan.images_per_prompt * each
    if asked > most:
        log.warning("batch_size=%d is more than this run can fill: continuing with batch_size=%d.", asked, most)
    return min(asked, most)


def plan_sizes(plan: Plan) -> Counter[tuple[int, int]]:
    """How many prompts of the whole run have each (height, width): shards must agree in what they do."""
    return Counter((prompt.height, prompt.width) for prompt in plan.prompts)


def _free(device: torch.device, processes: int) -> tuple[int | None, float]:
    """Free bytes of a device, and the share of them that an estimate may take."""
    if device.type == "cuda":
        import torch

        # What this process has reserved and does not use is free for it too; and what does not fit is noticed there.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept, 1.0
    free = free_memory() if device.type == "cpu" else None
    return None if free is None else free // processes, _SHARE_OF_CPU


class _Rows:
    """What a batch of so many rows takes, from estimates of four rows and of eight: the denoiser computes in fours."""

    def __init__(self, model: Model, methods: int, height: int, width: int):
        from sld.memory import decoder_bytes, denoiser_bytes

        self._four, eight = (denoiser_bytes(model, rows, height, width) for rows in (4, 8))
        self._more = eight - self._four
        self._decoder = decoder_bytes(model, 4, height, width)
        self._held = _HELD * methods * height * width * 3

    def bytes(self, rows: int) -> int:
        """The most bytes at one time."""
        from sld.decoding import LARGEST_CHUNK

        fours, decoded = -(-rows // 4), -(-min(rows, LARGEST_CHUNK) // 4)
        return max(self._four + self._more * (fours - 1), self._decoder * decoded) + rows * self._held
