"""Where networks compute, and how those that look at stored pictures do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from sld.devices import device_of, device_type
from sld.threads import even_threads


def current_device(name: str) -> torch.device:
    """Return the device with a name, or the best one for auto; it is torch's current one before anything is done on it.

    Otherwise what names no device would open a context on GPU 0 beside it, which takes hundreds of megabytes.
    """
    number = name.partition(":")[2] if device_type(name) == "cuda" else ""
    if number.isdecimal() and int(number) < torch.cuda.device_count():
        # Of a GPU that fails, as of one that is not there, `device_of` says what is wrong.
        with contextlib.suppress(RuntimeError):
            torch.cuda.set_device(int(number))
    return device_of(name)


@contextlib.contextmanager
def same_arithmetic(device: str) -> Iterator[None]:
    """Make networks compute as in a run that draws: on a CPU, equal pixels then get numbers equal to the bit.

    Args:
        device: on which they are, or auto.
    """
    with even_threads(current_device(device)), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
