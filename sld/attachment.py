"""Safety guidance attached to a pipeline of diffusers, which stays as it is.

Plain guidance with e_p - gamma in place of the prompt's prediction e_p is guidance with SLD:

    e_0 + s_g (e_p - gamma - e_0) = e_0 + s_g ((e_p - e_0) - gamma)        arXiv 2211.05105, equation 3

so a hook behind the denoiser is enough, and sampling, schedulers, ControlNets, masks and pictures to start from remain
the pipeline's. A pipeline that calls its denoiser for the prompt and then for the negative prompt has used neither
prediction when the second call returns; the same follows from another e_0:

    e_0' + s_g (e_p - e_0') = e_0 + s_g (e_p - e_0) - s_g gamma        with e_0' = e_0 + s_g / (s_g - 1) gamma
"""

import contextlib
import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sld.errors import InputError, first_line
from sld.methods import Method
from sld.pipeline_calls import arguments_of_the_call, check_call, for_the_prompt, with_text
from sld.pipelines import GuidedPipeline, Inputs, recognise
from sld.presets import CONCEPT
from sld.safety import SafetyGuidance
from sld.safety_run import SafetyRun, read_method

log = logging.getLogger(__name__)


def attach(
    pipe: Any, preset: str | SafetyGuidance = "medium", concept: str = CONCEPT, space: str | None = None
) -> "Attachment":
    """Return a context in which calls of a pipeline are guided safely, with the pictures of `sld.sample`.

        with sld.attach(pipe, preset="strong"):
            images = pipe(prompts, negative_prompt=negative_prompts).images

    It may hold any number of calls, each of which starts anew. A call without guidance (a scale of 1 or less) remains
    as it is, as in the paper. Everything that reads the prompt, a ControlNet too, reads the concept in its place for
    the concept's prediction. Leaving the context leaves the pipeline as it was.

    Args:
        pipe: of a class of `sld.pipelines.PIPELINES`.
        preset: a key of `PRESETS`, a `SafetyPreset` or other `SafetyGuidance`.
        concept: the text that safety guidance steers away from; it is encoded as the prompts of a call are.
        space: "epsilon": gamma is that of the noises which the predictions imply, see `sld.gain`; "output": of the
            predictions as they are; None: "output" for Stable Diffusion 1.x and 2.x, otherwise "epsilon". They only
            differ for models that predict something else than noise.

    Raises:
        InputError: the pipeline or an argument cannot be used; so do calls of the pipeline that guide in another way.
    """
    how = recognise(pipe)
    attachment = Attachment(pipe, how, read_method(preset, concept, space, "sld.attach"))
    attachment.check_alone()
    return attachment


@dataclass
class _Call:
    """A call of the pipeline."""

    run: SafetyRun
    text: Inputs
    scale: float
    prompt: tuple[Inputs, Tensor] | None = None
    """The denoiser's inputs and prediction for the prompt, until those for the negative prompt are there."""
    control: tuple[tuple, Inputs] | None = None
    """The inputs of the last call of the ControlNet."""


