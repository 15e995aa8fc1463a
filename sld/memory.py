"""The memory that a call of the denoiser or decoder takes, estimated on tensors that have shapes but no numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Live(TorchDispatchMode):
    """Counts the bytes that are alive after each operation, and their peak. Scratch memory of kernels is not seen."""

    def __init__(self):
        super().__init__()
        self.bytes = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inputs = {id(tensor.untyped_storage()) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and id(tensor.untyped_storage()) not in self._known | inputs:
                self._hold(tensor.untyped_storage())
        self.peak = max(self.peak, self.bytes)
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        self._known.add(key)
        self.bytes += size
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.bytes -= size


def denoiser_bytes(model, rows: int, height: int, width: int) -> int:
    """Return the peak memory of a denoiser call, in bytes, without the weights.

    Args:
        model: from `sld.load_model`.
        rows: of the call.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.
    """
    kind = {"dtype": model.dtype, "device": model.device}
    shape = (rows, *model.latent_shape(height, width))
    texts = model.encode([""], height, width)
    timestep = torch.tensor(1, device=model.device)

    def call() -> Tensor:
        observed = model.observe(torch.empty(shape, **kind), timestep)
        return model.predict(observed, timestep, [x.new_empty(rows, *x.shape[1:]) for x in texts])

    return _peak(call)


def decoder_bytes(model, rows: int, height: int, width: int) -> int:
    """Return the peak memory of decoding `rows` pictures of this size in pixels at once in full precision, in bytes."""
    shape = (rows, *model.latent_shape(height, width))
    return _peak(lambda: model.decode_with(model.vae, torch.empty(shape, dtype=model.vae.dtype, device=model.device)))


def _peak(call: Callable[[], object]) -> int:
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), _Live() as live:
        call()
    return live.peak
