"""Variables of the environment that processes inherit which start meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

# Which GPUs a process sees: of CUDA's; of ROCm's; and of these, those that HIP counts.
CUDA_GPUS, ROCR_GPUS, HIP_GPUS = "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"


@contextlib.contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of this process's environment, and restore it afterwards."""
    previous = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if previous is not None:
            os.environ[name] = previous
