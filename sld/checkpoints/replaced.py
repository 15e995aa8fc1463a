"""The replacement of a component's weights, and how much the new ones differ from the base's.

Two classic mistakes of this field are an erased model whose weights were never loaded, and one that was saved before it
was trained. If no weight differs, the run would evaluate the base model, and is refused.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sld.checkpoints.family import Component
from sld.checkpoints.part_weights import part_weights
from sld.checkpoints.precision import HALVES
from sld.errors import InputError


@dataclass(frozen=True)
class Replaced:
    """Counts of tensors, and the size of the change.

    Attributes:
        in_files: tensors in the files.
        used: tensors put into the model.
        different: tensors whose values differ from the base's.
        total: tensors of the component.
        relative_change: ‖new - base‖ / ‖base‖ over all tensors of the component; None if the base's are all zero.
        has_base: whether there is a base, which some files lack for a VAE.
        left_aside: descriptions of tensors of other components in the files, which are not used.
    """

    in_files: int
    used: int
    different: int
    total: int
    relative_change: float | None
    has_base: bool = True
    left_aside: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        """Return a manifest's entry, as JSON values."""
        return {
            "given": self.in_files,
            "used": self.used,
            "different": self.different,
            "of": self.total,
            "relative_change": self.relative_change,
            **({} if self.has_base else {"has_base": False}),
        }


@torch.no_grad()  # some files hold parameters
def replace(
    component: Component, module: torch.nn.Module, paths: Sequence[Path], place: Path, allow_pickle: bool
) -> Replaced:
    """Put the weights in files into a component, in place, once `check_replacement` has found that they fit.

    Args:
        component: whose weights are replaced.
        module: the component, loaded.
        paths: the files.
        place: the file or folder that the user named, as the error names it.
        allow_pickle: read pickles, weights-only.

    Raises:
        InputError: the weights change nothing, or the base's are no numbers.
    """
    weights = part_weights(component, module, paths, allow_pickle)
    base = module.state_dict()
    new = {name: value for name, value in weights.tensors(allow_pickle) if name in base}
    different = [name for name, value in new.items() if not is_same(value, base[name])]
    if not different:
        raise InputError(
            f"{place} must hold other weights than the base's for the {component.title}, found that all {len(new)} "
            "equal them or are the same rounded to another precision, so that the base model would be evaluated: give "
            "the changed weights"
        )
    changed = math.hypot(*(norm(value.to(base[name].dtype) - base[name]) for name, value in new.items()))
    base_norm = math.hypot(*map(norm, base.values()))
    if not math.isfinite(base_norm):
        raise InputError(
            f"the base's {component.title} must hold weights that are numbers, found NaN or infinity in those that "
            f"{place} is to replace: download the base again"
        )
    # A base in half precision would round the new weights, whatever the precision in which the model will run.
    torch.nn.Module.to(module, _common_dtype((*new.values(), *base.values()))).load_state_dict(new, strict=False)
    relative = changed / base_norm if base_norm else None
    return Replaced(len(weights.places), len(new), len(different), len(base), relative, True, tuple(weights.left_aside))


@torch.no_grad()
def fill(component: Component, module: torch.nn.Module, paths: Sequence[Path], allow_pickle: bool) -> Replaced:
    """Put all weights of a component that has none yet into it, in place.

    `check_replacement` has found that the files hold them.

    Args:
        component: the component.
        module: built from its configuration.
        paths: the files.
        allow_pickle: read pickles, weights-only.
    """
    weights = part_weights(component, module, paths, allow_pickle)
    own = module.state_dict()
    new = {name: value for name, value in weights.tensors(allow_pickle) if name in own}
    module.load_state_dict(new)
    aside = tuple(weights.left_aside)
    return Replaced(len(weights.places), len(new), len(new), len(own), None, False, aside)


def _common_dtype(tensors: Iterable[Tensor]) -> torch.dtype:
    """Return a precision that represents all floating point numbers of tensors."""
    used = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    if len(used) == 1:
        return used.pop()
    return torch.float64 if torch.float64 in used else torch.float32


def is_same(new: Tensor, base: Tensor) -> bool:
    """Return whether two tensors hold the same values, possibly one of them rounded to a precision of weight files."""
    start = 4096  # most tensors that differ do so in their beginning, so millions of numbers need not be compared
    similar = new.numel() <= start or _is_same(new.flatten()[:start], base.flatten()[:start])
    return similar and _is_same(new, base)


def _is_same(new: Tensor, base: Tensor) -> bool:
    if torch.equal(new.to(base.dtype), base):
        return True
    rounded = ((new, base.to(dtype)) for dtype in (new.dtype, *HALVES))
    rounds = ((base, new.to(dtype)) for dtype in (base.dtype, *HALVES))
    return any(torch.equal(exact, rounded_value.to(exact.dtype)) for exact, rounded_value in (*rounded, *rounds))


def norm(tensor: Tensor) -> float:
    """Return a tensor's Euclidean norm, summed by rows: a float32 loses digits over millions of squares."""
    rows = tensor.flatten(1) if tensor.ndim > 1 else tensor.flatten()[None]
    result = float(torch.linalg.vector_norm(torch.linalg.vector_norm(rows.float(), dim=1).double()))
    # The square of a number that fits into a float32 may not fit.
    return result if math.isfinite(result) else float(torch.linalg.vector_norm(rows.double()))
