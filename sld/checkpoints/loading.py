"""The loading of a checkpoint from a hub id, a folder or a single file."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sld.checkpoints import files, sources
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import (
    Checkpoint,
    check_parts,
    component_files,
    open_checkpoint,
    variants_left_aside,
    weight_names,
)
from sld.checkpoints.family import Family
from sld.checkpoints.finite import check_finite
from sld.checkpoints.lora import fuse, loader_class
from sld.checkpoints.lora_files import Lora, lora_names, open_lora
from sld.checkpoints.overrides import Override, locate_overrides
from sld.checkpoints.pretrained import pretrained
from sld.checkpoints.replaced import Replaced
from sld.checkpoints.weights_check import check_components
from sld.devices import checked_device
from sld.errors import InputError
from sld.models import LoadedModel
from sld.models.text import read_tokenizers
from sld.schedulers import check_kind, make_scheduler, read_scheduler
from sld.stepping import check_steps

if TYPE_CHECKING:
    from sld.checkpoints.single_file import SingleFile

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
    )
}


@dataclass
class _Loaded:
    """A checkpoint's components, and what a manifest says of them.

    Attributes:
        checkpoint: the checkpoint, or the configuration of a single file.
        parts: components, tokenizers and scheduler, by name; None for those that it lacks.
        places: the file or folder of each component.
        weights: the weight files.
        about: additions to the manifest.
        filled: by the names of parts that a single file lacks, how those that were given in their place fit.
    """

    checkpoint: Checkpoint
    parts: dict[str, Any]
    places: dict[str, Path]
    weights: Sequence[Path]
    about: dict[str, Any]
    filled: Mapping[str, Replaced] = field(default_factory=dict)


def load_model(
    source: str | os.PathLike,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    scheduler: Any = None,
    unet: str | os.PathLike | None = None,
    parts: Mapping[str, str | os.PathLike] | None = None,
    lora: Lora | str | os.PathLike | Sequence[Lora | str | os.PathLike] = (),
    t5: bool = True,
    allow_pickle: bool = False,
    config: str | os.PathLike | None = None,
    prediction_type: str | None = None,
    steps: int | None = None,
) -> LoadedModel:
    """Load a text-to-image model of a family in `sld.models`.

    Args:
        source: a hub id `org/name[@revision]`, a folder in diffusers' layout, or a single file in the original layout.
        device: of the model.
        dtype: in which the model runs: float64, float32, float16 or bfloat16.
        scheduler: None for the checkpoint's own, one of `sld.schedulers.NAMES`, or a diffusers scheduler (copied).
        unet: short for `parts={"unet": …}`.
        parts: by the name of a component ("unet", "transformer", "vae", "text_encoder", …), a folder, a file or a part
            of the hub, `org/name[@revision][:path]`, with weights that replace the component's, all of them or some, as
            concept erasure methods publish them.
        lora: one or several LoRAs, which are fused into the weights one after another; a path alone is one at scale 1.
        t5: False leaves out Stable Diffusion 3's T5, in place of whose embeddings there are zeros, as in diffusers.
        allow_pickle: read pickles, weights-only; otherwise they are refused.
        config: for a single file only: a folder in diffusers' layout whose configuration fits the file.
        prediction_type: for a single file only: "epsilon" or "v_prediction", which an SD 2.x file does not say unless
            it has a mark (`sld.checkpoints.marks`).
        steps: refuse a scheduler that can't take as many steps before any weight is read.

    Raises:
        InputError: something is missing, damaged or of another kind.
    """
    device, dtype = checked_device(device), _checked_dtype(dtype)
    overrides = locate_overrides(_with_unet(parts or {}, unet), allow_pickle)
    entries = [lora] if isinstance(lora, Lora | str | os.PathLike) else lora
    loras = [open_lora(entry if isinstance(entry, Lora) else Lora(entry), allow_pickle) for entry in entries]
    location = sources.locate(source, allow_pickle, t5=t5, parts=overrides)
    used = functools.partial(_used_scheduler, scheduler, steps)
    if location.path.is_dir():
        files.check_alone(location.path, config, prediction_type)
        checkpoint = open_checkpoint(location.path, t5, overrides)
        for file in loras:
            loader_class(checkpoint.family.pipelines[0], file)
        loaded = _load_folder(checkpoint, overrides, allow_pickle, used)
    else:
        from sld.checkpoints.single_file import check_single_file

        files.check_t5(location.path, t5)
        file = check_single_file(location.path, allow_pickle, config, prediction_type, overrides)
        loaded = _load_file(file, overrides, used)
    _replace(loaded, overrides)
    if loras:
        pipeline = loaded.checkpoint.family.pipelines[0]
        loaded.about["lora"] = [fuse(file, pipeline, loaded.parts, allow_pickle, dtype) for file in loras]
    check_finite(loaded.checkpoint.components, loaded.parts, dtype, loaded.places)
    replaced = {part: override.files for part, override in overrides.items()}
    return loaded.checkpoint.family.model(
        loaded.parts,
        index=loaded.checkpoint.index if location.path.is_dir() else {},
        device=device,
        dtype=dtype,
        source=location,
        weights=weight_names(location.path, loaded.weights, replaced) | lora_names(loras),
        about=loaded.about,
    )


def _with_unet(parts: Mapping[str, Any], unet: Any) -> dict[str, Any]:
    if unet is not None and "unet" in parts:
        raise InputError("either unet or parts must name the UNet, found both: leave unet= out", "unet=")
    return {**parts, **({"unet": unet} if unet is not None else {})}


def _replace(loaded: _Loaded, overrides: Mapping[str, Override]) -> None:
    """Put replacing parts into a loaded checkpoint, and on record."""
    for part, override in overrides.items():
        loaded.places[part] = override.source.path
        audit = loaded.filled.get(part) or override.put_into(
            loaded.checkpoint.family.component(part), loaded.parts[part]
        )
        loaded.about.setdefault("replaced", {})[part] = override.describe(audit)
        if unread := [*override.left_aside, *audit.left_aside]:
            loaded.about["left_aside"] = [*loaded.about.get("left_aside", ()), *unread]


def _used_scheduler(choice: Any, steps: int | None, own: Any, family: Family):
    """Return the scheduler to use in place of a checkpoint's own, after a check that it can take so many steps."""
    check_kind(own, family.model.flow, family.title)
    scheduler = make_scheduler(choice, own, family.model.standard, family.model.fixed)
    if steps is not None:
        check_steps(scheduler, steps)
    return scheduler


