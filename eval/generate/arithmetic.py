"""How networks that look at stored pictures compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from sld.devices import device_of
from sld.threads import even_threads


@contextlib.contextmanager
def same_arithmetic(device: str) -> Iterator[None]:
    """Make networks compute as in a run that draws: on a CPU, equal pixels then get numbers equal to the bit.

    Args:
        device: on which they are, or auto.
    """
    with even_threads(device_of(device)), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
