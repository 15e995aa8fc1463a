"""The number of CPU threads, which determines how tensors are split and thereby the last bits."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def even_threads(device: torch.device) -> Iterator[None]:
    """Use, on a CPU, the largest power of two of torch's threads, and restore their number afterwards.

    torch splits elementwise work into one piece per thread, and computes what exceeds whole vectors in a piece by other
    code, which rounds exponentials differently. Three threads split inside a row, so that its bits depend on its place
    in the batch. The sizes in this family's models are multiples of high powers of two, which powers of two split well.
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
    """Return the largest power of two that is at most `threads`."""
    return 1 << (threads.bit_length() - 1)
