"""Stable Diffusion XL, the base model: two CLIP text encoders, a UNet that is told the picture's size, a VAE."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from sld.checkpoints.family import Component, Family
from sld.errors import InputError
from sld.models.base import LatentDiffusion
from sld.models.clip import ClipPair
from sld.models.networks import WholeDenoiser
from sld.schedulers import STABLE_DIFFUSION

_SIZES = 6  # numbers of the size conditioning: original height and width, top and left of the crop, target size


class StableDiffusionXL(LatentDiffusion):
    """Stable Diffusion XL base.

    Source: diffusers' StableDiffusionXLPipeline. The UNet's first convolution apart, nothing of it is free of text,
    since the pooled text is part of the embedding of the timestep; so texts alone are shared.
    """

    family = "stable-diffusion-xl"
    # The configuration of the base model on the hub.
    standard = MappingProxyType(STABLE_DIFFUSION | {"timestep_spacing": "leading"})

    def __init__(self, parts: Mapping[str, Any], *, index: Mapping[str, Any], **options: Any):
        super().__init__(parts, index=index, **options)
        self.stages = WholeDenoiser(self._run)
        self._clips = ClipPair(parts, self.device, self.dtype)
        self.texts = min(self._clips.texts, key=lambda texts: texts.length)
        self._zeros = index.get("force_zeros_for_empty_prompt", True)

    def _decodes_in_half(self) -> bool:
        return not self.vae.config.force_upcast

    def encode(self, texts: Sequence[str | None], height: int, width: int) -> tuple[Tensor, ...]:
        """Return embeddings (N, tokens, K), pooled embeddings (N, P) and size conditioning (N, 6), a row per text.

        Pictures count as never scaled or cropped: their conditioning is (height, width, 0, 0, height, width).
        """
        sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=self.dtype, device=self.device)
        return *super().encode(texts, height, width), sizes.expand(len(texts), -1)

    def _encode(self, texts: Sequence[str | None]) -> tuple[Tensor, ...]:
        # The second encoder alone projects.
        hidden, (_, pooled) = self._clips.encode([text or "" for text in texts])
        zeros = [row for row, text in enumerate(texts) if text is None and self._zeros]
        for encoded in (hidden, pooled):
            encoded[zeros] = 0
        return hidden, pooled

    def _run(self, latents: Tensor, timestep: Tensor, embeddings: Tensor, pooled: Tensor, sizes: Tensor) -> Tensor:
        conditions = {"text_embeds": pooled, "time_ids": sizes}
        return self.network(latents, timestep, embeddings, added_cond_kwargs=conditions, return_dict=False)[0]

    def _scaled(self, config: Mapping[str, Any], latents: Tensor) -> Tensor:
        mean, deviation = config.get("latents_mean"), config.get("latents_std")
        if mean is None or deviation is None:
            return latents / config["scaling_factor"]
        mean, deviation = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (mean, deviation))
        return latents * deviation / config["scaling_factor"] + mean


def check_base(unet: Mapping[str, Any], pooled: int, source: str) -> None:
    """Raise `InputError` unless a UNet is that of the base model, which the refiner's is not.

    Args:
        unet: its configuration.
        pooled: the width of the second text encoder's pooled output.
        source: the checkpoint, as the error names it.
    """
    expected = (unet.get("addition_time_embed_dim") or 0) * _SIZES + pooled
    found = unet.get("projection_class_embeddings_input_dim")
    if unet.get("addition_embed_type") == "text_time" and found == expected:
        return
    raise InputError(
        f"{source} must hold the UNet of a Stable Diffusion XL base model, conditioned on {_SIZES} numbers of the "
        f"picture's size ({expected} values with the text), found one of {found}, as of a refiner: give the base model"
    )


FAMILY = Family(
    name=StableDiffusionXL.family,
    title="Stable Diffusion XL",
    pipelines=("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"),
    components=(
        Component("unet", "UNet2DConditionModel"),
        Component("vae", "AutoencoderKL"),
        Component("text_encoder", "CLIPTextModel", accepted=("CLIPTextModelWithProjection", "CLIPModel")),
        Component("text_encoder_2", "CLIPTextModelWithProjection", accepted=("CLIPModel",)),
    ),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"},
    check=lambda configs, source: check_base(configs["unet"], configs["text_encoder_2"]["projection_dim"], source),
    model=StableDiffusionXL,
)
