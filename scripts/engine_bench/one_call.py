"""One variant of the denoiser, measured: its tuning, its call and the kernels of one."""

from __future__ import annotations

import functools
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.profiler import ProfilerActivity, profile

from engine_bench import harness, meter
from engine_bench.world import World
from sld.decoding import decode_images
from sld.tuning import Tuning

CALLS = 7  # that are counted, after two that are not
PICTURES = 8  # that the decoder takes at once
# What a kernel does, by its name; the first that matches. Names of fused ones tell all that they do.
KINDS = {
    "pointwise": r"^triton_poi",
    "sums, as in normalisations": r"^triton_(red|per)|norm|rowwise|softmax",
    "attention": r"flash|fmha|attention|sdpa",
    "convolutions": r"conv|fprop|nhwckrsc|nchwkcrs",
    "matrix products": r"gemm|nvjet|cutlass|cublas|mm_|^triton_tem|xmma",
    "layouts and copies": r"copy|memcpy|transpose|tonhwc|tonchw|catarray|index|gather",
    "other pointwise": r"elementwise|vectorized|memset",
    "other sums": r"reduce",
}


@dataclass(frozen=True)
class Variant:
    """How the model is tuned, the rows of a call, and whether torch.compile gets other options than the engine's."""

    tuning: Tuning
    rows: int
    other_options: bool = False

    def __str__(self) -> str:
        return f"{self.tuning}{', other options' * self.other_options}"


@dataclass
class Measured:
    """What was measured of a variant.

    Attributes:
        variant: of the call.
        call: its seconds.
        searched: its seconds where cuDNN has searched for the fastest convolutions.
        picture: seconds per decoded picture.
        start: seconds until the end of the first call.
        kernels: seconds of one call by kernel.
        failure: why there are none.
    """

    variant: Variant
    call: float = float("nan")
    searched: float = float("nan")
    picture: float = float("nan")
    start: float = float("nan")
    kernels: Counter = field(default_factory=Counter)
    failure: str | None = None

    @property
    def kinds(self) -> Counter:
        """The seconds of kernels of a kind, by the kind."""
        kinds = Counter()
        for name, seconds in self.kernels.items():
            known = (kind for kind, words in KINDS.items() if re.search(words, name, re.IGNORECASE))
            kinds[next(known, "others")] += seconds
        return kinds


class Tuned:
    """A model tuned as a variant says, after its first call and its first decoded pictures.

    Attributes:
        start: seconds from tuning to the end of the first call, compiling included.
    """

    def __init__(self, world: World, model, variant: Variant):
        began = time.perf_counter()
        self.variant, self._device = variant, world.device
        with harness.compiling_with(other=variant.other_options):
            model.tune(variant.tuning, world.side, world.side)
        latents = torch.randn(PICTURES, *model.latent_shape(world.side, world.side), device=model.device)
        self._call = whole_call(world, model, variant.rows)
        self._decode = functools.partial(decode_images, model, latents, PICTURES)
        self._call()
        meter.synchronise(world.device)
        self.start = time.perf_counter() - began
        self._decode()
        torch.cuda.empty_cache()  # other processes measure on the same device

    def measure(self) -> Measured:
        """Measure call and decoder; nothing else may use the device meanwhile."""
        done = Measured(self.variant, start=self.start)
        done.call = _median(self._call, self._device)
        done.kernels = kernels(self._call, self._device)
        done.picture = _median(self._decode, self._device) / PICTURES
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            done.searched = _median(self._call, self._device)
        torch.cuda.empty_cache()
        return done


def whole_call(world: World, model, rows: int) -> Callable[[], object]:
    """Return a call of the whole denoiser for so many states, each with one text."""
    latents = torch.randn(rows, *model.latent_shape(world.side, world.side)).to(model.device, model.dtype)
    timestep = torch.tensor(500, device=model.device)
    texts = [
        tensor.expand(rows, *tensor.shape[1:]).contiguous() for tensor in model.encode([""], world.side, world.side)
    ]
    return lambda: model.predict(model.observe(latents, timestep), timestep, texts)


def _median(call: Callable[[], object], device: str) -> float:
    for _ in range(2):
        call()
    return statistics.median(meter.seconds(call, device) for _ in range(CALLS))


def kernels(call: Callable[[], object], device: str) -> Counter:
    """Return the seconds of one call by kernel, on a CPU by torch's operator."""
    cuda = device != "cpu"
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as seen:
        call()
        meter.synchronise(device)
    found = Counter()
    for event in seen.key_averages():
        found[event.key] += (event.self_device_time_total if cuda else event.self_cpu_time_total) / 1e6
    return +found
