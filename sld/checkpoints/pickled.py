"""Pickles of weights, read without running their code, and what else trainers store in them."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sld.checkpoints.wrapped import named_tensors
from sld.errors import InputError, first_three

# Classes of these packages in a pickle keep the state of a training; they stand beside the weights.
_TRAINERS = ("pytorch_lightning.", "lightning.", "lightning_fabric.")


class _StandIn:
    """What a trainer's class becomes: an object that does nothing, whatever it is made from."""

    def __init__(self, *arguments, **options):
        pass

    def __setstate__(self, state):
        pass


def unpickle(path: Path) -> dict:
    """Return the tensors in a pickle by name, on the CPU, read weights-only.

    Nested dictionaries become dotted names. Classes of PyTorch Lightning, whose checkpoints hold them beside the
    weights (as the first public files of SD 1.x do), are not imported: inert ones stand in for them.

    Raises:
        InputError: it holds no tensors, or classes that are refused.
    """
    import torch

    try:
        with trainers_replaced(path):
            # The format since torch 1.6 can be memory-mapped, so that numbers are read only when they are used.
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zipped(path))
    except Exception as error:  # whatever a hostile or broken pickle makes the reader raise
        refused = [name for name in _foreign_classes(path) if not name.startswith(_TRAINERS)]
        obstacle = f"{first_three(refused)} in it" if refused else type(error).__name__
        raise InputError(
            f"{path} must hold weights, found a file from which torch reads no plain tensors ({obstacle}): save its "
            "state_dict() as safetensors, where it was written"
        ) from error
    tensors = dict(named_tensors(content.get("state_dict", content) if isinstance(content, dict) else content))
    if not tensors:
        raise InputError(
            f"{path} must hold named tensors, found a {type(content).__name__} without any: save the model's "
            "state_dict(), as safetensors"
        )
    if odd := [repr(name) for name, x in tensors.items() if not _is_dense(x)]:
        raise InputError(
            f"{path} must hold dense tensors with their numbers, found {len(odd)} sparse, nested or without numbers "
            f"({first_three(odd)}): save it again with dense tensors"
        )
    return tensors


@contextlib.contextmanager
def trainers_replaced(path: Path) -> Iterator[None]:
    """While this lasts, inert classes stand in for a trainer's wherever torch reads this file weights-only."""
    import torch

    names = [name for name in _foreign_classes(path) if name.startswith(_TRAINERS)]
    with torch.serialization.safe_globals([(type(name, (_StandIn,), {}), name) for name in names]):
        yield


def _foreign_classes(path: Path) -> list[str]:
    """Return the classes and functions that a pickle names and that weights-only reading refuses."""
    import torch

    with contextlib.suppress(Exception):  # a broken file is reported where it is read
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path)) if _is_zipped(path) else []
    return []


def _is_zipped(path: Path) -> bool:
    return path.is_file() and zipfile.is_zipfile(path)


def _is_dense(x) -> bool:
    import torch

    return x.layout == torch.strided and not x.is_nested and not x.is_meta
