"""Where a checkpoint is, and whether its weight files may and can be read."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sld.errors import InputError, first_line

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
_PICKLED = ["unet/diffusion_pytorch_model*.bin", "vae/diffusion_pytorch_model*.bin", "text_encoder/pytorch_model*.bin"]
COMPONENTS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}


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
            f"{name!r}; correct the path."
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

    patterns = _WANTED + _WEIGHTS + (_PICKLED if allow_pickle else [])
    try:
        path = Path(snapshot_download(repository, revision=revision, allow_patterns=patterns, local_files_only=local))
    except Exception as error:  # the hub, its proxies and its cache fail in many ways, and none is our bug
        raise InputError(
            f"The checkpoint {repository!r} at revision {revision or 'main'!r} was expected on the hub or in its local "
            f"cache, found neither ({type(error).__name__}: {first_line(error)}); check the id and the network, log in "
            "if it is gated, or give a local folder."
        ) from error
    return path, path.name


def weight_files(folder: Path, stem: str, pickled_stem: str, allow_pickle: bool) -> list[Path]:
    """The weight files of one component, checked. Raises `InputError` if they are missing, damaged or only pickles."""
    if not folder.is_dir():
        raise InputError(f"A folder with weights was expected, found none at {folder}; complete the checkpoint.")
    files = [folder / f"{stem}.safetensors"]
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        files = [folder / name for name in _listed(index)]
    if not files[0].exists():
        pickles = sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
        if pickles and allow_pickle:
            return [path for path in pickles if path.name.startswith(pickled_stem)] or pickles
        if pickles:
            raise pickle_refused(pickles[0])
        raise InputError(
            f"The weights {files[0].name} were expected, found no such file in {folder}; complete the checkpoint."
        )
    for path in files:
        check_safetensors(path)
    return files


def component_files(folder: Path, allow_pickle: bool) -> dict[str, list[Path]]:
    """The weight files of each component of a checkpoint in diffusers' layout, checked without reading their weights.

    Raises `InputError` for another kind of checkpoint, and for weights that are missing, damaged or only pickles.
    """
    index = read_json(folder / "model_index.json")
    for part, expected in COMPONENTS.items():
        entry = index.get(part)
        name = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
        if name != expected or "text_encoder_2" in index:
            raise InputError(
                f"A Stable Diffusion 1.x or 2.x checkpoint with {part} of class {expected} was expected, found "
                f"{index.get('_class_name', 'no pipeline class')} with {name or 'none'} in {folder}; choose another "
                "checkpoint."
            )
    stems = dict.fromkeys(COMPONENTS, ("diffusion_pytorch_model",) * 2) | {"text_encoder": ("model", "pytorch_model")}
    return {part: weight_files(folder / part, *stems[part], allow_pickle) for part in COMPONENTS}


def check_alone(folder: Path, config: str | os.PathLike | None, prediction_type: str | None) -> None:
    """Raise `InputError` if a folder in diffusers' layout is to be read with another configuration than its own."""
    if config is not None or prediction_type is not None:
        raise InputError(
            f"config and prediction_type go with a single file, found a folder at {folder}; leave them out."
        )


def unet_files(path: Path, allow_pickle: bool) -> list[Path]:
    """The weight files of a UNet that stands alone, a file or a folder. Raises `InputError` if there are none."""
    if not path.exists():
        raise InputError(f"A folder or file with UNet weights was expected, found nothing at {path}; correct the path.")
    folder = path / "unet" if (path / "unet").is_dir() else path
    return weight_files(folder, *("diffusion_pytorch_model",) * 2, allow_pickle) if path.is_dir() else [path]


def weight_names(place: Path, weights: Sequence[Path], unet: Sequence[Path] = ()) -> dict[str, Path]:
    """The weight files of a checkpoint, and of another UNet, by what they are: a copy elsewhere has the same names."""
    root = place if place.is_dir() else place.parent
    return {path.relative_to(root).as_posix(): path for path in weights} | {f"unet={path.name}": path for path in unet}


def _listed(index: Path) -> list[str]:
    """The files that an index names, each a plain name in its own folder."""
    weight_map = read_json(index).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or not all(isinstance(name, str) and name and Path(name).name == name for name in names):
        raise InputError(
            f"A weight_map from each weight to its file was expected, found none or another in {index}; download it "
            "again."
        )
    return sorted(set(names))


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
        f"Weights as safetensors were expected, found a pickle, {path.name}, in {path.parent}; convert it, or say "
        "allow_pickle=True if you trust its origin."
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
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile or broken pickle makes the reader raise
        raise InputError(
            f"Weights were expected, found a file that torch reads no plain tensors from ({type(error).__name__}) at "
            f"{path}; convert it to safetensors."
        ) from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    if not content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(f"Named tensors were expected, found something else in {path}; convert it to safetensors.")
    return content


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
