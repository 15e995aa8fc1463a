"""Choices of how a denoiser runs, which change its speed and, by rounding, the last bits; and the best on a device."""

from __future__ import annotations

import contextlib
import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, _cur_sdpa_kernel_backends, sdpa_kernel

from sld.errors import InputError, first_line

log = logging.getLogger(__name__)

_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
ATTENTION = tuple(_BACKENDS)

# The last two are cuDNN's, and what torch says where every engine of cuDNN's had too little memory.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
_NO_MEMORY += ("was unable to find an engine to execute this computation",)

# Rows that fill a card: on an H200, 128 take as long per row (2.09 ms compiled) as 64 (2.11), and more make a small
# run, and a batch's last call, wait for padding.
LARGEST_BATCH = 64
_COMPILED_SHAPES = 100
# Of the free memory: fragmentation, other shapes and the judges need the rest.
_SHARE_OF_MEMORY = 0.8


@dataclass(frozen=True)
class Tuning:
    """Choices that change no result except by rounding. Rows stay independent of each other under all of them.

    Attributes:
        channels_last: the memory layout of the weights.
        attention: the backend that is tried first for every shape; None for torch's own order.
        compiled: torch.compile of the denoiser for one picture size (other sizes run uncompiled). The cache outlives
            the process.
        compiled_decoder: the same of the decoder.

    Raises:
        InputError: the backend is unknown.
    """

    channels_last: bool = False
    attention: str | None = None
    compiled: bool = False
    compiled_decoder: bool = False

    def __post_init__(self):
        if self.attention is not None and self.attention not in ATTENTION:
            raise InputError(f"attention must be one of {', '.join(ATTENTION)}, found {self.attention!r}: correct it")

    def __str__(self) -> str:
        attention = self.attention and f"{self.attention} attention"
        chosen = ["channels-last" * self.channels_last, attention, "compiled" * self.compiled]
        chosen.append("compiled decoder" * self.compiled_decoder)
        return ", ".join(filter(None, chosen)) or "plain"

    @property
    def at_other_sizes(self) -> Tuning:
        """What is in effect for pictures of other sizes than the compiled one."""
        return replace(self, compiled=False, compiled_decoder=False)


def attention_order(name: str | None):
    """Return a context in which attention tries the named backend first, then the others."""
    if name is None:
        return contextlib.nullcontext()
    first = _BACKENDS[name]
    # "math" takes every shape. A CPU's attention ignores the order and uses "math" only if it is the only one.
    remaining = [backend for backend in _BACKENDS.values() if backend is not first] if name != "math" else []
    return sdpa_kernel([first, *remaining], set_priority=True)


def settle_attention(device: torch.device, dtype: torch.dtype) -> None:
    """Attend once on a CUDA device, so that torch's order of backends is final.

    On some cards torch puts cuDNN's attention first when a process attends for the first time, even where another
    order is in effect.
    """
    if device.type == "cuda":
        tensor = torch.zeros(1, 1, 8, 64, device=device, dtype=dtype)
        torch.nn.functional.scaled_dot_product_attention(tensor, tensor, tensor)


def attention_in_effect() -> str:
    """Return the enabled backends of attention in the order in which torch tries them, as of now."""
    return ", ".join(backend.name.lower() for backend in _cur_sdpa_kernel_backends(with_priority=True))


def compile_options(device: torch.device) -> dict[str, bool]:
    """Return the options with which torch.compile compiles for a device."""
    # On a CPU, weights as constants: convolutions need them in another order, and would reorder them at each call.
    # On a GPU, no kernel is chosen by timing it: two processes could choose differently and differ in their bits.
    return {"freezing": True} if device.type == "cpu" else {"deterministic": True}


