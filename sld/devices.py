"""Which devices there are to draw and judge on; a module of its own, for it is asked before any model is."""

import torch

from sld.errors import InputError, first_line


def checked_device(device: str | torch.device) -> torch.device:
    """The device, tried out. Raises `InputError` unless tensors can be kept and computed on it here."""
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
