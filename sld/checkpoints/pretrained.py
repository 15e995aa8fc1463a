"""The loading of one component from chosen weight files by its library."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from sld.checkpoints import files
from sld.checkpoints.configured import unmade
from sld.checkpoints.family import Component, stems
from sld.checkpoints.layout import write_json
from sld.checkpoints.quiet import quiet
from sld.errors import InputError, first_three


def pretrained(component: Component, folder: Path, paths: Sequence[Path], allow_pickle: bool) -> torch.nn.Module:
    """Return a component from these weight files of its folder, ignoring any others there.

    Raises:
        InputError: its library cannot build it from them.
    """
    pickled = paths[0].suffix != ".safetensors"
    with tempfile.TemporaryDirectory() as place, quiet():
        _link(folder, Path(place), stems(component.part)[pickled], paths, allow_pickle)
        try:
            model, info = component.load_class().from_pretrained(
                place, use_safetensors=not pickled, local_files_only=True, output_loading_info=True
            )
        except Exception as error:  # a foreign config or weights make the libraries raise nearly anything
            raise unmade(component.cls, error, folder) from error
    # The libraries fill missing weights with random numbers. In shards they miss old names of the VAE's attention.
    wrong = sorted(info["missing_keys"]) or sorted(str(key) for key in info["mismatched_keys"])
    if wrong:
        raise InputError(
            f"{folder} must hold all weights of a {component.cls}, found {len(wrong)} that it cannot read "
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
