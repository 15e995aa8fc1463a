"""Which of diffusers' pipelines safety guidance can be attached to, and how each reads a text and guides.

What all of diffusers' pipelines do is in docs/pipelines.md, which scripts/pipeline_table.py makes from their source.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sld.errors import InputError

Inputs = dict[str, Any]
"""Keyword arguments of a denoiser, some of which are such dictionaries themselves."""


@dataclass(frozen=True)
class GuidedPipeline:
    """How a pipeline guides.

    Attributes:
        denoiser: the name of its denoiser.
        texts: names of the text encoders that it needs.
        encode: returns the denoiser's inputs for one text: (pipeline, text, arguments of the pipeline's call).
        space: where safety guidance is computed by default, see `sld.attach`.
        scale: the argument with the guidance scale.
        together: whether one call of the denoiser evaluates the negative prompt and then the prompt, in one batch;
            otherwise there is a call for the prompt and then one for the negative prompt.
    """

    denoiser: str
    texts: tuple[str, ...]
    encode: Callable[[Any, str, Mapping[str, Any]], Inputs]
    space: str = "epsilon"
    scale: str = "guidance_scale"
    together: bool = True


def _scale_of_lora(arguments: Mapping[str, Any], name: str) -> float | None:
    return (arguments.get(name) or {}).get("scale")


def _encode_sd(pipe, text: str, arguments: Mapping[str, Any]) -> Inputs:
    embeddings, _ = pipe.encode_prompt(
        text,
        pipe._execution_device,
        1,
        do_classifier_free_guidance=False,
        lora_scale=_scale_of_lora(arguments, "cross_attention_kwargs"),
        clip_skip=arguments.get("clip_skip"),
    )
    return {"encoder_hidden_states": embeddings}


def _encode_sdxl(pipe, text: str, arguments: Mapping[str, Any]) -> Inputs:
    embeddings, _, pooled, _ = pipe.encode_prompt(
        text,
        do_classifier_free_guidance=False,
        lora_scale=_scale_of_lora(arguments, "cross_attention_kwargs"),
        clip_skip=arguments.get("clip_skip"),
    )
    return {"encoder_hidden_states": embeddings, "added_cond_kwargs": {"text_embeds": pooled}}


def _encode_sd3(pipe, text: str, arguments: Mapping[str, Any]) -> Inputs:
    embeddings, _, pooled, _ = pipe.encode_prompt(
        text,
        None,
        None,
        do_classifier_free_guidance=False,
        clip_skip=arguments.get("clip_skip"),
        max_sequence_length=arguments["max_sequence_length"],
        lora_scale=_scale_of_lora(arguments, "joint_attention_kwargs"),
    )
    return {"encoder_hidden_states": embeddings, "pooled_projections": pooled}


def _encode_flux(pipe, text: str, arguments: Mapping[str, Any]) -> Inputs:
    embeddings, pooled, ids = pipe.encode_prompt(
        text,
        None,
        max_sequence_length=arguments["max_sequence_length"],
        lora_scale=_scale_of_lora(arguments, "joint_attention_kwargs"),
    )
    return {"encoder_hidden_states": embeddings, "pooled_projections": pooled, "txt_ids": ids}


def _encode_pixart(pipe, text: str, arguments: Mapping[str, Any]) -> Inputs:
    embeddings, mask, _, _ = pipe.encode_prompt(
        text,
        do_classifier_free_guidance=False,
        clean_caption=arguments["clean_caption"],
        max_sequence_length=arguments["max_sequence_length"],
    )
    return {"encoder_hidden_states": embeddings, "encoder_attention_mask": mask}


_SD = GuidedPipeline("unet", ("text_encoder",), _encode_sd, space="output")
_SDXL = GuidedPipeline("unet", ("text_encoder_2",), _encode_sdxl)
_SD3 = GuidedPipeline("transformer", ("text_encoder", "text_encoder_2"), _encode_sd3)
_PIXART = GuidedPipeline("transformer", ("text_encoder",), _encode_pixart)
_FLUX = GuidedPipeline(
    "transformer", ("text_encoder", "text_encoder_2"), _encode_flux, scale="true_cfg_scale", together=False
)

# Each is tested in tests/sld/test_attach*.py.
PIPELINES: Mapping[str, GuidedPipeline] = MappingProxyType(
    {
        "StableDiffusionPipeline": _SD,
        "StableDiffusionImg2ImgPipeline": _SD,
        "StableDiffusionInpaintPipeline": _SD,
        "StableDiffusionControlNetPipeline": _SD,
        "StableDiffusionControlNetImg2ImgPipeline": _SD,
        "StableDiffusionControlNetInpaintPipeline": _SD,
        "StableDiffusionXLPipeline": _SDXL,
        "StableDiffusionXLImg2ImgPipeline": _SDXL,
        "StableDiffusionXLInpaintPipeline": _SDXL,
        "StableDiffusionXLControlNetPipeline": _SDXL,
        "StableDiffusionXLControlNetImg2ImgPipeline": _SDXL,
        "StableDiffusionXLControlNetInpaintPipeline": _SDXL,
        "StableDiffusion3Pipeline": _SD3,
        "StableDiffusion3Img2ImgPipeline": _SD3,
        "StableDiffusion3InpaintPipeline": _SD3,
        "PixArtSigmaPipeline": _PIXART,
        "FluxPipeline": _FLUX,
    }
)


def recognise(pipe: Any) -> GuidedPipeline:
    """Return how a pipeline guides.

    Raises:
        InputError: it is of no class that safety guidance can be attached to, or cannot encode a text, or its denoiser
            was trained to need no guidance or is steered by a picture.
    """
    kind = _class_with_the_loop(type(pipe))
    how = PIPELINES.get(kind.__name__)
    if how is None or kind.__module__.partition(".")[0] != "diffusers":
        raise InputError(
            f"pipe must be one of diffusers' {', '.join(PIPELINES)}, found a {type(pipe).__name__}{_reason(kind)}: use "
            "one of these; docs/pipelines.md says how others guide"
        )
    missing = [name for name in how.texts if getattr(pipe, name) is None]
    if missing:
        raise InputError(
            f"pipe must have its text encoders, which encode the concept, found no {missing[0]} in a "
            f"{type(pipe).__name__}: load the pipeline with it"
        )
    denoiser = getattr(pipe, how.denoiser)
    check_not_distilled(denoiser)
    projection = type(getattr(denoiser, "encoder_hid_proj", None)).__name__
    if projection == "MultiIPAdapterImageProjection" or getattr(denoiser, "image_proj", None) is not None:
        raise InputError(
            f"pipe.{how.denoiser} must be steered by texts alone, found an IP-Adapter loaded: a picture that steers "
            "beside the prompt is not part of the method; call unload_ip_adapter of the pipeline first"
        )
    if getattr(denoiser, "_compiled_call_impl", None) is not None:
        raise InputError(
            f"pipe.{how.denoiser} must run hooks, found it compiled in place, where later hooks are ignored: compile "
            "it by torch.compile and assign the result to the pipeline"
        )
    return how


def check_not_distilled(denoiser: Any) -> None:
    """Raise `InputError` if a denoiser gets the guidance scale as a number, and so no unconditional call."""
    if getattr(denoiser.config, "time_cond_proj_dim", None) is not None:
        raise InputError(
            "a pipeline must have a denoiser that is guided by a negative prompt, found time_cond_proj_dim in its "
            "configuration: it is distilled, gets the guidance scale as a number and has no unconditional prediction, "
            "which safety guidance needs; use the model that it was distilled from"
        )


def _class_with_the_loop(kind: type) -> type:
    """Return the class whose sampling loop a pipeline class runs: a subclass may add to it, but not change it."""
    return next((base for base in kind.__mro__ if "__call__" in vars(base)), kind)


def _reason(kind: type) -> str:
    if "PAG" in kind.__name__:
        return ", whose guidance has a third branch"
    if kind.__module__.startswith("diffusers.modular_pipelines"):
        return ", for which there is sld.SafeLatentGuidance"
    return ", whose guidance is not known here"
