"""Whether all weights of a loaded model are numbers, and stay so in the precision that it runs in."""

from collections.abc import Mapping
from pathlib import Path

import torch

from sld.checkpoints.weights_check import TITLES
from sld.errors import InputError, first_three


def check_finite(parts: Mapping[str, torch.nn.Module], dtype: torch.dtype, places: Mapping[str, Path]) -> None:
    """Raise `InputError` for weights that are NaN or infinite, or would be in `dtype`.

    The VAE is kept in float32 where `dtype` is half precision: pictures that overflow are decoded in it.
    """
    for part, module in parts.items():
        named = {name: x for name, x in module.state_dict().items() if x.is_floating_point() and x.numel()}
        # Least and greatest of each weight: both are NaN where any value is, and one pass over the memory finds them.
        # Torch compares no floating point of 8 bits.
        wide = (x if x.element_size() > 1 else x.float() for x in named.values())
        extremes = torch.stack([torch.stack(torch.aminmax(x)).double() for x in wide])
        kept = torch.float32 if part == "vae" and dtype in (torch.float16, torch.bfloat16) else dtype
        title, place = TITLES[part], places[part]
        if wrong := _not_finite(extremes, named):
            raise InputError(
                f"Weights that are numbers were expected, found NaN or infinity in {len(wrong)} of the {title}'s "
                f"({first_three(wrong)}) in {place}; download them again, or train them anew."
            )
        if wrong := _not_finite(extremes.to(kept), named):
            name = str(kept).removeprefix("torch.")
            others = ("dtype=bfloat16", "dtype=float32") if kept == torch.float16 else ("dtype=float32",)
            raise InputError(
                f"Weights that {name} can hold were expected, found values up to {float(extremes.abs().max()):.3g} in "
                f"{len(wrong)} of the {title}'s ({first_three(wrong)}) in {place}, which would be infinite; choose "
                f"{' or '.join(others)}.",
                *others,
            )


def _not_finite(extremes: torch.Tensor, names: Mapping[str, object]) -> list[str]:
    finite = torch.isfinite(extremes).all(1).tolist()
    return [repr(name) for name, fine in zip(names, finite, strict=True) if not fine]
