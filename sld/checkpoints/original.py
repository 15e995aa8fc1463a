"""A check, from the header of a file in the original layout, that it holds what a model needs and nothing else."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch

from sld.checkpoints.components import Checkpoint
from sld.checkpoints.configured import check_configuration, configured
from sld.checkpoints.family import Component
from sld.checkpoints.files import Header
from sld.checkpoints.marks import NAMES
from sld.checkpoints.names import canonical, is_harmless
from sld.checkpoints.weights_check import refuse
from sld.errors import InputError

# Keys found only in this layout (names: CompVis/stable-diffusion, Stability-AI/stablediffusion).
UNET = "model.diffusion_model.input_blocks.0.0.weight"
AVERAGE = "model_ema."  # the moving average of `model.` during training


def check_original(
    headers: Mapping[str, Header],
    checkpoint: Checkpoint,
    path: Path,
    config: Path | None,
    lacking: Collection[str] = (),
) -> None:
    """Raise `InputError` unless a file holds the weights that a configuration asks for, and no others.

    Weights are mapped by diffusers' own conversion, applied to tensors that hold a number for each weight.

    Args:
        headers: of the file's tensors, by name.
        checkpoint: its configuration, in diffusers' layout.
        path: the file.
        config: the user's configuration folder; None if the configuration is that of SD 1.x or 2.x.
        lacking: the names of components that the file does not hold.
    """
    names = [name for name in headers if not name.startswith(AVERAGE)]
    expected: dict[str, tuple[int, ...]] = {}
    present: dict[str, Header] = {}
    used: set[str] = set()
    models = {c.part: configured(c, checkpoint.folder / c.part) for c in checkpoint.components}
    check_configuration(checkpoint, models, str(path))
    # A model of another kind (inpainting, depth, upscaling), whatever the configuration says.
    channels = {"in_channels": headers[UNET].shape[1]} if len(headers[UNET].shape) > 1 else {}
    check_configuration(checkpoint, models, str(path), {"unet": channels})
    for component in (component for component in checkpoint.components if component.part not in lacking):
        part, model = component.part, models[component.part]
        numbers = {
            name: torch.tensor(number, dtype=torch.int32).expand(headers[name].shape)
            for number, name in enumerate(names)
        }
        converted = _converted(component, model, numbers, path)
        for name, value in model.state_dict().items():
            expected[f"{part}.{name}"] = tuple(value.shape)
            number = converted.get(canonical(component, name))
            if number is not None and number.numel():
                source = names[int(number[(0,) * number.ndim])]
                present[f"{part}.{name}"] = Header(tuple(number.shape), headers[source].floating)
                used.add(source)
    text = models["text_encoder"].config
    surplus = [name for name in names if name not in used | NAMES and not is_harmless("single file", name, text)]
    remedy = "give config=FOLDER, a folder in diffusers' layout for this architecture"
    remedy += f", in place of {config}" if config else ""
    refuse(
        "the weights of the configured model and no others", expected, present, surplus, path, remedy, "config=FOLDER"
    )


def _converted(component: Component, model, numbers: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Return the numbers that stand for weights, by the weights' names in diffusers."""
    from diffusers.loaders import single_file_utils as diffusers

    try:
        if component.part == "text_encoder":
            if diffusers.is_clip_model(numbers):
                converted = diffusers.convert_ldm_clip_checkpoint(numbers)
            else:
                converted = diffusers.convert_open_clip_checkpoint(model, numbers)
        elif component.part == "unet":
            converted = diffusers.convert_ldm_unet_checkpoint(numbers, dict(model.config))
        else:
            converted = diffusers.convert_ldm_vae_checkpoint(numbers, dict(model.config))
    except Exception as error:  # the library may raise anything for names in an unexpected order
        raise InputError(
            f"{path} must hold a {component.title} in the original layout, found one that diffusers does not convert "
            f"({type(error).__name__}): download it again"
        ) from error
    return {canonical(component, name): value for name, value in converted.items() if isinstance(value, torch.Tensor)}
