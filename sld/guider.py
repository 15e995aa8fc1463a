"""Safe Latent Diffusion as a guider of diffusers' modular pipelines. Experimental, as diffusers' guiders are."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.guiders.guider_utils import BaseGuidance, GuiderOutput
from diffusers.modular_pipelines.modular_pipeline import BlockState, PipelineState
from torch import Tensor

from sld.errors import InputError
from sld.guidance import guided
from sld.pipelines import check_not_distilled
from sld.presets import CONCEPT, SafetyPreset
from sld.safety import SafetyGuidance
from sld.safety_run import SafetyRun, read_method

_PIPELINES = ("StableDiffusionXLModularPipeline", "StableDiffusion3ModularPipeline")
# What a text encoding block makes, by the names under which the denoisers' blocks hand it to a guider.
_EMBEDDINGS = {"prompt_embeds": "prompt_embeds", "encoder_hidden_states": "prompt_embeds"}
_POOLED = {"text_embeds": "pooled_prompt_embeds"}


class SafeLatentGuidance(BaseGuidance):
    """Classifier-free guidance with SLD's safety guidance, by three conditions: prompt, negative prompt, concept.

        guider = sld.SafeLatentGuidance(guidance_scale=7.5, preset="medium")
        pipe.update_components(guider=guider)
        guider.encode(pipe)
        images = pipe(prompt="…", negative_prompt="").images

    Args:
        guidance_scale: s_g; 1 or less switches all guidance off.
        preset: a key of `PRESETS`, a `SafetyPreset`, or its fields as a dictionary, as a saved guider has them.
        concept: the text that safety guidance steers away from.
        space: "epsilon" (the default) or "output", see `sld.attach`.

    Raises:
        InputError: an argument cannot be used; later, that the pipeline gives no negative prompt.
    """

    _input_predictions: ClassVar[list[str]] = ["pred_cond", "pred_uncond", "pred_concept"]

    @register_to_config
    def __init__(
        self,
        guidance_scale: float = 7.5,
        preset: str | SafetyPreset | Mapping[str, float] = "medium",
        concept: str = CONCEPT,
        space: str | None = None,
    ):
        super().__init__()
        if isinstance(preset, Mapping):
            preset = _preset_from(preset)
        if isinstance(preset, SafetyGuidance) and type(preset) is not SafetyPreset:
            raise InputError(
                "preset of SafeLatentGuidance must be a name or a SafetyPreset, which can be saved as numbers, found a "
                f"{type(preset).__name__}: give one of these, or attach it to a plain pipeline by sld.attach"
            )
        # diffusers takes arguments by position for defaults, and leaves them out of copies.
        saved = dataclasses.asdict(preset) if isinstance(preset, SafetyPreset) else preset
        self.register_to_config(preset=saved, _use_default_values=[])
        self.guidance_scale = guidance_scale
        self._method = read_method(preset, concept, space, "SafeLatentGuidance")
        self._pipe: Any = None
        self._concept: dict[str, Tensor] | None = None
        self._run: SafetyRun | None = None

    def encode(self, pipe: Any) -> "SafeLatentGuidance":
        """Encode the concept with a pipeline's own text encoders and return the guider.

        Call it again if they change.

        Args:
            pipe: a modular pipeline of SDXL or SD 3, with its text encoders loaded.

        Raises:
            InputError: it is another pipeline, or its denoiser was trained to need no guidance.
        """
        names = [kind.__name__ for kind in type(pipe).__mro__]
        if not set(names) & set(_PIPELINES):
            raise InputError(
                f"the pipeline of SafeLatentGuidance must be a {' or '.join(_PIPELINES)}, found a {names[0]}: use one "
                "of these, or sld.attach for diffusers' other pipelines"
            )
        # First: a pipeline without it has no text encoders to load.
        blocks = pipe.blocks.sub_blocks
        if "text_encoder" not in blocks:
            raise InputError(
                f"the pipeline of SafeLatentGuidance must encode texts, found no block text_encoder in a {names[0]}: "
                "encode the concept with the pipeline that encodes the prompts"
            )
        denoiser = pipe.components.get("unet") or pipe.components.get("transformer")
        if denoiser is None or pipe.components.get("text_encoder_2") is None:
            raise InputError(
                f"the pipeline of SafeLatentGuidance must have its parts, found a {names[0]} without denoiser or text "
                "encoders: call its load_components first"
            )
        check_not_distilled(denoiser)
        state = PipelineState()
        state.set("prompt", self._method.concept)
        _, state = blocks["text_encoder"](pipe, state)
        self._concept = {name: state.get(name) for name in ("prompt_embeds", "pooled_prompt_embeds")}
        self._pipe = pipe
        return self

    def new(self, **changes: Any) -> "SafeLatentGuidance":
        """Return a copy with other arguments; it keeps what `encode` made, unless the concept is another.

        Args:
            changes: arguments of the class.
        """
        other = super().new(**changes)
        if other._method.concept == self._method.concept:
            other._concept, other._pipe = self._concept, self._pipe
        return other

    def set_state(self, step: int, num_inference_steps: int, timestep: Tensor) -> None:
        """Tell the guider the denoiser call; call 0 clears the momentum, as every run of a pipeline begins with it."""
        super().set_state(step, num_inference_steps, timestep)
        if step == 0:
            # Without `encode` there is no pipeline yet, and nothing to guide by.
            scheduler = None if self._pipe is None else self._pipe.scheduler
            self._run = SafetyRun(self._method, scheduler, "epsilon")

    def prepare_inputs(self, data: Mapping[str, Any]) -> list[BlockState]:
        """Return the denoiser's inputs for each condition.

        Args:
            data: by name, inputs for (prompt, negative prompt), (B, …) each, or a tensor for both.

        Raises:
            InputError: the concept is not encoded, there is no negative prompt, or an IP-Adapter steers beside it.
        """
        if self.num_conditions == 1:
            return [self._prepare_batch(data, 0, "pred_cond")]
        if self._concept is None:
            raise InputError(
                "the concept of SafeLatentGuidance must be encoded before the pipeline runs, found that it is not: "
                "call encode of the guider with the pipeline"
            )
        texts = {name: value for name, value in data.items() if name in _EMBEDDINGS}
        if not all(isinstance(value, tuple) and value[1] is not None for value in texts.values()):
            raise InputError(
                "the pipeline of SafeLatentGuidance must get a negative prompt, found none, without which it makes no "
                "unconditional prediction: give a negative_prompt, which may be an empty text"
            )
        if data.get("image_embeds", (None,))[0] is not None:
            raise InputError(
                "the pipeline of SafeLatentGuidance must be steered by texts alone, found an IP-Adapter's picture: "
                "leave it out"
            )
        prompt, negative, concept = (
            self._prepare_batch(data, index, name)
            for index, name in zip((0, 1, 0), self._input_predictions, strict=True)
        )
        for name, source in (_EMBEDDINGS | _POOLED).items():
            if name in data:
                rows = len(getattr(prompt, name))
                value = self._concept[source]
                setattr(concept, name, value.expand(rows, *value.shape[1:]))
        return [prompt, negative, concept]

    def forward(
        self, pred_cond: Tensor, pred_uncond: Tensor | None = None, pred_concept: Tensor | None = None
    ) -> GuiderOutput:
        """Return the guided prediction, in the dtype of the predictions.

        Args:
            pred_cond: e_p, (B, …).
            pred_uncond: e_0.
            pred_concept: e_s.
        """
        if pred_uncond is None:
            return GuiderOutput(pred=pred_cond, pred_cond=pred_cond, pred_uncond=None)
        work = torch.float64 if pred_cond.dtype == torch.float64 else torch.float32
        e_0, e_p = pred_uncond.to(work), pred_cond.to(work)
        gamma = self._run.gamma(e_0, e_p, self._timestep, lambda: pred_concept)
        pred = guided(e_0, e_p, gamma, torch.tensor(self.guidance_scale, dtype=work, device=e_p.device))
        return GuiderOutput(pred=pred.to(pred_cond.dtype), pred_cond=pred_cond, pred_uncond=pred_uncond)

    @property
    def is_conditional(self) -> bool:
        """Whether the denoiser's next inputs are not those of the negative prompt."""
        return self._count_prepared != 2

    @property
    def num_conditions(self) -> int:
        """How often the denoiser is called at each step."""
        return 3 if self._enabled and self.guidance_scale > 1 else 1


def _preset_from(numbers: Mapping[str, Any]) -> SafetyPreset:
    names = [field.name for field in dataclasses.fields(SafetyPreset)]
    if set(numbers) != set(names):
        raise InputError(
            f"preset of SafeLatentGuidance must be a name, a SafetyPreset or a dictionary of {', '.join(names)}, found "
            f"one of {', '.join(map(str, numbers)) or 'nothing'}: give these"
        )
    return SafetyPreset(**numbers)
