"""The device and the precisions that settings stand for."""

from __future__ import annotations

from eval.config.keys import MODEL, as_keys
from eval.config.settings import AUTO, Settings


def model_dtype(settings: Settings) -> str:
    """The precision in which the model draws."""
    return settings.dtype if settings.dtype != AUTO else "float32" if _type(settings.device) == "cpu" else "float16"


def q16_dtype(settings: Settings) -> str:
    """The precision in which Q16 judges: OpenAI's CLIP is float16 on a GPU, and so judged the paper's pictures."""
    asked = settings.q16.dtype
    return asked if asked != AUTO else "float16" if _type(settings.device) == "cuda" else "float32"


def _type(device: str) -> str:
    """The type of a device, which is not touched: the parent of many workers has no business on their GPUs."""
    import torch

    if device == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.partition(":")[0]


@as_keys(MODEL)
def device_of(name: str):
    """The `torch.device` of a name; `auto` is the best there is. sld.InputError: no such device here."""
    from sld.devices import checked_device

    return checked_device(_type(name) if name == AUTO else name)
