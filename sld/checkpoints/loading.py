"""The loading of a checkpoint from a hub id, a folder or a single file."""

import functools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from sld.checkpoints import files, sources
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import COMPONENTS, component_files, unet_files, variants_left_aside, weight_names
from sld.checkpoints.finite import check_finite
from sld.checkpoints.layout import write_json
from sld.checkpoints.quiet import quiet
from sld.checkpoints.replaced import replace
from sld.checkpoints.variants import STEMS, left_aside
from sld.checkpoints.weights_check import check_components, check_replacement, configured, unmade
from sld.devices import checked_device
from sld.errors import InputError, first_three
from sld.models.stable_diffusion import StableDiffusion
from sld.models.text import read_tokenizer
from sld.schedulers import make_scheduler, read_scheduler
from sld.stepping import start

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
    )
}

# Families by the pipeline that model_index.json names. Any other pipeline with the same components is Stable Diffusion.
_FAMILIES: dict[str, type[StableDiffusion]] = {"StableDiffusionPipeline": StableDiffusion}


def load_model(
    source: str | os.PathLike,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    scheduler: Any = None,
    unet: str | os.PathLike | None = None,
    allow_pickle: bool = False,
    config: str | os.PathLike | None = None,
    prediction_type: str | None = None,
    steps: int | None = None,
) -> StableDiffusion:
    """Load Stable Diffusion 1.x or 2.x.

    Args:
        source: a hub id `org/name[@revision]`, a folder in diffusers' layout, or a single file in the original layout.
        device: of the model.
        dtype: in which the model runs: float64, float32, float16 or bfloat16.
        scheduler: None for the checkpoint's own, one of `sld.schedulers.NAMES`, or a diffusers scheduler (copied).
        unet: a folder or file with weights that replace the UNet's, all of them or some, under diffusers' names (as
            concept erasure methods publish them).
        allow_pickle: read pickles, weights-only; otherwise they are refused.
        config: for a single file only: a folder in diffusers' layout whose configuration fits the file.
        prediction_type: for a single file only: "epsilon" or "v_prediction", which an SD 2.x file does not say unless
            it has a mark (`sld.checkpoints.marks`).
        steps: refuse a scheduler that can't take as many steps before any weight is read.

    Raises:
        InputError: something is missing, damaged or of another kind.
    """
    device, dtype = checked_device(device), _checked_dtype(dtype)
    location = sources.locate(source, allow_pickle)
    used = functools.partial(_used_scheduler, scheduler, steps)
    unet_path = None if unet is None else Path(unet).expanduser()
    if location.path.is_dir():
        files.check_alone(location.path, config, prediction_type)
        parts, weights, about = _load_folder(location.path, unet_path, allow_pickle, used)
        places = {part: location.path / part for part in COMPONENTS}
        index = files.read_json(location.path / "model_index.json")
        family = _FAMILIES.get(str(index.get("_class_name")), StableDiffusion)
    else:
        from sld.checkpoints.single_file import check_single_file, load_single_file

        file = check_single_file(location.path, allow_pickle, config, prediction_type)
        file.check_weights()
        with file.folder() as folder:
            _check_unet(folder, unet_path, allow_pickle)
        own, obeyed = file.scheduler()
        stepped = used(own)
        file.marks.check(stepped)
        parts = load_single_file(file) | {"scheduler": stepped}
        weights, about = [location.path], {"obeyed": obeyed} if obeyed else {}
        about |= {"left_aside": file.left_aside} if file.left_aside else {}
        places = dict.fromkeys(COMPONENTS, location.path)
        family, index = StableDiffusion, {}
    replaced: list[Path] = []
    if unet_path is not None:
        places["unet"], replaced = unet_path, unet_files(unet_path, allow_pickle)
        about["replaced"] = {"unet": replace("unet", parts["unet"], replaced, unet_path, allow_pickle).describe()}
        if unet_path.is_dir() and (unread := left_aside(replaced, "unet")):
            about["left_aside"] = [*about.get("left_aside", ()), *(f"unet={name}" for name in unread)]
    check_finite({part: parts[part] for part in COMPONENTS}, dtype, places)
    named = weight_names(location.path, weights, replaced)
    return family(parts, index=index, device=device, dtype=dtype, source=location, weights=named, about=about)


