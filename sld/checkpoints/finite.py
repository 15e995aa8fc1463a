"""A check that all weights of a loaded model are numbers, and stay so in the precision in which it runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from sld.checkpoints.family import Component
from sld.checkpoints.precision import HALVES, dtypes
from sld.errors import InputError, first_three


def check_finite(
    components: Iterable[Component],
    parts: Mapping[str, torch.nn.Module],
    dtype: torch.dtype,
    places: Mapping[str, Path],
) -> None:
    """Raise `InputError` for weights that are NaN or infinite, or would be in `dtype`.

    The VAE stays in float32 if `dtype` is half precision: pictures that overflow are decoded in float32.

    Args:
        components: to check.
        parts: the models by the components' names.
        dtype: in which the model runs.
        places: the file or folder of each component, as the error names it.
    """
    for component in components:
        module, title, place = parts[component.part], component.title, places[component.part]
        named = {name: x for name, x in module.state_dict().items() if x.is_floating_point() and x.numel()}
        # Minimum and maximum of each weight: both are NaN if any value is, and one pass over the memory suffices.
        # Torch cannot compare 8-bit floating point numbers.
        wide = (x if x.element_size() > 1 else x.float() for x in named.values())
        extremes = torch.stack([torch.stack(torch.aminmax(x)).double() for x in wide])
        own = dtypes(module, torch.float32 if component.part == "vae" and dtype in HALVES else dtype)
        if wrong := _not_finite(extremes, named):
            raise InputError(
                f"{place} must hold weights that are numbers, found NaN or infinity in {len(wrong)} of the {title}'s "
                f"({_listed(wrong)}): download them again, or train them anew"
            )
        rounded = torch.stack([pair.to(own[name]).double() for name, pair in zip(named, extremes, strict=True)])
        if wrong := _not_finite(rounded, named):
            narrow = own[wrong[0]]
            name = str(narrow).removeprefix("torch.")
            wider = ("dtype=bfloat16", "dtype=float32") if narrow == torch.float16 else ("dtype=float32",)
            raise InputError(
                f"{place} must hold weights that {name} can represent, found values up to "
                f"{float(extremes.abs().max()):.3g} in {len(wrong)} of the {title}'s ({_listed(wrong)}), which "
                f"would become infinite: choose {' or '.join(wider)}",
                *wider,
            )


def _not_finite(extremes: torch.Tensor, names: Mapping[str, object]) -> list[str]:
    finite = torch.isfinite(extremes).all(1).tolist()
    return [name for name, fine in zip(names, finite, strict=True) if not fine]


def _listed(names: Sequence[str]) -> str:
    return first_three([repr(name) for name in names])
