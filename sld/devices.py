"""Which devices there are to draw and judge on; a module of its own, for it is asked before any model is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sld.errors import InputError, first_line

if TYPE_CHECKING:
    import torch


def device_type(name: str) -> str:
    """The type of a device, `auto` being the best there is. Nothing is kept on it.

    So a parent of many workers, which has no business on their GPUs, can ask too.
    """
    if name != "auto":
        return name.partition(":")[0]
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(name: str) -> torch.device:
    """The device of a name, `auto` being the best there is. Raises `InputError` as `checked_device` does."""
    return checked_device(device_type(name) if name == "auto" else name)


def checked_device(device: str | torch.device) -> torch.device:
    """The device, tried out. Raises `InputError` unless tensors can be kept and computed on it here."""
    import torch

    try:
        checked = torch.device(device)
        torch.empty(1, device=checked).add(1).item()  # which "meta" can't
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"A device that torch can use here was expected, found {device!r} ({first_line(error)}); give "
            "device=cpu or "
            "another device of this machine.",
            "device=cpu",
        ) from error
    return checked
