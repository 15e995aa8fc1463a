"""Where a checkpoint is, and whether its weight files may and can be read."""

import hashlib
import json
import os
import re
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sld.errors import InputError, first_line, first_three

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".p")
# What a checkpoint of this family consists of; hub repositories hold the same weights in several more formats.
_WANTED = ["model_index.json", "*/*.json", "tokenizer/*"]
_WEIGHTS = [
    f"{part}/{stem}{tail}"
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    )
    for tail in (".safetensors", "-*-of-*.safetensors")
]
_PICKLED = [
    f"{stem}{tail}"
    for stem in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/pytorch_model")
    for tail in (".bin", "-*-of-*.bin")
]


@dataclass(frozen=True)
class Source:
    """A checkpoint on this machine: what the user called it, the folder or file, and the hub's commit if it has one."""

    name: str
    path: Path
    revision: str | None = None


def locate(source: str | Path, allow_pickle: bool = False, local: bool = False) -> Source:
    """Find a checkpoint: an existing folder or file, else a hub id `org/name[@revision]`, downloaded if need be.

    With `local` nothing is downloaded: what the hub's cache has of it, which may be a part. Raises `InputError` where
    there is nothing to be found or fetched.
    """
    name = str(source)
    path = Path(name).expanduser()
    if path.exists():
        return Source(name, path)
    repository = hub_id(name)
    if repository is None:
        raise InputError(
            f"A checkpoint folder, a .safetensors file or a hub id org/name[@revision] was expected, found nothing at "
            f"{name!r}; correct source=PATH.",
            "source=PATH",
        )
    return Source(name, *_fetch(*repository, allow_pickle, local))


def hub_id(source: str | Path) -> tuple[str, str | None] | None:
    """Repository and revision, None for the newest, where a source that is no folder or file here can be a hub id."""
    match = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:@([\w./-]+))?", str(source))
    if match is None or Path(source).suffix in (".safetensors", *PICKLES) or Path(source).expanduser().exists():
        return None
    return match[1], match[2]


def _fetch(repository: str, revision: str | None, allow_pickle: bool, local: bool) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    patterns = _WANTED + _WEIGHTS + (_PICKLED if allow_pickle else [])
    fetch = partial(snapshot_download, repository, revision=revision, allow_patterns=patterns)
    try:
        try:
            path = Path(fetch(local_files_only=local))
        except OfflineModeIsEnabled:  # of some versions, which ask the hub for a commit that is in the cache
            path = Path(fetch(local_files_only=True))
    except Exception as error:  # the hub, its proxies and its cache fail in many ways, and none is our bug
        raise InputError(
            f"The checkpoint {repository!r} at revision {revision or 'main'!r} was expected on the hub or in its local "
            f"cache, found neither ({type(error).__name__}: {first_line(error)}); check the id and the network, log in "
            "if it is gated, or give a local folder, source=FOLDER.",
            "source=FOLDER",
        ) from error
    return path, path.name


def check_alone(folder: Path, config: str | os.PathLike | None, prediction_type: str | None) -> None:
    """Raise `InputError` if a folder in diffusers' layout is to be read with another configuration than its own."""
    if config is not None or prediction_type is not None:
        raise InputError(
            f"config and prediction_type go with a single file, found a folder at {folder}; leave config= and "
            "prediction_type= out.",
            "config=",
            "prediction_type=",
        )


def check_safetensors(path: Path) -> None:
    """Read the file's header only. Raises `InputError` unless it is a complete safetensors file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"A safetensors file was expected, found none at {path}; complete the checkpoint.")
    try:
        with safe_open(path, framework="pt") as file:
            count = len(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"A complete safetensors file was expected, found {_kind(path)} ({error}) in {path}; download or write it "
            "again."
        ) from error
    if not count:
        raise InputError(f"A safetensors file with weights was expected, found no tensor in {path}; write it again.")


def pickle_refused(path: Path) -> InputError:
    """The error for weights that only a pickle reader could read."""
    return InputError(
        f"Weights as safetensors were expected, found a pickle, {path.name}, in {path.parent}; convert it, or set "
        "allow_pickle=True if you trust its origin.",
        "allow_pickle=True",
    )


def check_config(folder: Path) -> None:
    """Raise `InputError` unless a folder can be the configuration of a single file."""
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"A folder in diffusers' layout was expected as config, found no model_index.json in {folder}; give "
            "config=FOLDER, the folder of a checkpoint of the same architecture.",
            "config=FOLDER",
        )


def check_weights(path: Path, allow_pickle: bool) -> None:
    """Raise `InputError` unless a file is complete safetensors, or a pickle and `allow_pickle`."""
    if path.suffix == ".safetensors":
        check_safetensors(path)
    elif path.suffix not in PICKLES:
        raise InputError(f"A .safetensors file was expected, found {path.name} in {path.parent}; give another file.")
    elif not allow_pickle:
        raise pickle_refused(path)


def read_tensors(path: Path, allow_pickle: bool) -> dict:
    """All tensors of a weight file by name, on the CPU. A pickle is read weights-only, and only with `allow_pickle`."""
    check_weights(path, allow_pickle)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return _unpickled(path)


@dataclass(frozen=True)
class Header:
    """What a weight file says of one of its tensors before any number of it is read."""

    shape: tuple[int, ...]
    floating: bool


def read_headers(path: Path, allow_pickle: bool) -> dict[str, Header]:
    """Shape and kind of all tensors of a weight file by name, read in no time. Errors are those of `read_tensors`."""
    check_weights(path, allow_pickle)
    if path.suffix != ".safetensors":
        return {name: Header(tuple(x.shape), x.is_floating_point()) for name, x in _unpickled(path).items()}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
    return {name: Header(tuple(x.get_shape()), bool(re.match(r"B?F\d", x.get_dtype()))) for name, x in slices.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """The texts in a safetensors file's header; none of a pickle."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def _unpickled(path: Path) -> dict:
    import torch

    # A file of the format since torch 1.6 is mapped, so that its numbers are read where they are used.
    mapped = path.is_file() and zipfile.is_zipfile(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # whatever a hostile or broken pickle makes the reader raise
        raise InputError(
            f"Weights were expected, found a file that torch reads no plain tensors from ({type(error).__name__}) at "
            f"{path}; convert it to safetensors."
        ) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    if not content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(f"Named tensors were expected, found something else in {path}; convert it to safetensors.")
    if odd := [repr(name) for name, x in content.items() if not _is_dense(x)]:
        raise InputError(
            f"Dense tensors with their numbers were expected, found {len(odd)} sparse, nested or without numbers "
            f"({first_three(odd)}) in {path}; save it again as dense ones."
        )
    return content


def _is_dense(x) -> bool:
    import torch

    return x.layout == torch.strided and not x.is_nested and not x.is_meta


def read_json(path: Path) -> dict:
    """The object in a JSON file. Raises `InputError` if it is missing or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"A checkpoint with {path.name} was expected, found no such file in {path.parent}; give a checkpoint "
            "folder in diffusers' layout, or complete this one."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"A JSON file was expected, found something else in {path} ({error}); write it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"A JSON object was expected, found a {type(content).__name__} in {path}; write it again.")
    return content


def sha256(path: Path) -> str:
    """The file's SHA-256 digest in hexadecimal."""
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
