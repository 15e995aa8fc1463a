"""Small, randomly initialised checkpoints of the real architectures, for tests and for trying things out."""

import contextlib
import importlib
import os
import shutil
import tempfile
from pathlib import Path

import torch

from sld.checkpoints.quiet import quiet
from sld.errors import InputError

# The modules here that write the checkpoint of each family.
_MODULES = {
    "stable-diffusion": "stable_diffusion",
    "stable-diffusion-xl": "stable_diffusion_xl",
    "stable-diffusion-3": "stable_diffusion_3",
    "pixart-sigma": "pixart",
}
FAMILIES = tuple(_MODULES)
_PREDICTIONS = ("epsilon", "v_prediction")


def write_tiny_checkpoint(
    folder: str | os.PathLike,
    *,
    family: str = "stable-diffusion",
    prediction_type: str | None = None,
    seed: int = 0,
    sample_size: int = 8,
    width: int = 32,
    text_width: int = 32,
) -> Path:
    """Write a checkpoint with random weights in diffusers' layout and return its folder.

    The weights are a function of the arguments. The folder appears complete or not at all. Its text encoders are in
    half precision, as in many published checkpoints: diffusers' `from_pretrained` needs a `torch_dtype`.

    Args:
        folder: new, empty, or a checkpoint, which is replaced.
        family: one of `FAMILIES`.
        prediction_type: None for what the family's first model predicts, "epsilon", or "v_prediction", which for Stable
            Diffusion gives a checkpoint like SD 2.x, whose tokenizer pads with `!`.
        seed: of the weights.
        sample_size: the side of the latents.
        width: of the denoiser's first level, a multiple of 8.
        text_width: of the text encoders, a multiple of 2.

    Raises:
        InputError: the family or prediction type is unknown, or something that is no checkpoint would be replaced.
    """
    folder = Path(folder)
    if family not in _MODULES:
        raise InputError(f"family must be one of {', '.join(FAMILIES)}, found {family!r}: correct it")
    if prediction_type not in (None, *_PREDICTIONS):
        raise InputError(f"prediction_type must be epsilon or v_prediction, found {prediction_type!r}: correct it")
    if folder.exists() and not (folder / "model_index.json").exists() and (folder.is_file() or any(folder.iterdir())):
        raise InputError(f"folder must be new, empty or a checkpoint's, found other files at {folder}: choose another")
    writer = importlib.import_module(f"{__name__}.{_MODULES[family]}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            torch.manual_seed(seed)
            writer.write(work, prediction_type, sample_size, width, text_width)
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(work, folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(work)
    return folder
