"""The components of a checkpoint in diffusers' layout and the files of their weights."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sld.checkpoints.files import read_json
from sld.checkpoints.variants import left_aside, weight_files
from sld.errors import InputError

COMPONENTS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}


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
    return {part: weight_files(folder / part, part, allow_pickle) for part in COMPONENTS}


def unet_files(path: Path, allow_pickle: bool) -> list[Path]:
    """The weight files of a UNet that stands alone, a file or a folder. Raises `InputError` if there are none."""
    if not path.exists():
        raise InputError(
            f"A folder or file with UNet weights was expected, found nothing at {path}; correct unet=PATH.", "unet=PATH"
        )
    if re.search(r"-\d{5}-of-\d{5}(?=\.)", path.name) and path.is_file():
        raise InputError(
            f"All of a UNet was expected, found one of several shards at {path}; give its folder, unet={path.parent}.",
            f"unet={path.parent}",
        )
    folder = path / "unet" if (path / "unet").is_dir() else path
    return weight_files(folder, "unet", allow_pickle) if path.is_dir() else [path]


def weight_names(place: Path, weights: Sequence[Path], unet: Sequence[Path] = ()) -> dict[str, Path]:
    """The weight files of a checkpoint, and of another UNet, by what they are: a copy elsewhere has the same names."""
    root = place if place.is_dir() else place.parent
    return {path.relative_to(root).as_posix(): path for path in weights} | {f"unet={path.name}": path for path in unet}


def variants_left_aside(components: Mapping[str, Sequence[Path]]) -> list[str]:
    """Weight files of a checkpoint that are other variants of those that are read, as `unet/NAME`."""
    return [f"{part}/{name}" for part, chosen in components.items() for name in left_aside(chosen, part)]
