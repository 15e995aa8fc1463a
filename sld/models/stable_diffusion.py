"""Stable Diffusion 1.x and 2.x: CLIP text encoder, UNet, AutoencoderKL, epsilon or v-prediction."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from sld.checkpoints.family import Component, Family
from sld.models.base import LatentDiffusion
from sld.models.networks import placed
from sld.models.text import Texts
from sld.models.unet import StagedUNet, check_text_to_image
from sld.schedulers import STABLE_DIFFUSION


class StableDiffusion(LatentDiffusion):
    """Stable Diffusion 1.x or 2.x.

    A text is kept as the UNet's cross-attention sees it, as its keys and values: 4 MB for SD 1.x in half precision.
    Safety guidance of a model that predicts v is computed on v itself by default, as in both reference implementations
    with SD 2.x, whose published numbers were made that way.
    """

    family = "stable-diffusion"
    space = "output"
    standard = STABLE_DIFFUSION
    usual_side = 512
    # As in the constructor of diffusers' pipeline: SD was trained that way, and old configurations are wrong about it.
    fixed = MappingProxyType({"steps_offset": 1, "clip_sample": False})

    def __init__(self, parts: Mapping[str, Any], **options: Any):
        super().__init__(parts, **options)
        self.unet, self.tokenizer = self.network, parts["tokenizer"]
        self.stages = StagedUNet(self.unet)
        self.text_encoder = placed(parts["text_encoder"], self.device, self.dtype)
        self.texts = Texts(self.tokenizer, self.text_encoder.config)

    def _encode(self, texts: Sequence[str | None]) -> tuple[Tensor, ...]:
        tokens, config = self.texts.read([text or "" for text in texts]), self.text_encoder.config
        # SD was trained to attend to padding; a mask is only for the rare checkpoint whose configuration asks for it.
        mask = tokens.attention_mask.to(self.device) if getattr(config, "use_attention_mask", False) else None
        embeddings = self.text_encoder(tokens.input_ids.to(self.device), attention_mask=mask)[0]
        return (self.stages.project(embeddings),)


FAMILY = Family(
    name=StableDiffusion.family,
    title="Stable Diffusion 1.x or 2.x",
    pipelines=("StableDiffusionPipeline",),
    components=(
        Component("unet", "UNet2DConditionModel"),
        Component("vae", "AutoencoderKL"),
        # transformers takes the text tower out of a whole CLIP.
        Component("text_encoder", "CLIPTextModel", accepted=("CLIPTextModelWithProjection", "CLIPModel")),
    ),
    tokenizers={"tokenizer": "text_encoder"},
    check=lambda configs, source: check_text_to_image(configs["unet"], configs["vae"], source),
    model=StableDiffusion,
)
