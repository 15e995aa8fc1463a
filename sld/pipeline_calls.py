"""A call of one of diffusers' pipelines, seen from a hook inside of it: its arguments, and its denoiser's inputs."""

import inspect
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from torch import Tensor

from sld.errors import InputError
from sld.pipelines import GuidedPipeline, Inputs


def check_call(pipe: Any, how: GuidedPipeline, arguments: Mapping[str, Any]) -> None:
    """Raise `InputError` if a call of a pipeline guides in another way than plainly by one prompt and its negative."""
    name = type(pipe).__name__
    if arguments.get("guidance_rescale"):
        raise InputError(
            f"guidance_rescale must be 0 while safety guidance is attached, found {arguments['guidance_rescale']!r} in "
            f"a call of {name}: the pipeline would rescale by a prediction that safety guidance changes; leave it out"
        )
    for argument in ("ip_adapter_image", "ip_adapter_image_embeds"):
        if arguments.get(argument) is not None:
            raise InputError(
                f"{argument} must be None while safety guidance is attached, found one in a call of {name}: a picture "
                "that steers beside the prompt is not part of the method; leave it out"
            )
    negative = ("negative_prompt", "negative_prompt_embeds")
    if not how.together and arguments[how.scale] > 1 and all(arguments.get(argument) is None for argument in negative):
        raise InputError(
            f"a call of {name} must have a negative prompt while safety guidance is attached, found none: without one "
            "the pipeline makes no unconditional prediction; give a negative_prompt, which may be an empty text"
        )


def arguments_of_the_call(pipe: Any) -> Mapping[str, Any] | None:
    """Return the arguments, and other local names, of the pipeline's call that this runs in; None outside of one.

    Pipelines keep few of their arguments, and hand none to a hook: only the call's own frame has, for example, FLUX's
    true_cfg_scale.
    """
    code = inspect.unwrap(type(pipe).__call__).__code__
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is code and frame.f_locals.get("self") is pipe:
            return frame.f_locals
        frame = frame.f_back
    return None


def for_the_prompt(inputs: Any, batch: int, rows: int) -> Any:
    """Return a denoiser's inputs for the last `rows` rows of a batch, which are the prompts'.

    Args:
        inputs: tensors, or tuples, lists and dictionaries of them; whatever else there is stays.
        batch: rows of tensors that belong to the whole batch; other tensors stay.
        rows: how many to keep.
    """
    if isinstance(inputs, Tensor):
        return inputs[batch - rows :] if inputs.ndim and len(inputs) == batch else inputs
    if isinstance(inputs, dict):
        return {name: for_the_prompt(value, batch, rows) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return type(inputs)([for_the_prompt(value, batch, rows) for value in inputs])
    return inputs


def with_text(inputs: Inputs, text: Inputs, rows: int) -> Inputs:
    """Return a denoiser's inputs with those of one text in place of the prompts', in `rows` rows."""
    changed = {
        name: with_text(inputs.get(name) or {}, value, rows)
        if isinstance(value, dict)
        else value.expand(rows, *value.shape[1:])
        if len(value) == 1
        else value
        for name, value in text.items()
    }
    return inputs | changed