def _load_folder(
    checkpoint: Checkpoint,
    overrides: Mapping[str, Override],
    allow_pickle: bool,
    used: Callable[[Any, Family], Any],
) -> _Loaded:
    """Load a checkpoint in diffusers' layout; `used` returns the scheduler to use in place of its own."""
    folder = checkpoint.folder
    weights = component_files(checkpoint, allow_pickle)
    # Small files come first: they can be refused before gigabytes are read.
    check_classes(checkpoint)
    parts: dict[str, Any] = dict.fromkeys([*checkpoint.absent, *checkpoint.family.tokenizers])
    parts["scheduler"] = used(read_scheduler(checkpoint), checkpoint.family)
    parts |= read_tokenizers(folder, checkpoint.tokenizers)
    check_components(checkpoint, weights, allow_pickle)
    for override in overrides.values():
        override.check(checkpoint)
    for component in checkpoint.components:
        parts[component.part] = pretrained(component, folder / component.part, weights[component.part], allow_pickle)
    unread = variants_left_aside(weights)
    about: dict[str, Any] = {"left_aside": unread} if unread else {}
    about |= {"without": checkpoint.absent} if checkpoint.absent else {}
    places = {part: folder / part for part in weights}
    return _Loaded(checkpoint, parts, places, [path for paths in weights.values() for path in paths], about)


def _load_file(file: SingleFile, overrides: Mapping[str, Override], used: Callable[[Any, Family], Any]) -> _Loaded:
    """Load a single file; `used` returns the scheduler to use in place of its own."""
    from sld.checkpoints.single_file import load_single_file

    file.check_weights()
    own, obeyed = file.scheduler()
    with file.configuration() as checkpoint:
        check_parts(checkpoint, overrides)
        for part, override in overrides.items():
            override.check(checkpoint, whole=part in file.lacking)
        scheduler = used(own, checkpoint.family)
        file.marks.check(scheduler)
        given = {part: overrides[part].load(checkpoint) for part in file.lacking}
        parts = load_single_file(file, checkpoint, {part: module for part, (module, _) in given.items()})
    about: dict[str, Any] = {"obeyed": obeyed} if obeyed else {}
    about |= {"left_aside": file.left_aside} if file.left_aside else {}
    places = {component.part: file.path for component in checkpoint.components}
    filled = {part: audit for part, (_, audit) in given.items()}
    return _Loaded(checkpoint, parts | {"scheduler": scheduler}, places, [file.path], about, filled)


def _checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"dtype must be one of {', '.join(_DTYPES)}, found {dtype!r}: correct it")
    return _DTYPES[name]
