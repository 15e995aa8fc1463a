"""The device of the tests that need a GPU.

They run with `I2P_BENCH_GPU_TESTS=cuda`, as `scripts/gpu_check.sh` does; other tests see no GPU (tests/conftest.py).
`I2P_BENCH_GPU_TESTS=cpu` tries them on a CPU, as far as it can.
"""

import contextlib
import gc
import os

import pytest
import torch

import sld
from eval.generate import draw
from i2p.demo import trained

ASKED = os.environ.get("I2P_BENCH_GPU_TESTS")


@pytest.fixture(scope="session")
def device() -> str:
    """The device to try."""
    if ASKED is None:
        pytest.skip("needs a GPU and I2P_BENCH_GPU_TESTS=cuda (cpu tries this on the CPU)")
    return ASKED


@pytest.fixture(scope="session")
def half(device) -> str:
    """Half precision on a GPU; on a CPU, whose float16 is slow and in which every half precision decodes, float32."""
    return "float32" if device == "cpu" else "float16"


@pytest.fixture(scope="session")
def load(device):
    """Load the demo model in a precision."""
    return lambda dtype: sld.load_model(trained.model_folder(), device=device, dtype=dtype, scheduler="ddim")


@pytest.fixture
def memory_cap(device, monkeypatch):
    """A context in which the device has room for calls of 4 rows but not of 32: `memory_cap(run)`, `run(rows)` a run.

    On a GPU the allocator is limited to a quarter of the way between what the two need, as measured, until rows have
    been halved once: with hardly any memory left, cuDNN would take algorithms that round otherwise. On a CPU calls of
    more than 8 rows fail.
    """

    def on_cpu(run):
        sample = sld.sample

        def limited(*arguments, batch_size, **options):
            if batch_size > 8:
                raise torch.OutOfMemoryError("out of memory")
            return sample(*arguments, batch_size=batch_size, **options)

        monkeypatch.setattr(sld, "sample", limited)

    def on_gpu(run):
        torch.cuda.init()
        peaks = []
        for rows in (4, 32):
            release()
            torch.cuda.reset_peak_memory_stats()
            run(rows)
            peaks.append(torch.cuda.max_memory_allocated())
        release()
        total = torch.cuda.get_device_properties(device).total_memory
        assert peaks[1] - peaks[0] > 64 << 20, f"both take nearly the same: {peaks}"
        torch.cuda.set_per_process_memory_fraction((3 * peaks[0] + peaks[1]) / 4 / total)
        halve = draw._halve

        def halve_and_lift(*arguments):
            halve(*arguments)
            torch.cuda.set_per_process_memory_fraction(1.0)

        monkeypatch.setattr(draw, "_halve", halve_and_lift)

    def release():
        gc.collect()
        torch._C._cuda_clearCublasWorkspaces()  # one per stream that was ever used, and every run has one of its own
        torch.cuda.empty_cache()

    @contextlib.contextmanager
    def capped(run):
        (on_cpu if device == "cpu" else on_gpu)(run)
        try:
            yield
        finally:
            monkeypatch.undo()
            if device != "cpu":
                torch.cuda.set_per_process_memory_fraction(1.0)

    return capped
