"""Safety guidance beside somebody else's denoising loop, which does the sampling, the guidance and the steps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sld.errors import InputError
from sld.gain import noise_gain, prediction_type
from sld.methods import Method
from sld.safety import SafetyGuidance
from sld.trajectories import Course


def read_method(preset: str | SafetyGuidance, concept: str, space: str | None, name: str) -> Method:
    """Return what a caller asks for as a method.

    Args:
        preset: a key of `PRESETS`, a `SafetyPreset` or other `SafetyGuidance`.
        concept: the text that safety guidance steers away from.
        space: "epsilon", "output" or None.
        name: what the caller is called in errors.

    Raises:
        InputError: one of these is something else.
    """
    if preset is None:
        raise InputError(
            f"preset of {name} must be a name, a SafetyPreset or other SafetyGuidance, found None: give one"
        )
    return Method(name, preset=preset, concept=concept, space=space)


class SafetyRun:
    """Safety guidance over the denoiser calls of one run: the position in the warm-up, and the memory.

    Args:
        method: whose safety guidance is applied; without one, gamma is always None.
        scheduler: of the run, which knows what the denoiser predicts; None for epsilon.
        space: "epsilon" or "output", for a method that leaves it open.
    """

    def __init__(self, method: Method, scheduler: Any, space: str):
        # A timestep is read only where it matters, since that waits for the device.
        differs = scheduler is not None and prediction_type(scheduler) != "epsilon"
        in_epsilon = differs and (method.space or space) == "epsilon"
        self._course = Course((method.name,), "", None, method.safety, method.concept, in_epsilon, thrifty=True)
        self._scheduler = scheduler
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
        predictions = (prediction.to(work) for prediction in (e_0, e_p, evaluate_concept()))
        gain = 1.0
        if self._course.in_epsilon:
            gain = noise_gain(self._scheduler, float(torch.as_tensor(timestep).flatten()[0]))
        gamma, self._memory = self._course.guide(*predictions, self._memory, gain)
        return gamma if self._course.acts(call) else None
