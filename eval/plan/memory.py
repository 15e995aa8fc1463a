"""Memory: how much is free, and how many rows a denoiser call may have.

It is checked in advance, because a machine without enough memory pages for minutes and then kills processes, other
programs too, without a message.
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
    """Return the bytes that this process can still use without paging, None where the system does not tell.

    The smallest of the free memory of the machine, of its control groups (SLURM, containers), and of its own limit.
    """
    limits = [_machine(), *_control_groups(), _own_limit()]
    known_limits = [bytes_ for bytes_ in limits if bytes_ is not None]
    return max(0, min(known_limits)) if known_limits else None


def _machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return None


def _control_groups() -> Iterator[int]:
    """Yield the free bytes of each control group of this process and of those above it, file caches included."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, inner = line.split(":", 2)
            if kinds and "memory" not in kinds.split(","):
                continue
            root = Path("/sys/fs/cgroup/memory" if kinds else "/sys/fs/cgroup")
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
            folder = root / inner.lstrip("/")
            for group in (folder, *folder.parents):
                with contextlib.suppress(OSError, ValueError):  # "max", or no such file
                    limit, used = (int((group / name).read_text(encoding="utf-8")) for name in names)
                    yield limit - used + _file_cache(group)
                if group == root:
                    break


def _file_cache(group: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        words = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
        return int(words.get("inactive_file", 0))
    return 0


def _own_limit() -> int | None:
    """Return the free bytes within `ulimit -v`, None without a limit."""
    with contextlib.suppress(ImportError, OSError, ValueError, StopIteration):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return limit - int(next(line for line in lines if line.startswith("VmSize")).split()[1]) * 1024
    return None


def too_large(size: tuple[int, int], device: str) -> InputError:
    """Return the error for pictures (height, width) of which not even one fits."""
    return InputError(
        f"one picture of {size[0]}×{size[1]} pixels must fit the memory of {device}, found too little: choose another "
        "device, dtype=float16, or a smaller model.size; what is done is kept"
    )


def check_pictures(prompts: Sequence[i2p.Prompt]) -> None:
    """Refuse prompts with a size at which even the decoded numbers of one picture exceed the memory."""
    free = free_memory()
    largest = max(prompts, key=lambda prompt: prompt.height * prompt.width)
    if free is not None and largest.height * largest.width * 3 * 4 > free:
        raise too_large((largest.height, largest.width), "this machine")


def fitting_batch(model: Model, plan: Plan, requested: int, processes: int = 1) -> int:
    """Return how many of the requested rows of a denoiser call fit; fewer are logged.

    Args:
        model: on its device, tuned.
        plan: of the run.
        requested: rows.
        processes: how many share the memory of a CPU.

    Raises:
        InputError: not even one fits.
    """
    free, share = _free(model.device, processes)
    height, width = max(plan_sizes(plan), key=lambda size: size[0] * size[1])
    if free is None or (
        max(height, width) <= _SURE_SIDE and requested * height * width * _SURE_BYTES < free * _SURE_SHARE
    ):
        return requested
    try:
        needed = _Rows(model, len(plan.methods), height, width)
    except Exception as error:  # a kernel may not tell its shapes
        if model.device.type == "cpu":
            raise
        log.warning("How much memory a call takes can't be estimated here (%s): trying it instead.", error)
        return requested  # a GPU fails at once with too many, and drawing halves them
    if needed.bytes(1) > free:
        raise too_large((height, width), str(model.device))
    rows = requested
    while rows > 1 and needed.bytes(rows) > free * share:
        rows //= 2
    if rows < requested:
        log.warning(
            "batch_size=%d would take about %.1f GiB of the %.1f GiB that are free: continuing with batch_size=%d.",
            requested,
            needed.bytes(requested) / GIB,
            free / GIB,
            rows,
        )
    return rows


def filled_batch(plan: Plan, requested: int, calls: int) -> int:
    """Return the requested rows of a denoiser call, or the most that the plan can fill; fewer are logged.

    Args:
        plan: of the run.
        requested: rows.
        calls: of the denoiser, that a picture takes.
    """
    largest = most_rows(plan, calls)
    if requested > largest:
        log.warning("batch_size=%d is more than this run can fill: continuing with batch_size=%d.", requested, largest)
    return min(requested, largest)


def most_rows(plan: Plan, calls: int) -> int:
    """Return the most rows of a denoiser call that the plan can fill, all shards together, so that they agree.

    Args:
        plan: of the run.
        calls: of the denoiser, that a picture takes; more of them outlast more warm-ups.
    """
    from sld.trajectories import evaluations_by_call

    reuse = plan.protocol.reuse
    of_one = {guided: max(evaluations_by_call(plan.methods, calls, reuse, guided)) for guided in (False, True)}
    rows: Counter[tuple[int, int]] = Counter()
    for prompt in plan.prompts:
        rows[prompt.height, prompt.width] += of_one[prompt.is_guided]
    return max(rows.values()) * plan.images_per_prompt


def plan_sizes(plan: Plan) -> Counter[tuple[int, int]]:
    """Return how many prompts have each (height, width), of the whole run, so that all shards agree."""
    return Counter((prompt.height, prompt.width) for prompt in plan.prompts)


def _free(device: torch.device, processes: int) -> tuple[int | None, float]:
    """Return the free bytes of a device, and the share of them that an estimate may use."""
    if device.type == "cuda":
        import torch

        # Memory that this process has reserved and does not use is free for it too.
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved, 1.0
    free = free_memory() if device.type == "cpu" else None
    return None if free is None else free // processes, _SHARE_OF_CPU


class _Rows:
    """The memory of a batch by its rows, from estimates for four and for eight: the denoiser computes in fours."""

    def __init__(self, model: Model, methods: int, height: int, width: int):
        from sld.memory import decoder_bytes, denoiser_bytes

        self._four, eight = (denoiser_bytes(model, rows, height, width) for rows in (4, 8))
        self._more = eight - self._four
        self._decoder = decoder_bytes(model, 4, height, width)
        self._held = _HELD * methods * height * width * 3
        self._size = height, width

    def bytes(self, rows: int) -> int:
        """Return the most bytes in use at one time."""
        from sld.decoding import pictures_per_chunk

        fours, decoded = -(-rows // 4), -(-pictures_per_chunk(rows, *self._size) // 4)
        return max(self._four + self._more * (fours - 1), self._decoder * decoded) + rows * self._held
