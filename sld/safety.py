"""What every safety guidance has in common, and what a new one has to bring along."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

from sld.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


class SafetyGuidance(abc.ABC):
    """What a method takes away from the guided prediction: SLD's presets are one kind, a new method is another.

    A subclass is a frozen dataclass, for methods are compared and put on record, with a field `warmup_steps`: guidance
    acts from that denoiser call on (0-based), and until then shares the trajectory of the methods without it.
    """

    warmup_steps: int

    @property
    def active(self) -> bool:
        """Whether it acts at all; if not, its pictures are those of plain guidance."""
        return True

    @property
    def remembers(self) -> bool:
        """Whether `guide` must see every call in order to fill its memory, also those of the warm-up."""
        return False

    @abc.abstractmethod
    def guide(self, e_0: Tensor, e_p: Tensor, e_s: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """Return gamma, of which e_0 + s_g * (e_p - e_0 - gamma) is the guided prediction, and the next memory.

        e_0, e_p, e_s: (B, C, h, w) predictions without text, for the prompt and for the safety concept, float32 or
        float64; gamma is like them, and a row must not depend on others. `memory` is None at first, then what the last
        call returned; it is shared between trajectories and must not be changed in place.
        """


def check_guidance(guidance: SafetyGuidance) -> None:
    """Raise `InputError` unless it is a frozen dataclass with a warm-up that means something."""
    kind = type(guidance)
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or "__dataclass_fields__" not in vars(kind):
        raise InputError(
            f"Safety guidance must be a frozen dataclass, found {kind.__name__}, which is none; decorate it with "
            "@dataclass(frozen=True)."
        )
    try:
        hash(guidance)
        json.dumps(dataclasses.asdict(guidance), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The fields of safety guidance must be numbers, texts, None or tuples of these, found {guidance!r} "
            f"({error}); they are recorded."
        ) from error
    steps = getattr(guidance, "warmup_steps", None)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise InputError(
            f"{kind.__name__}.warmup_steps must be a whole number of denoiser calls from 0 up, found {steps!r}; give "
            "an int."
        )


def source_digest(guidance: SafetyGuidance) -> str | None:
    """SHA-256 of the modules of its class and bases, but for this package's; None where one has no source."""
    modules = dict.fromkeys(c.__module__ for c in type(guidance).__mro__ if issubclass(c, SafetyGuidance))
    digest = hashlib.sha256()
    for name in modules:
        if name.partition(".")[0] == "sld":
            continue
        try:
            digest.update(inspect.getsource(sys.modules[name]).encode())
        except (OSError, TypeError, KeyError):
            return None
    return digest.hexdigest()
