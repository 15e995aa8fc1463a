"""The devices to draw and judge on: a module of its own, because they are checked before any model is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sld.errors import InputError, first_line

if TYPE_CHECKING:
    import torch


def device_type(name: str) -> str:
    """Return the type of a device, the best available one for "auto".

    Allocates nothing on it, so the parent of many workers can ask without using their GPUs.
    """
    if name != "auto":
        return name.partition(":")[0]
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(name: str) -> torch.device:
    """Return the device with a name, the best available one for "auto"; raises `InputError` like `checked_device`."""
    return checked_device(device_type(name) if name == "auto" else name)


def checked_device(device: str | torch.device) -> torch.device:
    """Return the device after a small computation on it.

    Raises:
        InputError: torch cannot store tensors on it here, or cannot compute with them.
    """
    import torch

    try:
        checked = torch.device(device)
        torch.empty(1, device=checked).add(1).item()  # fails on "meta"
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"device must be one that torch can use here, found {device!r} ({first_line(error)}): give device=cpu or "
            "another device of this machine",
            "device=cpu",
        ) from error
    return checked
