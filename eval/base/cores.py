"""The processor cores of this machine that a process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return how many cores this process may use; under SLURM or in a container, only some of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
