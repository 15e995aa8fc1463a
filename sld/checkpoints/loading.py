"""The loading of a checkpoint from a hub id, a folder or a single file."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sld.checkpoints import files, sources
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import (
    Checkpoint,
    component_files,
    open_checkpoint,
    replacement_files,
    variants_left_aside,
    weight_names,
)
from sld.checkpoints.family import Component, Family
from sld.checkpoints.finite import check_finite
from sld.checkpoints.lora import fuse
from sld.checkpoints.lora_files import Lora, lora_names, open_lora
from sld.checkpoints.pretrained import pretrained
from sld.checkpoints.replaced import replace
from sld.checkpoints.variants import left_aside
from sld.checkpoints.weights_check import check_components, check_replacement, configured
from sld.devices import checked_device
from sld.errors import InputError
from sld.models import LoadedModel
from sld.models.text import read_tokenizers
from sld.schedulers import make_scheduler, read_scheduler
from sld.stepping import check_steps

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
        family: of the checkpoint.
        index: the content of model_index.json, empty for a single file.
        components: that the checkpoint has.
        parts: components, tokenizers and scheduler, by name.
        places: the file or folder of each component.
        weights: the weight files.
        about: additions to the manifest.
    """

    family: Family
    index: Mapping[str, Any]
    components: Sequence[Component]
    parts: dict[str, Any]
    places: dict[str, Path]
    weights: Sequence[Path]
    about: dict[str, Any] = field(default_factory=dict)


def load_model(
    source: str | os.PathLike,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    scheduler: Any = None,
    unet: str | os.PathLike | None = None,
    lora: Sequence[Lora | str | os.PathLike] = (),
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
        unet: a folder or file with weights that replace the UNet's, all of them or some, as concept erasure methods
            publish them.
        lora: LoRAs that are fused into the weights, one after another; a path alone is one at scale 1.
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
    location = sources.locate(source, allow_pickle, t5=t5)
    used = functools.partial(_used_scheduler, scheduler, steps)
    unet_path = None if unet is None else Path(unet).expanduser()
    loras = [open_lora(entry if isinstance(entry, Lora) else Lora(entry), allow_pickle) for entry in lora]
    if location.path.is_dir():
        files.check_alone(location.path, config, prediction_type)
        loaded = _load_folder(open_checkpoint(location.path, t5), unet_path, allow_pickle, used)
    else:
        from sld.checkpoints.single_file import check_single_file

        files.check_t5(location.path, t5)
        loaded = _load_file(
            check_single_file(location.path, allow_pickle, config, prediction_type), unet_path, allow_pickle, used
        )
    replaced: dict[str, list[Path]] = {}
    if unet_path is not None:
        component = loaded.family.component("unet")
        loaded.places["unet"], replaced["unet"] = unet_path, replacement_files("unet", unet_path, allow_pickle)
        audit = replace(component, loaded.parts["unet"], replaced["unet"], unet_path, allow_pickle)
        loaded.about["replaced"] = {"unet": audit.describe()}
        unread = [f"unet={name}" for name in left_aside(replaced["unet"], "unet")] if unet_path.is_dir() else []
        if unread := [*unread, *audit.left_aside]:
            loaded.about["left_aside"] = [*loaded.about.get("left_aside", ()), *unread]
    if loras:
        pipeline = loaded.family.pipelines[0]
        loaded.about["lora"] = [fuse(file, pipeline, loaded.parts, allow_pickle, dtype) for file in loras]
    check_finite(loaded.components, loaded.parts, dtype, loaded.places)
    return loaded.family.model(
        loaded.parts,
        index=loaded.index,
        device=device,
        dtype=dtype,
        source=location,
        weights=weight_names(location.path, loaded.weights, replaced) | lora_names(loras),
        about=loaded.about,
    )


def _used_scheduler(choice: Any, steps: int | None, own: Any, family: Family):
    """Return the scheduler to use in place of a checkpoint's own, after a check that it can take so many steps."""
    scheduler = make_scheduler(choice, own, family.model.standard, family.model.fixed)
    if steps is not None:
        check_steps(scheduler, steps)
    return scheduler


def _load_folder(
    checkpoint: Checkpoint, unet: Path | None, allow_pickle: bool, used: Callable[[Any, Family], Any]
) -> _Loaded:
    """Load a checkpoint in diffusers' layout; `used` returns the scheduler to use in place of its own."""
    folder = checkpoint.folder
    weights = component_files(checkpoint, allow_pickle)
    # Small files come first: they can be refused before gigabytes are read.
    check_classes(checkpoint)
    parts: dict[str, Any] = dict.fromkeys(c.part for c in checkpoint.family.components)
    parts |= dict.fromkeys(checkpoint.family.tokenizers)
    parts |= {
        "scheduler": used(read_scheduler(checkpoint), checkpoint.family),
        **read_tokenizers(folder, checkpoint.tokenizers),
    }
    check_components(checkpoint, weights, allow_pickle)
    _check_unet(checkpoint, unet, allow_pickle)
    for component in checkpoint.components:
        parts[component.part] = pretrained(component, folder / component.part, weights[component.part], allow_pickle)
    unread = variants_left_aside(weights)
    return _Loaded(
        checkpoint.family,
        checkpoint.index,
        checkpoint.components,
        parts,
        {part: folder / part for part in weights},
        [path for paths in weights.values() for path in paths],
        {"left_aside": unread} if unread else {},
    )


def _load_file(file, unet: Path | None, allow_pickle: bool, used: Callable[[Any, Family], Any]) -> _Loaded:
    """Load a `sld.checkpoints.single_file.SingleFile`; `used` returns the scheduler to use in place of its own."""
    from sld.checkpoints.single_file import load_single_file

    file.check_weights()
    own, obeyed = file.scheduler()
    with file.configuration() as checkpoint:
        _check_unet(checkpoint, unet, allow_pickle)
    scheduler = used(own, checkpoint.family)
    file.marks.check(scheduler)
    about = {"obeyed": obeyed} if obeyed else {}
    about |= {"left_aside": file.left_aside} if file.left_aside else {}
    return _Loaded(
        checkpoint.family,
        {},
        checkpoint.components,
        load_single_file(file) | {"scheduler": scheduler},
        {component.part: file.path for component in checkpoint.components},
        [file.path],
        about,
    )


def _check_unet(base: Checkpoint, unet: Path | None, allow_pickle: bool) -> None:
    """Refuse a separate UNet that does not fit a configuration, before gigabytes are read."""
    if unet is not None:
        component = base.family.component("unet")
        paths = replacement_files("unet", unet, allow_pickle)
        check_replacement(component, configured(component, base.folder / "unet"), paths, unet, allow_pickle)


def _checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"dtype must be one of {', '.join(_DTYPES)}, found {dtype!r}: correct it")
    return _DTYPES[name]
