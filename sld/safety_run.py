"""Safety guidance beside somebody else's denoising loop, which does the sampling, the guidance and the steps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sld.errors import InputError
from sld.presets import Method
from sld.safety import SafetyGuidance
from sld.trajectories import Course

SPACES = ("epsilon", "output")


def read_method(preset: str | SafetyGuidance, concept: str, space: str | None, name: str) -> Method:
    """Return what a caller asks for as a method.

    Args:
        preset: a key of `PRESETS`, a `SafetyPreset` or other `SafetyGuidance`.
        concept: the text that safety guidance steers away from.
        space: of `SPACES`, or None.
        name: what the caller is called in errors.

    Raises:
        InputError: one of these is something else.
    """
    if preset is None:
        raise InputError(
            f"preset of {name} must be a name, a SafetyPreset or other SafetyGuidance, found None: give one"
        )
    if space is not None and space not in SPACES:
        raise InputError(f"space of {name} must be {' or '.join(SPACES)}, found {space!r}: give one of these")
    return Method(name, preset=preset, concept=concept)


class SafetyRun:
    """Safety guidance over the denoiser calls of one run: the position in the warm-up, and the memory.

    Args:
        method: its safety guidance is applied; without one, gamma is always None.
        gain: k = d epsilon / d prediction by timestep, see `sld.gain`; None guides in the predictions as they are.
    """

    def __init__(self, method: Method, gain: Callable[[float], float] | None):
        self._course = Course((method.name,), "", method.safety, method.concept, thrifty=True)
        self._gain = gain
        self._memory: Any = None
        self._calls = 0

    def gamma(self, e_0: Tensor, e_p: Tensor, timestep: Any, evaluate_concept: Callable[[], Tensor]) -> Tensor | None:
        """Return what to subtract from e_p at the next call, or None if nothing.

        Args:
            e_0: (B, …) prediction without text, or for the negative prompt.
            e_p: the same for the prompt.
            timestep: of the scheduler, a number or a tensor whose elements are equal.
            evaluate_concept: returns the same for the safety concept; only called if it is needed.

        Returns:
            gamma in float64 for predictions in float64, otherwise in float32: the masks amplify rounding.
        """
        call, self._calls = self._calls, self._calls + 1
        if not self._course.guides(call):
            return None
        work = torch.float64 if e_p.dtype == torch.float64 else torch.float32
        e_0, e_p, e_s = (prediction.to(work) for prediction in (e_0, e_p, evaluate_concept()))
        gain = 1.0 if self._gain is None else self._gain(float(torch.as_tensor(timestep).flatten()[0]))
        if gain != 1:
            e_0, e_p, e_s = (gain * prediction for prediction in (e_0, e_p, e_s))
        gamma, self._memory = self._course.safety.guide(e_0, e_p, e_s, self._memory)
        if (gamma.shape, gamma.dtype) != (e_0.shape, e_0.dtype):
            raise InputError(
                f"safety guidance must return {e_0.dtype} of the shape {tuple(e_0.shape)}, as it was given, found "
                f"{gamma.dtype} of {tuple(gamma.shape)} from {type(self._course.safety).__name__}: correct it"
            )
        if not self._course.acts(call):
            return None
        if gain == 1:
            return gamma
        return gamma / gain if gain else torch.zeros_like(gamma)
