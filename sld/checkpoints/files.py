"""The files of a checkpoint: whether they may and can be read, and what they hold."""

import hashlib
import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from sld.checkpoints.paths import expanded
from sld.checkpoints.pickled import unpickle
from sld.errors import InputError

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".p")


def check_alone(folder: Path, config: str | os.PathLike | None, prediction_type: str | None) -> None:
    """Raise `InputError` if the user gave a folder in diffusers' layout together with another configuration."""
    if config is not None or prediction_type is not None:
        raise InputError(
            f"config and prediction_type must go with a single file, found a folder at {folder}: leave config= and "
            "prediction_type= out",
            "config=",
            "prediction_type=",
        )


def check_t5(path: Path, t5: bool) -> None:
    """Raise `InputError` if the user leaves T5 out of a single file, which has none."""
    if not t5:
        raise InputError(
            "a model without its T5 must be a folder of Stable Diffusion 3 in diffusers' layout, found a file at "
            f"{path}: leave t5= out",
            "t5=",
        )


def check_safetensors(path: Path) -> None:
    """Raise `InputError` unless a file is a complete safetensors file; reads only its header."""
    from safetensors import SafetensorError, safe_open

    _check_readable(path, "a safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            count = len(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} must be a complete safetensors file, found {_kind(path)} ({error}): download or write it again"
        ) from error
    if not count:
        raise InputError(f"{path} must be a safetensors file with weights, found no tensor: write it again")


def pickle_refused(path: Path) -> InputError:
    """Return the error for weights that only a pickle reader could read."""
    return InputError(
        f"{path.parent} must hold weights as safetensors, found a pickle, {path.name}: convert it, or set "
        "allow_pickle=True if you trust its origin",
        "allow_pickle=True",
    )


def check_config(given: str | os.PathLike) -> Path:
    """Return the folder of a single file's configuration; raise `InputError` unless it can be one."""
    folder = expanded(given)
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"config must be a folder in diffusers' layout, found no model_index.json in {folder}: give config=FOLDER, "
            "the folder of a checkpoint of the same architecture",
            "config=FOLDER",
        )
    return folder


def check_weights(path: Path, allow_pickle: bool) -> None:
    """Raise `InputError` unless a file can be read and is complete safetensors, or a pickle and `allow_pickle`."""
    if path.suffix == ".safetensors":
        check_safetensors(path)
    elif path.suffix not in PICKLES:
        raise InputError(f"weights must be a .safetensors file, found {path.name} in {path.parent}: give another file")
    elif not allow_pickle:
        raise pickle_refused(path)
    else:
        _check_readable(path, "a file of weights")


def _check_readable(path: Path, what: str) -> None:
    if not path.is_file():
        raise InputError(f"{path} must be {what}, found none: complete the checkpoint")
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise _not_permitted(path, error) from error


def _not_permitted(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} must be a file that this user can read, found that it can't be ({error.strerror}): give the user "
        "permission"
    )


def read_tensors(path: Path, allow_pickle: bool, names: Collection[str] | None = None) -> dict:
    """Return tensors of a weight file by name, on the CPU.

    Args:
        path: a safetensors file or a pickle.
        allow_pickle: read a pickle, weights-only.
        names: of the tensors to read; None for all.

    Raises:
        InputError: the file is incomplete, refused, or holds something else.
    """
    check_weights(path, allow_pickle)
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in list(file.keys()) if names is None or name in names}
    return {name: x for name, x in unpickle(path).items() if names is None or name in names}


@dataclass(frozen=True)
class Header:
    """The description of a tensor in a weight file, read without its numbers.

    Attributes:
        shape: of the tensor.
        floating: whether its numbers are floating point.
        storage: in a pickle, the same number for tensors that share their numbers; otherwise None.
    """

    shape: tuple[int, ...]
    floating: bool
    storage: int | None = field(default=None, compare=False)


def read_headers(path: Path, allow_pickle: bool) -> dict[str, Header]:
    """Return the headers of all tensors of a weight file by name; raises `InputError` like `read_tensors`."""
    check_weights(path, allow_pickle)
    if path.suffix != ".safetensors":
        tensors = unpickle(path).items()
        return {name: Header(tuple(x.shape), x.is_floating_point(), x.data_ptr() or None) for name, x in tensors}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
    return {name: Header(tuple(x.get_shape()), bool(re.match(r"B?F\d", x.get_dtype()))) for name, x in slices.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts in a safetensors file's header; a pickle has none."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def read_json(path: Path) -> dict:
    """Return the object in a JSON file.

    Raises:
        InputError: it is missing or broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path.parent} must be a checkpoint with {path.name}, found no such file: give a checkpoint folder in "
            "diffusers' layout, or complete this one"
        ) from None
    except PermissionError as error:
        raise _not_permitted(path, error) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a JSON file, found something else ({error}): write it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object, found a {type(content).__name__}: write it again")
    return content


def sha256(path: Path) -> str:
    """Return a file's SHA-256 digest in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "an empty file"
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return "a pickle"
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer"
    return "a truncated or foreign file"
