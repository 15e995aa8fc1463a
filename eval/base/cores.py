"""The processor cores of this machine that a process may use, and how its threads wait for each other on them."""

from __future__ import annotations

import os

# Turns of a loop. GCC's OpenMP, with which torch comes on Linux, takes 300,000, which last longer than a time slice:
# where other programs are at work, a thread that waits for another one holds the core which that one needs.
SPINS = "3000"


def usable_cores() -> int:
    """Return how many cores this process may use; under SLURM or in a container, only some of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wait_briefly() -> None:
    """Have OpenMP's threads sleep soon while they wait for each other; called before torch is imported.

    Where other programs use the cores too, a call of a small network takes a tenth of the time or less. On idle cores
    it takes as long as before. The user's own choice is left as it is.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
