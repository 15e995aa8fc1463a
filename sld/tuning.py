"""How a denoiser is run, where it changes speed and by rounding the last bits; and what suits a device, measured."""

import contextlib
import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from sld.errors import InputError, first_line

log = logging.getLogger(__name__)

_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
ATTENTION = tuple(_BACKENDS)

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")

# Shapes of one batch that a card is filled with at most: beyond it larger batches gain nothing.
LARGEST_BATCH = 128
_COMPILED_SHAPES = 100
# Of the memory that is free: fragments, other shapes and the judges need the rest.
_SHARE_OF_MEMORY = 0.8


@dataclass(frozen=True)
class Tuning:
    """Choices that change no result but its rounding. Rows stay independent of each other under all of them.

    `attention` is tried first for every shape, torch's own order without one. `compiled` is torch.compile of the
    denoiser at one picture size (other sizes run as they are); its cache outlives the process.
    """

    channels_last: bool = False
    attention: str | None = None
    compiled: bool = False

    def __post_init__(self):
        if self.attention is not None and self.attention not in ATTENTION:
            raise InputError(f"attention must be one of {', '.join(ATTENTION)}, found {self.attention!r}; correct it.")

    def __str__(self) -> str:
        attention = self.attention and f"{self.attention} attention"
        chosen = ["channels-last" * self.channels_last, attention, "compiled" * self.compiled]
        return ", ".join(filter(None, chosen)) or "plain"


def attention_order(name: str | None):
    """A context in which attention tries the named backend first, then the others."""
    if name is None:
        return contextlib.nullcontext()
    first = _BACKENDS[name]
    # That one takes every shape, and a CPU's attention, which knows no order, takes it only where it is the only one.
    others = [each for each in _BACKENDS.values() if each is not first] if name != "math" else []
    return sdpa_kernel([first, *others], set_priority=True)


def compiled(function: Callable, device: torch.device) -> Callable:
    """torch.compile of a function for fixed shapes. Raises `InputError` at its first call where compiling fails."""
    # A second of imports that is spent here alone: most runs compile nothing.
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    # Torch's own place, set when it is imported, is lost with /tmp: every node of a cluster would compile again.
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR") in (None, default_cache_dir()):
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "i2p-bench" / "inductor"
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    # Weights as constants: a CPU's convolutions want them in another order, which they would be put into at each call.
    # On a GPU kernels are not chosen by timing them, or two processes could choose otherwise and differ in their bits.
    options = {"freezing": True} if device.type == "cpu" else {"deterministic": True}
    fast = torch.compile(function, fullgraph=True, dynamic=False, options=options)

    def call(*arguments):
        try:
            # Models and batch sizes of one process share torch's limit, which is for shapes that change unawares.
            with torch._dynamo.config.patch(recompile_limit=_COMPILED_SHAPES):
                return fast(*arguments)
        except torch._dynamo.exc.TorchDynamoException as error:
            cause = getattr(error, "inner_exception", error)
            if out_of_memory(cause):
                raise torch.OutOfMemoryError(str(cause)) from error
            raise InputError(
                f"A denoiser that torch.compile can take here was expected, found that it fails ({first_line(cause)}); "
                "install a C and C++ compiler, or run without, compiled=False.",
                "compiled=False",
            ) from error

    return call


def fastest_attention(run: Callable[[], object], device: torch.device, names: Sequence[str] = ATTENTION) -> str | None:
    """The backend under which `run` (one evaluation at the run's own shape) takes the least time, by median.

    None where none of them works.
    """
    times = {}
    for name in names:
        try:
            with attention_order(name):
                run()
                times[name] = statistics.median(_seconds(run, device) for _ in range(5))
        except RuntimeError as error:  # cuDNN has no plan for some shapes and says so only when it is asked
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
    """The largest power of two of rows, up to `largest`, that `run(rows)` fits into this CUDA device's free memory.

    The memory of one and of two rows is measured, and what a row adds is taken to be the same from there on. `fixed` is
    work of another kind, whose memory does not grow with the rows; `row_bytes` is what a row holds elsewhere. It is 1
    where two rows do not fit, or not even one.
    """
    try:
        aside, one, two = (_peak(call, device) for call in (fixed, lambda: run(1), lambda: run(2)))
    except Exception as error:
        if not out_of_memory(error):
            raise
        return 1
    torch.cuda.empty_cache()
    return fitting(one + aside, two - one + row_bytes, torch.cuda.mem_get_info(device)[0], largest)


def _peak(call: Callable[[], object], device: torch.device) -> int:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    return torch.cuda.max_memory_allocated(device) - before


def fitting(one_row: int, each_more: int, free: int, largest: int = LARGEST_BATCH) -> int:
    """The largest power of two of rows up to `largest` that `free` bytes hold, leaving a part of them; at least 1."""
    rows = 1 << (largest.bit_length() - 1)
    while rows > 1 and one_row + (rows - 1) * max(each_more, 1) > free * _SHARE_OF_MEMORY:
        rows //= 2
    return rows


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or the host, has no memory left; torch has no type for the latter."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # Libraries below torch, cuBLAS and Triton among them, say it in their own words, and compiling wraps them.
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY):
        return True
    inner = getattr(error, "inner_exception", None)
    return inner is not None and out_of_memory(inner)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
