"""Whether a file in the original layout holds what a model needs and nothing else, told from its header."""

from collections.abc import Mapping
from pathlib import Path

import torch

from sld.checkpoints.components import COMPONENTS
from sld.checkpoints.files import Header
from sld.checkpoints.marks import NAMES
from sld.checkpoints.weights_check import canonical, configured, is_harmless, refuse
from sld.errors import InputError
from sld.models.unet import check_text_to_image

# A key only found in the layout in question (names: CompVis/stable-diffusion, Stability-AI/stablediffusion).
UNET = "model.diffusion_model.input_blocks.0.0.weight"
AVERAGE = "model_ema."  # the moving average that training kept of `model.`


def check_original(headers: Mapping[str, Header], folder: Path, path: Path, config: Path | None) -> None:
    """Raise `InputError` unless a file holds the weights that the configuration in `folder` asks for, and no others.

    Which weight goes where is diffusers' own conversion, tried on tensors that hold a number for each weight. `config`
    is the user's folder, None where the configuration is that of SD 1.x or 2.x.
    """
    names = [name for name in headers if not name.startswith(AVERAGE)]
    wanted: dict[str, tuple[int, ...]] = {}
    found: dict[str, Header] = {}
    used: set[str] = set()
    models = {part: configured(part, folder / part) for part in COMPONENTS}
    check_text_to_image(models["unet"].config, models["vae"].config, str(path))
    # A model of another kind (inpainting, depth, upscaling), whatever the configuration says.
    channels = {"in_channels": headers[UNET].shape[1]} if len(headers[UNET].shape) > 1 else {}
    check_text_to_image(dict(models["unet"].config) | channels, models["vae"].config, str(path))
    for part, model in models.items():
        numbers = {
            name: torch.tensor(number, dtype=torch.int32).expand(headers[name].shape)
            for number, name in enumerate(names)
        }
        converted = _converted(part, model, numbers, path)
        for name, value in model.state_dict().items():
            wanted[f"{part}.{name}"] = tuple(value.shape)
            number = converted.get(canonical(part, name))
            if number is not None and number.numel():
                source = names[int(number[(0,) * number.ndim])]
                found[f"{part}.{name}"] = Header(tuple(number.shape), headers[source].floating)
                used.add(source)
    text = models["text_encoder"].config
    surplus = [name for name in names if name not in used | NAMES and not is_harmless("single file", name, text)]
    mend = "give config=FOLDER, a folder in diffusers' layout for this architecture"
    mend += f", in place of {config}" if config else ""
    refuse("The weights of the configured model and no others", wanted, found, surplus, path, mend, "config=FOLDER")


def _converted(part: str, model, numbers: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """The numbers by diffusers' names of the weights that they stand for."""
    from diffusers.loaders import single_file_utils as diffusers

    try:
        if part == "text_encoder":
            if diffusers.is_clip_model(numbers):
                found = diffusers.convert_ldm_clip_checkpoint(numbers)
            else:
                found = diffusers.convert_open_clip_checkpoint(model, numbers)
        elif part == "unet":
            found = diffusers.convert_ldm_unet_checkpoint(numbers, dict(model.config))
        else:
            found = diffusers.convert_ldm_vae_checkpoint(numbers, dict(model.config))
    except Exception as error:  # names in an order that the library does not expect make it raise anything
        raise InputError(
            f"A {part} in the original layout was expected, found one that diffusers does not convert "
            f"({type(error).__name__}) in {path}; download it again."
        ) from error
    return {canonical(part, name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
