"""The device and the precisions that settings stand for."""

from __future__ import annotations

from eval.config.keys import MODEL, as_keys
from eval.config.settings import AUTO, Settings


def model_dtype(settings: Settings) -> str:
    """The precision in which the model draws."""
    return (
        settings.dtype if settings.dtype != AUTO else "float32" if device_type(settings.device) == "cpu" else "float16"
    )


def device_type(device: str) -> str:
    """The type of a device, which is not touched: the parent of many workers has no business on their GPUs."""
    import torch

    if device == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.partition(":")[0]


@as_keys(MODEL)
def device_of(name: str):
    """The `torch.device` of a name; `auto` is the best there is. sld.InputError: no such device here."""
    from sld.devices import checked_device

    return checked_device(device_type(name) if name == AUTO else name)
