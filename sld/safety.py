"""The interface of safety guidance: what all kinds have in common, and what a new one has to implement."""

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
    """What a method subtracts from the guided prediction: SLD's presets are one kind, a new method is another.

    A subclass is a frozen dataclass, because methods are compared and recorded.

    Attributes:
        warmup_steps: the denoiser call (0-based) from which on guidance acts; before it, the method shares the
            trajectory of the methods without guidance.
    """

    warmup_steps: int

    @property
    def active(self) -> bool:
        """Whether it acts at all; if not, its pictures are those of plain guidance."""
        return True

    @property
    def remembers(self) -> bool:
        """Whether `guide` must see every call, including those of the warm-up, to build up its memory."""
        return False

    @abc.abstractmethod
    def guide(self, e_0: Tensor, e_p: Tensor, e_s: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """Return gamma, which makes e_0 + s_g * (e_p - e_0 - gamma) the guided prediction, and the next memory.

        Args:
            e_0: (B, C, h, w) prediction without text, float32 or float64.
            e_p: the same for the prompt.
            e_s: the same for the safety concept.
            memory: None at first, then what the last call returned. It is shared between trajectories and must not be
                changed in place.

        Returns:
            gamma, shaped like the predictions and in their dtype, each row of which must depend on no other row; and
            the memory.
        """


def check_guidance(guidance: SafetyGuidance) -> None:
    """Raise `InputError` unless guidance is a frozen dataclass with a valid warm-up."""
    kind = type(guidance)
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or "__dataclass_fields__" not in vars(kind):
        raise InputError(
            f"safety guidance must be a frozen dataclass, found {kind.__name__}, which is none: decorate it with "
            "@dataclass(frozen=True)"
        )
    try:
        hash(guidance)
        json.dumps(dataclasses.asdict(guidance), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the fields of safety guidance must be numbers, texts, None or tuples of these, found {guidance!r} "
            f"({error}): change them, because they are recorded"
        ) from error
    steps = getattr(guidance, "warmup_steps", None)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise InputError(
            f"{kind.__name__}.warmup_steps must be a whole number of denoiser calls from 0 up, found {steps!r}: give "
            "an int"
        )


def source_digest(guidance: SafetyGuidance) -> str | None:
    """Return the SHA-256 of the modules of its class and bases outside this package; None if one has no source."""
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
