"""Load a checkpoint from a hub id, a folder or a single file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sld.devices import checked_device
from sld.errors import InputError, first_line
from sld.models import files
from sld.models.stable_diffusion import StableDiffusion
from sld.schedulers import make_scheduler, read_scheduler

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
    )
}


def load_model(
    source: str | os.PathLike,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    scheduler: Any = None,
    unet: str | os.PathLike | None = None,
    allow_pickle: bool = False,
    config: str | os.PathLike | None = None,
    prediction_type: str | None = None,
) -> StableDiffusion:
    """Load Stable Diffusion 1.x or 2.x.

    `source` is a hub id `org/name[@revision]`, a folder in diffusers' layout, or a single file in the original layout.
    `scheduler` is None for the checkpoint's own, one of `sld.schedulers.NAMES`, or a diffusers scheduler (copied).
    `unet` is a folder or file with other weights for the UNet under diffusers' names, all of them or a part (as concept
    erasure methods publish). Pickles are refused, or with `allow_pickle` read weights-only. `config` and
    `prediction_type` are for single files only: a folder in diffusers' layout whose configuration fits the file, and
    "epsilon" or "v_prediction" for an SD 2.x file, which does not say.
    Raises `InputError` for anything missing, damaged or of another kind.
    """
    device, dtype = checked_device(device), _checked_dtype(dtype)
    found = files.locate(source, allow_pickle)
    if found.path.is_dir():
        files.check_alone(found.path, config, prediction_type)
        parts, weights = _load_folder(found.path, allow_pickle)
    else:
        from sld.models.single_file import load_single_file

        parts, weights = load_single_file(found.path, allow_pickle, config, prediction_type)
    replaced = () if unet is None else _replace_unet(parts["unet"], Path(unet), allow_pickle)
    named = files.weight_names(found.path, weights, replaced)
    parts["scheduler"] = make_scheduler(scheduler, parts["scheduler"])
    return StableDiffusion(**parts, device=device, dtype=dtype, source=found, weights=named)


def _load_folder(folder: Path, allow_pickle: bool) -> tuple[dict[str, Any], list[Path]]:
    """The components in a folder of diffusers' layout, by name, and the weight files they came from."""
    import diffusers
    import transformers

    parts, weights = {}, []
    for part, found in files.component_files(folder, allow_pickle).items():
        cls = getattr(transformers if part == "text_encoder" else diffusers, files.COMPONENTS[part])
        parts[part] = _pretrained(cls, folder / part, found[0].suffix == ".safetensors")
        weights += found
    parts["scheduler"] = read_scheduler(folder)
    parts["tokenizer"] = load_tokenizer(folder / "tokenizer")
    return parts, weights


@contextlib.contextmanager
def no_progress_bars() -> Iterator[None]:
    """Without transformers' bars, which run for milliseconds and would stand between a program's own lines."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _pretrained(cls: type, folder: Path, safetensors: bool) -> torch.nn.Module:
    files.read_json(folder / "config.json")
    try:
        with no_progress_bars():
            model, info = cls.from_pretrained(
                folder, use_safetensors=safetensors, local_files_only=True, output_loading_info=True
            )
    except Exception as error:  # a foreign config or weights make the libraries raise nearly anything
        raise InputError(
            f"A {cls.__name__} was expected, found a configuration or weights it cannot be made from "
            f"({type(error).__name__}: {first_line(error)}) in {folder}; download it again."
        ) from error
    # Missing weights would be filled with random numbers and a warning.
    wrong = sorted(info["missing_keys"]) or sorted(str(key) for key in info["mismatched_keys"])
    if wrong:
        raise InputError(
            f"All weights of a {cls.__name__} were expected, found {wrong[0]!r} (and {len(wrong) - 1} more) missing or "
            f"of another shape in {folder}; download it again."
        )
    return model


def load_tokenizer(folder: Path):
    """The CLIP tokenizer in a folder. Raises `InputError` if there is none."""
    from transformers import CLIPTokenizer

    if not folder.is_dir():
        raise InputError(
            f"A folder with CLIP's tokenizer was expected, found none at {folder}; complete the checkpoint."
        )
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # as above
        raise InputError(
            f"CLIP's tokenizer was expected, found files it cannot be made from ({first_line(error)}) in {folder}; "
            "download them again."
        ) from error


def _replace_unet(unet: torch.nn.Module, path: Path, allow_pickle: bool) -> list[Path]:
    """Put the weights at `path` into the UNet, in place; returns their files."""
    found = files.unet_files(path, allow_pickle)
    own = unet.state_dict()
    new = {key: value for file in found for key, value in files.read_tensors(file, allow_pickle).items()}
    for key, value in new.items():
        if key not in own or own[key].shape != value.shape:
            what = f"of shape {tuple(value.shape)}" if key in own else "that the UNet does not have"
            raise InputError(
                f"Weights under diffusers' names that fit the checkpoint's UNet were expected, found {key!r} {what} in "
                f"{path}; choose the matching base checkpoint, or convert the file."
            )
    unet.load_state_dict(new, strict=False)
    return found


def _checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"dtype must be one of {', '.join(_DTYPES)}, found {dtype!r}; correct it.")
    return _DTYPES[name]