def _used_scheduler(choice: Any, steps: int | None, own: Any):
    """Return the scheduler to use in place of a checkpoint's own, after a check that it can take so many steps."""
    scheduler = make_scheduler(choice, own, StableDiffusion.standard, StableDiffusion.fixed)
    if steps is not None:
        start(scheduler, steps)
    return scheduler


def _load_folder(
    folder: Path, unet: Path | None, allow_pickle: bool, used: Callable[[Any], Any]
) -> tuple[dict[str, Any], list[Path], dict[str, Any]]:
    """Return the components in a folder in diffusers' layout, their weight files, and additions to the manifest.

    `used` returns the scheduler to use in place of the folder's own.
    """
    import diffusers
    import transformers

    components = component_files(folder, allow_pickle)
    # Small files come first: they can be refused before gigabytes are read.
    check_classes(folder)
    parts = {"scheduler": used(read_scheduler(folder)), "tokenizer": read_tokenizer(folder)}
    check_components(folder, components, allow_pickle)
    _check_unet(folder, unet, allow_pickle)
    for part, paths in components.items():
        cls = getattr(transformers if part == "text_encoder" else diffusers, COMPONENTS[part])
        parts[part] = _pretrained(cls, folder / part, part, paths, allow_pickle)
    unread = variants_left_aside(components)
    return parts, [path for paths in components.values() for path in paths], {"left_aside": unread} if unread else {}


def _pretrained(cls: type, folder: Path, part: str, paths: Sequence[Path], allow_pickle: bool) -> torch.nn.Module:
    """Return a component from these weight files of its folder, ignoring any others there."""
    pickled = paths[0].suffix != ".safetensors"
    with tempfile.TemporaryDirectory() as place, quiet():
        _link(folder, Path(place), STEMS[part][pickled], paths, allow_pickle)
        try:
            model, info = cls.from_pretrained(
                place, use_safetensors=not pickled, local_files_only=True, output_loading_info=True
            )
        except Exception as error:  # a foreign config or weights make the libraries raise nearly anything
            raise unmade(cls.__name__, error, folder) from error
    # The libraries fill missing weights with random numbers. In shards they miss old names of the VAE's attention.
    wrong = sorted(info["missing_keys"]) or sorted(str(key) for key in info["mismatched_keys"])
    if wrong:
        raise InputError(
            f"{folder} must hold all weights of a {cls.__name__}, found {len(wrong)} that it cannot read "
            f"({first_three(wrong)}): download it again"
        )
    return model


def _link(folder: Path, place: Path, stem: str, paths: Sequence[Path], allow_pickle: bool) -> None:
    """Fill a folder with links to one set of weights, under the names that a library looks for first."""
    (place / "config.json").symlink_to((folder / "config.json").resolve())
    suffix = paths[0].suffix
    if len(paths) == 1:
        (place / f"{stem}{suffix}").symlink_to(paths[0].resolve())
        return
    weight_map = {}
    for number, path in enumerate(paths, 1):
        name = f"{stem}-{number:05}-of-{len(paths):05}{suffix}"
        (place / name).symlink_to(path.resolve())
        weight_map |= dict.fromkeys(files.read_headers(path, allow_pickle), name)
    write_json(place / f"{stem}{suffix}.index.json", {"metadata": {}, "weight_map": weight_map})


def _check_unet(base: Path, unet: Path | None, allow_pickle: bool) -> None:
    """Refuse a separate UNet that does not fit the configuration at `base`, before gigabytes are read."""
    if unet is not None:
        paths = unet_files(unet, allow_pickle)
        check_replacement("unet", configured("unet", base / "unet"), paths, unet, allow_pickle)


def _checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"dtype must be one of {', '.join(_DTYPES)}, found {dtype!r}: correct it")
    return _DTYPES[name]
