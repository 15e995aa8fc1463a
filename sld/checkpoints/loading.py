"""Load a checkpoint from a hub id, a folder or a single file."""

import functools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from sld.checkpoints import files
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

    `source` is a hub id `org/name[@revision]`, a folder in diffusers' layout, or a single file in the original layout.
    `scheduler` is None for the checkpoint's own, one of `sld.schedulers.NAMES`, or a diffusers scheduler (copied).
    `unet` is a folder or file with other weights for the UNet under diffusers' names, all of them or a part (as concept
    erasure methods publish). Pickles are refused, or with `allow_pickle` read weights-only. `config` and
    `prediction_type` are for single files only: a folder in diffusers' layout whose configuration fits the file, and
    "epsilon" or "v_prediction", which an SD 2.x file does not say unless it bears a mark (`sld.checkpoints.marks`).
    With `steps`, a scheduler that can't take as many is refused before any weight is read.
    Raises `InputError` for anything missing, damaged or of another kind.
    """
    device, dtype = checked_device(device), _checked_dtype(dtype)
    found = files.locate(source, allow_pickle)
    used = functools.partial(_used_scheduler, scheduler, steps)
    other = None if unet is None else Path(unet).expanduser()
    if found.path.is_dir():
        files.check_alone(found.path, config, prediction_type)
        parts, weights, about = _load_folder(found.path, other, allow_pickle, used)
        places = {part: found.path / part for part in COMPONENTS}
    else:
        from sld.checkpoints.single_file import check_single_file, load_single_file

        file = check_single_file(found.path, allow_pickle, config, prediction_type)
        file.check_weights()
        with file.folder() as folder:
            _check_unet(folder, other, allow_pickle)
        own, obeyed = file.scheduler()
        stepped = used(own)
        file.marks.check(stepped)
        parts = load_single_file(file) | {"scheduler": stepped}
        weights, about = [found.path], {"obeyed": obeyed} if obeyed else {}
        about |= {"left_aside": file.left_aside} if file.left_aside else {}
        places = dict.fromkeys(COMPONENTS, found.path)
    replaced: list[Path] = []
    if other is not None:
        places["unet"], replaced = other, unet_files(other, allow_pickle)
        about["replaced"] = {"unet": replace("unet", parts["unet"], replaced, other, allow_pickle).describe()}
        if other.is_dir() and (aside := left_aside(replaced, "unet")):
            about["left_aside"] = [*about.get("left_aside", ()), *(f"unet={name}" for name in aside)]
    check_finite({part: parts[part] for part in COMPONENTS}, dtype, places)
    named = weight_names(found.path, weights, replaced)
    return StableDiffusion(**parts, device=device, dtype=dtype, source=found, weights=named, about=about)


def _used_scheduler(choice: Any, steps: int | None, own: Any):
    """The scheduler that is asked for in the place of a checkpoint's own, which can take so many steps."""
    scheduler = make_scheduler(choice, own)
    if steps is not None:
        start(scheduler, steps)
    return scheduler


def _load_folder(
    folder: Path, unet: Path | None, allow_pickle: bool, used: Callable[[Any], Any]
) -> tuple[dict[str, Any], list[Path], dict[str, Any]]:
    """The components in a folder of diffusers' layout, by name, their weight files, and what a manifest should add.

    `used` gives the scheduler that is used for the folder's own.
    """
    import diffusers
    import transformers

    components = component_files(folder, allow_pickle)
    # What is small comes first: it can be refused before gigabytes are read.
    check_classes(folder)
    parts = {"scheduler": used(read_scheduler(folder)), "tokenizer": read_tokenizer(folder)}
    check_components(folder, components, allow_pickle)
    _check_unet(folder, unet, allow_pickle)
    for part, paths in components.items():
        cls = getattr(transformers if part == "text_encoder" else diffusers, COMPONENTS[part])
        parts[part] = _pretrained(cls, folder / part, part, paths, allow_pickle)
    aside = variants_left_aside(components)
    return parts, [path for paths in components.values() for path in paths], {"left_aside": aside} if aside else {}


def _pretrained(cls: type, folder: Path, part: str, paths: Sequence[Path], allow_pickle: bool) -> torch.nn.Module:
    """A component from these weight files of its folder, and from no others that may lie there."""
    pickled = paths[0].suffix != ".safetensors"
    with tempfile.TemporaryDirectory() as place, quiet():
        _link(folder, Path(place), STEMS[part][pickled], paths, allow_pickle)
        try:
            model, info = cls.from_pretrained(
                place, use_safetensors=not pickled, local_files_only=True, output_loading_info=True
            )
        except Exception as error:  # a foreign config or weights make the libraries raise nearly anything
            raise unmade(cls.__name__, error, folder) from error
    # The libraries fill what is missing with random numbers; old names of the VAE's attention they miss in shards.
    wrong = sorted(info["missing_keys"]) or sorted(str(key) for key in info["mismatched_keys"])
    if wrong:
        raise InputError(
            f"All weights of a {cls.__name__} were expected, found {len(wrong)} that it cannot read "
            f"({first_three(wrong)}) in {folder}; download it again."
        )
    return model


def _link(folder: Path, place: Path, stem: str, paths: Sequence[Path], allow_pickle: bool) -> None:
    """Give a library a folder that holds one set of weights, under the names that it looks for first."""
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
    """Refuse another UNet that does not fit the configuration at `base`, before gigabytes are read."""
    if unet is not None:
        paths = unet_files(unet, allow_pickle)
        check_replacement("unet", configured("unet", base / "unet"), paths, unet, allow_pickle)


def _checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"dtype must be one of {', '.join(_DTYPES)}, found {dtype!r}; correct it.")
    return _DTYPES[name]