class Attachment(contextlib.AbstractContextManager):
    """A context made by `attach`."""

    def __init__(self, pipe: Any, how: GuidedPipeline, method: Method):
        self._pipe, self._how, self._method = pipe, how, method
        self._scheduler, self._denoiser = pipe.scheduler, getattr(pipe, how.denoiser)
        self._control = getattr(pipe, "controlnet", None)
        self._call: _Call | None = None
        self._evaluating = False
        self._undo = contextlib.ExitStack()

    def check_alone(self) -> None:
        """Raise `InputError` if something is attached to the pipeline's denoiser already."""
        if any(
            isinstance(getattr(hook, "__self__", None), Attachment) for hook in self._denoiser._forward_hooks.values()
        ):
            raise InputError(
                f"sld.attach must be in force once, found the {type(self._pipe).__name__}'s denoiser attached already: "
                "leave the first context before, or describe both concepts in one text"
            )

    def __enter__(self) -> Any:
        self.check_alone()
        with contextlib.ExitStack() as undo:
            handle = self._denoiser.register_forward_hook(self._after_denoiser, with_kwargs=True)
            undo.callback(handle.remove)
            if self._control is not None:
                handle = self._control.register_forward_hook(self._after_control, with_kwargs=True)
                undo.callback(handle.remove)
            own = vars(self._scheduler)
            former = {"set_timesteps": own["set_timesteps"]} if "set_timesteps" in own else {}
            own["set_timesteps"] = self._starting(self._scheduler.set_timesteps)
            undo.callback(own.update, former)
            undo.callback(own.pop, "set_timesteps")
            self._undo = undo.pop_all()
        return self._pipe

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        call, self._call = self._call, None
        self._undo.close()
        if call is not None and isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError):
            self._explain(error, call.text)

    def _explain(self, error: RuntimeError, text: Inputs) -> None:
        """Raise `InputError` if a call failed in which texts and the denoiser are of different dtypes.

        Whether the two fit is known only now: autocast, quantisation and adapters let some of them work together.
        """
        found, own = text["encoder_hidden_states"].dtype, self._denoiser.dtype
        if found != own:
            raise InputError(
                f"pipe must have text encoders and a {self._how.denoiser} of the same dtype, found {found} and {own} "
                f"({first_line(error)}): load it with from_pretrained(…, torch_dtype={own})"
            ) from error

    def _starting(self, set_timesteps):
        """Return the scheduler's `set_timesteps`, which every call of a pipeline begins with, followed by a start."""

        @functools.wraps(set_timesteps)  # pipelines look at its parameters
        def set_timesteps_and_start(*args, **kwargs):
            result = set_timesteps(*args, **kwargs)
            arguments = arguments_of_the_call(self._pipe)
            if arguments is not None:
                self._check_parts()
                check_call(self._pipe, self._how, arguments)
                self._call = self._start(arguments)
            return result

        return set_timesteps_and_start

    def _check_parts(self) -> None:
        own = {"scheduler": self._scheduler, self._how.denoiser: self._denoiser, "controlnet": self._control}
        for name, part in own.items():
            if (present := getattr(self._pipe, name, None)) is not part:
                raise InputError(
                    f"pipe.{name} must remain the same while safety guidance is attached, found another one, a "
                    f"{type(present).__name__}: exchange it before sld.attach"
                )

    def _start(self, arguments: Mapping[str, Any]) -> _Call | None:
        scale = arguments[self._how.scale]
        if scale <= 1:
            log.warning(
                "%s of %g switches guidance off in this call, and safety guidance with it", self._how.scale, scale
            )
            return None
        text = self._how.encode(self._pipe, self._method.concept, arguments)
        return _Call(SafetyRun(self._method, self._scheduler, self._how.space), text, scale)

    def _after_control(self, _: nn.Module, args: tuple, kwargs: Inputs, __: Any) -> None:
        if self._call is not None and not self._evaluating:
            self._call.control = args, kwargs

    def _after_denoiser(self, _: nn.Module, args: tuple, kwargs: Inputs, output: Any) -> Any:
        """Return what the pipeline gets as its denoiser's output; None leaves it as it is."""
        if self._evaluating or arguments_of_the_call(self._pipe) is None:
            return None
        self._check_parts()
        # SD 3's extra evaluations with skipped layers are guidance of another kind, which is added to this.
        if self._call is None or kwargs.get("skip_layers") is not None:
            return None
        # Compiled with CUDA graphs, the denoiser would write the concept's prediction into the same memory.
        prediction, *rest = output[0].clone(), *output[1:]
        guide = self._guide_batch if self._how.together else self._guide_second
        changed = guide(self._call, args, kwargs, prediction)
        return (prediction if changed is None else changed.to(prediction.dtype), *rest)

    def _guide_batch(self, call: _Call, args: tuple, kwargs: Inputs, prediction: Tensor) -> Tensor | None:
        if not getattr(self._pipe, "do_classifier_free_guidance", True):  # a callback may switch it off in the middle
            return None
        e_0, e_p = prediction.chunk(2)
        batch, rows = len(prediction), len(e_p)

        def evaluate() -> Tensor:
            inputs = for_the_prompt((args, kwargs), batch, rows)
            return self._evaluate(call, *inputs, rows)

        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        gamma = call.run.gamma(e_0, e_p, timestep, evaluate)
        if gamma is None:
            return None
        return torch.cat([e_0.to(gamma.dtype), e_p - gamma])

    def _guide_second(self, call: _Call, args: tuple, kwargs: Inputs, prediction: Tensor) -> Tensor | None:
        if call.prompt is None:
            call.prompt = kwargs, prediction
            return None
        (inputs, e_p), call.prompt = call.prompt, None

        def evaluate() -> Tensor:
            return self._evaluate(call, args, inputs, len(e_p))

        gamma = call.run.gamma(prediction, e_p, self._pipe.current_timestep, evaluate)
        return None if gamma is None else prediction + call.scale / (call.scale - 1) * gamma

    def _evaluate(self, call: _Call, args: tuple, kwargs: Inputs, rows: int) -> Tensor:
        """Return the denoiser's prediction for the concept, from its inputs for the prompts."""
        self._evaluating = True
        try:
            kwargs = with_text(kwargs, call.text, rows)
            if call.control is not None:
                control_args, control_kwargs = for_the_prompt(call.control, len(call.control[0][0]), rows)
                down, middle = self._control(*control_args, **with_text(control_kwargs, call.text, rows))
                kwargs |= {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
            # Whatever a cache keeps from the call before is of another text.
            cache_context = getattr(self._denoiser, "cache_context", contextlib.nullcontext)
            with cache_context("concept"):
                return self._denoiser(*args, **kwargs)[0]
        finally:
            self._evaluating = False
