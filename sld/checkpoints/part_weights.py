"""The weights in files that replace those of one part of a model, under the names of its library.

The files may name them as the library or as the original layout does, alone or among those of a whole model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sld.checkpoints import files, transformer_names, unet_names, vae_names
from sld.checkpoints.family import Component
from sld.checkpoints.names import canonical, is_harmless
from sld.checkpoints.pieces import Piece
from sld.checkpoints.wrapped import in_groups, select
from sld.errors import InputError


@dataclass(frozen=True)
class Place:
    """Where a weight is.

    Attributes:
        path: of the file.
        key: in the file.
        header: of the weight.
        piece: of what is stored under the key.
    """

    path: Path
    key: str
    header: files.Header
    piece: Piece


@dataclass(frozen=True)
class PartWeights:
    """The weights of a part.

    Attributes:
        places: of each weight, by its name in the model, or by its name in the file if the model has none like it.
        beside: by file, the keys of the weights of other parts.
    """

    places: Mapping[str, Place]
    beside: Mapping[Path, Sequence[str]]

    @property
    def left_aside(self) -> list[str]:
        """Descriptions of the weights of other parts in the files, which are not used."""
        return [f"{in_groups(keys)} in {path.name}" for path, keys in self.beside.items() if keys]

    def tensors(self, allow_pickle: bool) -> Iterator[tuple[str, Tensor]]:
        """Yield each weight with its name, one file after another."""
        for path in dict.fromkeys(place.path for place in self.places.values()):
            here = {name: place for name, place in self.places.items() if place.path == path}
            content = files.read_tensors(path, allow_pickle, {place.key for place in here.values()})
            for name, place in here.items():
                yield name, place.piece.of(content[place.key])


def part_weights(
    component: Component, model: torch.nn.Module, paths: Sequence[Path], allow_pickle: bool
) -> PartWeights:
    """Return the weights of a part in files, from their headers alone.

    Args:
        component: the part.
        model: the base's, possibly without weights.
        paths: the files.
        allow_pickle: read pickles, weights-only.

    Raises:
        InputError: a weight occurs twice.
    """
    names = {canonical(component, name): name for name in model.state_dict()}
    pieces_of = _pieces(component, model)
    places: dict[str, Place] = {}
    beside: dict[Path, Sequence[str]] = {}
    for path in paths:
        headers = files.read_headers(path, allow_pickle)
        selection = select(component.part, headers)
        used = {headers[key].storage for _, key in selection.names} - {None}
        beside[path] = [key for key in selection.beside if headers[key].storage not in used]  # no second names
        for own_name, key in selection.names:
            for piece in pieces_of(own_name) or [Piece(own_name)]:
                name = names.get(canonical(component, piece.name), piece.name)
                if name in places and is_harmless(component.cls, piece.name, model.config):  # one of two names
                    continue
                if name in places:
                    other = places[name]
                    raise InputError(
                        f"{path.parent} must hold each weight once, found {name!r} in {other.path.name} as "
                        f"{other.key!r} and in {path.name} as {key!r}: keep one set of weights"
                    )
                header = files.Header(piece.shape_of(headers[key].shape), headers[key].floating)
                places[name] = Place(path, key, header, piece)
    return PartWeights(places, beside)


def _pieces(component: Component, model: torch.nn.Module) -> Callable[[str], list[Piece]]:
    """Return a function that returns the weights of the model under a name of the original layout."""
    if component.cls == "UNet2DConditionModel":
        modules = unet_names.modules_by_original_name(model.config)

        def in_unet(name: str) -> list[Piece]:
            renamed = unet_names.diffusers_name(name, modules) if unet_names.is_original(name) else None
            return [Piece(renamed)] if renamed else []

        return in_unet
    if component.cls == "SD3Transformer2DModel":
        return lambda name: list(transformer_names.pieces(name, model.config))
    if component.cls == "AutoencoderKL":
        return lambda name: list(vae_names.pieces(name, model.config))
    return lambda name: []
