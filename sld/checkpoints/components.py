"""The components of a checkpoint in diffusers' layout, and the files of their weights."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sld.checkpoints.files import read_json
from sld.checkpoints.variants import left_aside, weight_files
from sld.errors import InputError

# The classes that load the components, of diffusers and transformers.
COMPONENTS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
# Other classes that a component's own configuration may name: transformers takes the text tower out of a whole CLIP.
ACCEPTED = {"text_encoder": ("CLIPTextModelWithProjection", "CLIPModel")}


def component_files(folder: Path, allow_pickle: bool) -> dict[str, list[Path]]:
    """Return the weight files of each component of a checkpoint in diffusers' layout, without reading the weights.

    Raises:
        InputError: the checkpoint is of another kind, or weights are missing, damaged or only pickles.
    """
    index = read_json(folder / "model_index.json")
    for part, expected in COMPONENTS.items():
        entry = index.get(part)
        name = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
        if name != expected or "text_encoder_2" in index:
            raise InputError(
                f"{folder} must be a Stable Diffusion 1.x or 2.x checkpoint with {part} of class {expected}, found "
                f"{index.get('_class_name', 'no pipeline class')} with {name or 'none'}: choose another checkpoint"
            )
    return {part: weight_files(folder / part, part, allow_pickle) for part in COMPONENTS}


def unet_files(path: Path, allow_pickle: bool) -> list[Path]:
    """Return the weight files of a separate UNet, which is a file or a folder.

    Raises:
        InputError: there are none, or only one of several shards.
    """
    if not path.exists():
        raise InputError(
            f"unet must be a folder or file with UNet weights, found nothing at {path}: correct unet=PATH", "unet=PATH"
        )
    if re.search(r"-\d{5}-of-\d{5}(?=\.)", path.name) and path.is_file():
        raise InputError(
            f"unet must be a complete UNet, found one of several shards at {path}: give its folder, unet={path.parent}",
            f"unet={path.parent}",
        )
    folder = path / "unet" if (path / "unet").is_dir() else path
    return weight_files(folder, "unet", allow_pickle) if path.is_dir() else [path]


def weight_names(place: Path, weights: Sequence[Path], unet: Sequence[Path] = ()) -> dict[str, Path]:
    """Return the weight files of a checkpoint and of a separate UNet by names that are the same for any copy."""
    root = place if place.is_dir() else place.parent
    return {path.relative_to(root).as_posix(): path for path in weights} | {f"unet={path.name}": path for path in unet}


def variants_left_aside(components: Mapping[str, Sequence[Path]]) -> list[str]:
    """Return the weight files of a checkpoint that are variants of those that are read, as `unet/NAME`."""
    return [f"{part}/{name}" for part, chosen in components.items() for name in left_aside(chosen, part)]
