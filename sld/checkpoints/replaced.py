"""Other weights in a component's place, and by how much they differ from the base's.

An erased model whose weights were never loaded is this field's classic mistake, and so is one that was saved before it
was trained. Where no weight differs the run would be the base model's, and is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sld.checkpoints.files import read_tensors
from sld.checkpoints.weights_check import TITLES, check_replacement
from sld.errors import InputError


@dataclass(frozen=True)
class Replaced:
    """Counts of tensors: in the files, put into the model, of other values than the base's, and of the whole component.

    `relative_change` is ‖new - base‖ / ‖base‖ over all tensors of the component, None where the base's are all zero.
    """

    given: int
    used: int
    different: int
    of: int
    relative_change: float | None

    def describe(self) -> dict[str, Any]:
        """For a manifest, ready for JSON."""
        return asdict(self)


@torch.no_grad()  # some files hold parameters
def replace(part: str, module: torch.nn.Module, paths: Sequence[Path], place: Path, allow_pickle: bool) -> Replaced:
    """Put the weights in files into a component, in place. Raises `InputError` if they don't fit, or change nothing."""
    check_replacement(part, module, paths, place, allow_pickle)
    new = {name: value for path in paths for name, value in read_tensors(path, allow_pickle).items()}
    base = module.state_dict()
    different = [name for name, value in new.items() if not is_same(value, base[name])]
    if not different:
        raise InputError(
            f"Other weights than the base's were expected for the {TITLES[part]}, found that all {len(new)} in {place} "
            "equal them or are the same rounded to another precision, so that the base model would be evaluated; give "
            "the changed weights."
        )
    changed = math.hypot(*(norm(value.to(base[name].dtype) - base[name]) for name, value in new.items()))
    whole = math.hypot(*map(norm, base.values()))
    if not math.isfinite(whole):
        raise InputError(
            f"Weights that are numbers were expected, found NaN or infinity in those of the base's {TITLES[part]} that "
            f"{place} is to replace; download the base again."
        )
    module.load_state_dict(new, strict=False)
    return Replaced(len(new), len(new), len(different), len(base), changed / whole if whole else None)


def is_same(new: Tensor, base: Tensor) -> bool:
    """Whether two tensors hold the same values, or one holds the other's rounded to a precision that files come in."""
    few = 4096  # nearly all that differ do so in their beginning, and need no look at millions
    whole = new.numel() <= few or _is_same(new.flatten()[:few], base.flatten()[:few])
    return whole and _is_same(new, base)


def _is_same(new: Tensor, base: Tensor) -> bool:
    if torch.equal(new.to(base.dtype), base):
        return True
    halves = (torch.float16, torch.bfloat16)
    rounded = ((new, base.to(dtype)) for dtype in (new.dtype, *halves))
    rounds = ((base, new.to(dtype)) for dtype in (base.dtype, *halves))
    return any(torch.equal(exact, other.to(exact.dtype)) for exact, other in (*rounded, *rounds))


def norm(tensor: Tensor) -> float:
    """The Euclidean norm of a tensor's numbers, summed by rows: a float32 loses digits over millions of squares."""
    rows = tensor.flatten(1) if tensor.ndim > 1 else tensor.flatten()[None]
    found = float(torch.linalg.vector_norm(torch.linalg.vector_norm(rows.float(), dim=1).double()))
    # The square of a number that a float32 holds may be beyond it.
    return found if math.isfinite(found) else float(torch.linalg.vector_norm(rows.double()))