def compiled(function: Callable, device: torch.device) -> Callable:
    """Return a function compiled by torch.compile for fixed shapes, and for the attention in effect at each call.

    This, or its first call, raises `InputError` if compiling fails.
    """
    try:  # imported here, since it takes a second and most runs compile nothing
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        # Torch sets its own default, in /tmp, when imported: there every node of a cluster would compile again.
        if os.environ.get("TORCHINDUCTOR_CACHE_DIR") in (None, default_cache_dir()):
            cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "i2p-bench" / "inductor"
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    except (KeyError, OSError) as error:  # torch 2.11 needs a name of the user, whom a container may not know
        raise _not_compiled(error) from error

    def run(attention: str, *arguments):
        if not attention:  # read for the guard that torch sets on what is read: other attention is compiled anew
            raise ValueError("no attention")
        return function(*arguments)

    fast = torch.compile(run, fullgraph=True, dynamic=False, options=compile_options(device))

    def call(*arguments):
        attention = attention_in_effect()
        # Which kernel attends is decided while compiling, and torch's key of the code on the disk does not tell it.
        tag = f"{torch.compiler.config.cache_key_tag} attention by {attention}"
        # Models and batch sizes of one process share torch's limit, which is meant for shapes that vary by mistake.
        limit = torch._dynamo.config.patch(recompile_limit=_COMPILED_SHAPES)
        try:
            with limit, torch.compiler.config.patch(cache_key_tag=tag):
                return fast(attention, *arguments)
        except torch._dynamo.exc.TorchDynamoException as error:
            cause = getattr(error, "inner_exception", error)
            if out_of_memory(cause):
                raise torch.OutOfMemoryError(str(cause)) from error
            raise _not_compiled(cause) from error

    return call


def _not_compiled(cause: BaseException) -> InputError:
    return InputError(
        f"the model must be one that torch.compile can take here, found that it fails ({first_line(cause)}): install "
        "a C and C++ compiler, or run without, compiled=False",
        "compiled=False",
    )


def fastest_attention(run: Callable[[], object], device: torch.device, names: Sequence[str] = ATTENTION) -> str | None:
    """Return the attention backend with which `run` takes the least time, by median; None if none works.

    Args:
        run: one evaluation at the shape of the run.
        device: to wait for before the clock is read.
        names: the backends to compare.
    """
    times = {}
    for name in names:
        try:
            with attention_order(name):
                times[name] = median_seconds(run, device)
        except RuntimeError as error:  # cuDNN has no plan for some shapes, which shows only when it runs
            if out_of_memory(error):
                raise
            log.warning("Attention by %s fails here (%s) and is not considered.", name, first_line(error))
    return min(times, key=times.get) if times else None


def largest_batch(
    run: Callable[[int], object],
    device: torch.device,
    fixed: Callable[[], object] = lambda: None,
    row_bytes: int = 0,
    largest: int = LARGEST_BATCH,
) -> int:
    """Return the largest power of two of rows with which `run(rows)` fits into this CUDA device's free memory.

    The memory of one and of two rows is measured, and every further row is assumed to add as much as the second.

    Args:
        run: one evaluation of so many rows.
        device: a CUDA device.
        fixed: other work, whose memory does not grow with the rows.
        row_bytes: what a row holds elsewhere.
        largest: the upper limit.

    Returns:
        A power of two up to `largest`; 1 if two rows do not fit, even if one does not either.
    """
    try:
        fixed_bytes, one_row, two_rows = (_peak(call, device) for call in (fixed, lambda: run(1), lambda: run(2)))
    except Exception as error:
        if not out_of_memory(error):
            raise
        return 1
    torch.cuda.empty_cache()
    return fitting(one_row + fixed_bytes, two_rows - one_row + row_bytes, torch.cuda.mem_get_info(device)[0], largest)


def _peak(call: Callable[[], object], device: torch.device) -> int:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    return torch.cuda.max_memory_allocated(device) - before


def fitting(one_row: int, further_row: int, free: int, largest: int = LARGEST_BATCH) -> int:
    """Return the largest power of two of rows up to `largest` that fit into a share of `free` bytes; at least 1."""
    rows = 1 << (largest.bit_length() - 1)
    while rows > 1 and one_row + (rows - 1) * max(further_row, 1) > free * _SHARE_OF_MEMORY:
        rows //= 2
    return rows


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device or the host is out of memory; torch has no type for the latter."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # Libraries below torch, such as cuBLAS and Triton, have messages of their own, and compiling wraps them.
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY):
        return True
    inner = getattr(error, "inner_exception", None)
    return inner is not None and out_of_memory(inner)


def median_seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that `run` takes, the median of three times, after one that is not counted."""
    run()
    return statistics.median(seconds_of(run, device) for _ in range(3))


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that `run` takes, with all that it leaves to a CUDA device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
