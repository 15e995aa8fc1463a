"""Stable Diffusion 3 and 3.5: two CLIP text encoders, T5 or none, a transformer trained by flow matching, a VAE."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sld import stepping
from sld.checkpoints.family import Component, Family
from sld.errors import InputError
from sld.models.base import LatentDiffusion
from sld.models.clip import ClipPair
from sld.models.networks import WholeDenoiser, check_channels, placed
from sld.models.text import Texts

# As in diffusers' pipeline; schedulers that are not for flows alone have no settings of their own for the shift.
_T5_TOKENS = 256
_SHIFTS = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5, "max_shift": 1.16}


class StableDiffusion3(LatentDiffusion):
    """Stable Diffusion 3 or 3.5; without its third text encoder, T5's embeddings are zeros.

    Source: diffusers' StableDiffusion3Pipeline. Every block sees texts and latents together, so texts alone are shared.
    """

    family = "stable-diffusion-3"
    denoiser = "transformer"
    standard = MappingProxyType({})
    flow = True

    def __init__(self, parts: Mapping[str, Any], **options: Any):
        super().__init__(parts, **options)
        self.stages = WholeDenoiser(self._run)
        self.multiple = self.network.config.patch_size
        self._clips = ClipPair(parts, self.device, self.dtype)
        self._t5, beside = None, ""
        if parts.get("text_encoder_3") is not None:
            texts = Texts(parts["tokenizer_3"], parts["text_encoder_3"].config, _T5_TOKENS)
            self._t5 = texts, placed(parts["text_encoder_3"], self.device, self.dtype)
            beside = f" (CLIP's; T5 reads {_T5_TOKENS})"
        self.texts = Texts(parts["tokenizer"], parts["text_encoder"].config, beside=beside)

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return (C, h, w) of the latents of one picture; see `LatentDiffusion`.

        Raises:
            InputError: a side is no multiple of the pixels per patch, or longer than the positions that were learned.
        """
        shape = super().latent_shape(height, width)
        longest = self.network.config.pos_embed_max_size * self.multiple * self._factor
        for name, value in (("height", height), ("width", width)):
            if value > longest:
                raise InputError(f"{name} must be at most {longest} pixels for this model, found {value}: lower it")
        return shape

    def start(self, steps: int, height: int, width: int) -> Any:
        """Return a fresh scheduler with its timesteps set, shifted by the picture's size if it is configured so."""
        settings = self.scheduler.config
        if not settings.get("use_dynamic_shifting"):
            return stepping.start(self.scheduler, steps)
        from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

        patch = self._factor * self.multiple
        shifts = (settings.get(name, default) for name, default in _SHIFTS.items())
        shift = calculate_shift((height // patch) * (width // patch), *shifts)
        return stepping.start(self.scheduler, steps, mu=shift)

    def _encode(self, texts: Sequence[str | None]) -> tuple[Tensor, ...]:
        texts = [text or "" for text in texts]
        clip, pooled = self._clips.encode(texts)
        t5 = self._encode_t5(texts)
        clip = F.pad(clip, (0, t5.shape[-1] - clip.shape[-1]))
        return torch.cat([clip, t5], dim=1), torch.cat(pooled, dim=-1)

    def _encode_t5(self, texts: Sequence[str]) -> Tensor:
        if self._t5 is None:
            width = self.network.config.joint_attention_dim
            return torch.zeros(len(texts), _T5_TOKENS, width, dtype=self.dtype, device=self.device)
        reader, encoder = self._t5
        return encoder(reader.read(texts).input_ids.to(self.device))[0].to(self.dtype)

    def _run(self, latents: Tensor, timestep: Tensor, embeddings: Tensor, pooled: Tensor) -> Tensor:
        timesteps = timestep.expand(len(latents))
        return self.network(latents, embeddings, pooled, timesteps, return_dict=False)[0]

    def _scaled(self, config: Mapping[str, Any], latents: Tensor) -> Tensor:
        return latents / config["scaling_factor"] + config["shift_factor"]


def _check(configs: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Raise `InputError` unless the VAE is one of SD 3, whose latents are shifted."""
    check_channels(configs["transformer"], configs["vae"], source)
    if configs["vae"].get("shift_factor") is None:
        raise InputError(
            f"{source} must hold a VAE of Stable Diffusion 3, found one without shift_factor: write it into the VAE's "
            "config.json, or give the VAE of the base model"
        )


FAMILY = Family(
    name=StableDiffusion3.family,
    title="Stable Diffusion 3 or 3.5",
    pipelines=("StableDiffusion3Pipeline",),
    components=(
        Component("transformer", "SD3Transformer2DModel"),
        Component("vae", "AutoencoderKL"),
        Component("text_encoder", "CLIPTextModelWithProjection", accepted=("CLIPModel",)),
        Component("text_encoder_2", "CLIPTextModelWithProjection", accepted=("CLIPModel",)),
        Component("text_encoder_3", "T5EncoderModel", accepted=("T5ForConditionalGeneration",), optional=True),
    ),
    tokenizers={"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2", "tokenizer_3": "text_encoder_3"},
    check=_check,
    model=StableDiffusion3,
)
