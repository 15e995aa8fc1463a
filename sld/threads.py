"""The number of CPU threads decides where a tensor is cut, and with it the last bits."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def even_threads(device: torch.device) -> Iterator[None]:
    """On a CPU, work with the largest power of two of torch's threads, and restore their number afterwards.

    torch cuts elementwise work into one piece a thread and computes what a piece holds beyond whole vectors by other
    code, which rounds exponentials otherwise. Three threads cut inside a row, so that its bits depend on its place in
    the batch; the sizes in this family's models are multiples of high powers of two, and powers of two cut them well.
    """
    threads = torch.get_num_threads()
    even = even_number(threads)
    if device.type != "cpu" or even == threads:
        yield
        return
    torch.set_num_threads(even)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def even_number(threads: int) -> int:
    """The largest power of two of so many threads."""
    return 1 << (threads.bit_length() - 1)
