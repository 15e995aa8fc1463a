"""A checkpoint in diffusers' layout: its family, its components, and the files of their weights."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sld.checkpoints.distilled import check_not_distilled
from sld.checkpoints.family import T5, TITLES, Component, Family
from sld.checkpoints.files import read_json
from sld.checkpoints.layout import named_class
from sld.checkpoints.variants import left_aside, weight_files
from sld.errors import InputError, other_way
from sld.models.families import family_of


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in diffusers' layout.

    Attributes:
        folder: of the checkpoint.
        index: the content of its model_index.json.
        family: that the index names.
        t5: whether an optional T5 text encoder is used if there is one.
    """

    folder: Path
    index: Mapping[str, Any]
    family: Family
    t5: bool = True

    @property
    def components(self) -> tuple[Component, ...]:
        """The components of the family, except optional ones that the checkpoint lacks or the user leaves out."""
        present = (c for c in self.family.components if not c.optional or named_class(self.index, c.part))
        return tuple(c for c in present if self.t5 or c.cls != T5)

    @property
    def absent(self) -> list[str]:
        """The names of the family's components that it lacks."""
        present = {component.part for component in self.components}
        return [component.part for component in self.family.components if component.part not in present]

    @property
    def tokenizers(self) -> dict[str, Component]:
        """The text encoder of each tokenizer, by the tokenizer's folder; without those of absent encoders."""
        present = {component.part: component for component in self.components}
        return {folder: present[part] for folder, part in self.family.tokenizers.items() if part in present}


def open_checkpoint(folder: Path, t5: bool = True, parts: Collection[str] = ()) -> Checkpoint:
    """Return the checkpoint in a folder, of which only model_index.json and the denoiser's configuration are read.

    Args:
        folder: of the checkpoint.
        t5: False leaves out T5 where the family can do without, as SD 3 can.
        parts: the names of parts that replace its own.

    Raises:
        InputError: it is of an unknown family, names components of other classes than its family's, needs T5 or has
            none, has no such part, or has guidance distilled into it.
    """
    index = read_json(folder / "model_index.json")
    denoisers = (folder / part / "config.json" for part in ("unet", "transformer"))
    config = next((read_json(path) for path in denoisers if path.is_file()), {})
    check_not_distilled(index, config, str(folder))
    family = family_of(index, str(folder))
    surplus = {part for part in index if part.startswith("text_encoder") and named_class(index, part)}
    surplus -= {component.part for component in family.components}
    for component in family.components:
        name = named_class(index, component.part)
        if (name or not component.optional) and (name != component.cls or surplus):
            pipeline = index.get("_class_name") or "no pipeline class"
            raise InputError(
                f"{folder} must be a {family.title} checkpoint with {component.part} of class {component.cls}, found "
                f"{pipeline} with {name or 'none'}: {other_way(index.get('_class_name') or 'its own pipeline')}, or "
                "choose another checkpoint"
            )
    if not t5 and not any(component.cls == T5 and component.optional for component in family.components):
        raise InputError(
            f"a model without its T5 must be one of Stable Diffusion 3, found {family.title} at {folder}: leave "
            "t5= out",
            "t5=",
        )
    checkpoint = Checkpoint(folder, index, family, t5)
    check_parts(checkpoint, parts)
    return checkpoint


def check_parts(checkpoint: Checkpoint, parts: Collection[str]) -> None:
    """Raise `InputError` if a checkpoint has no part of a name that the user gave."""
    present = [component.part for component in checkpoint.components]
    for part in parts:
        if part not in present:
            raise InputError(
                f"{part} must be a part of the model, found {checkpoint.family.title} with {', '.join(present)}: leave "
                f"{part}= out",
                f"{part}=",
            )


def component_files(checkpoint: Checkpoint, allow_pickle: bool) -> dict[str, list[Path]]:
    """Return the weight files of each component of a checkpoint, without reading the weights.

    Raises:
        InputError: weights are missing, damaged or only pickles.
    """
    return {c.part: weight_files(checkpoint.folder / c.part, c.part, allow_pickle) for c in checkpoint.components}


def replacement_files(part: str, path: Path, allow_pickle: bool) -> list[Path]:
    """Return the weight files of a separate component, which is a file or a folder.

    Raises:
        InputError: there are none, or only one of several shards.
    """
    title = TITLES[part]
    if not path.exists():
        raise InputError(
            f"{part} must be a folder or file with {title} weights, found nothing at {path}: correct {part}=PATH",
            f"{part}=PATH",
        )
    if re.search(r"-\d{5}-of-\d{5}(?=\.)", path.name) and path.is_file():
        raise InputError(
            f"{part} must be a complete {title}, found one of several shards at {path}: give its folder, "
            f"{part}={path.parent}",
            f"{part}={path.parent}",
        )
    folder = path / part if (path / part).is_dir() else path
    return weight_files(folder, part, allow_pickle) if path.is_dir() else [path]


def weight_names(
    place: Path, weights: Sequence[Path], replaced: Mapping[str, Sequence[Path]] | None = None
) -> dict[str, Path]:
    """Return the weight files of a checkpoint and of replaced parts by names that are the same for any copy."""
    root = place if place.is_dir() else place.parent
    own = {path.relative_to(root).as_posix(): path for path in weights}
    return own | {f"{part}={path.name}": path for part, paths in (replaced or {}).items() for path in paths}


def variants_left_aside(chosen: Mapping[str, Sequence[Path]]) -> list[str]:
    """Return the weight files of a checkpoint that are variants of the chosen ones, as `unet/NAME`."""
    return [f"{part}/{name}" for part, paths in chosen.items() for name in left_aside(paths, part)]
