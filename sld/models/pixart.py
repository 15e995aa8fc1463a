"""PixArt-Σ: T5 as text encoder, a transformer that predicts epsilon, a VAE."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor

from sld.checkpoints.family import Component, Family
from sld.errors import InputError, other_way
from sld.models.base import LatentDiffusion
from sld.models.networks import WholeDenoiser, check_channels, placed
from sld.models.text import Texts
from sld.schedulers import STABLE_DIFFUSION

_TOKENS = 300  # section 3.1 of the paper, arXiv 2403.04692


class PixArtSigma(LatentDiffusion):
    """PixArt-Σ.

    Source: diffusers' PixArtSigmaPipeline without resolution bins: pictures have exactly the size that is asked for.
    The variance that the network predicts too is dropped, as there. Texts alone are shared.
    """

    family = "pixart-sigma"
    denoiser = "transformer"
    standard = MappingProxyType(STABLE_DIFFUSION | {"steps_offset": 0})  # as its checkpoints on the hub

    def __init__(self, parts: Mapping[str, Any], **options: Any):
        super().__init__(parts, **options)
        self.stages = WholeDenoiser(self._run)
        self.multiple = self.network.config.patch_size
        self.texts = Texts(parts["tokenizer"], parts["text_encoder"].config, _TOKENS, _clean)
        self._encoder = placed(parts["text_encoder"], self.device, self.dtype)

    def _encode(self, texts: Sequence[str | None]) -> tuple[Tensor, ...]:
        tokens = self.texts.read([text or "" for text in texts])
        mask = tokens.attention_mask.to(self.device)
        embeddings = self._encoder(tokens.input_ids.to(self.device), attention_mask=mask)[0]
        return embeddings.to(self.dtype), mask

    def _run(self, latents: Tensor, timestep: Tensor, embeddings: Tensor, mask: Tensor) -> Tensor:
        predicted = self.network(
            latents,
            encoder_hidden_states=embeddings,
            encoder_attention_mask=mask,
            timestep=timestep.expand(len(latents)),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return predicted[:, : latents.shape[1]]


def _clean(text: str) -> str:
    return text.lower().strip()


def _check(configs: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Raise `InputError` for a transformer that is told the picture's size, as PixArt-α's for 1024 pixels."""
    transformer = configs["transformer"]
    conditions = transformer.get("use_additional_conditions")
    if transformer.get("sample_size") == 128 if conditions is None else conditions:
        raise InputError(
            f"{source} must hold a transformer of PixArt-Σ, found one with use_additional_conditions={conditions!r}, "
            f"as PixArt-α's: {other_way('PixArtAlphaPipeline')}, or choose another checkpoint"
        )
    check_channels(transformer, configs["vae"], source, learned_variance=True)


FAMILY = Family(
    name=PixArtSigma.family,
    title="PixArt-Σ",
    pipelines=("PixArtSigmaPipeline",),
    components=(
        Component("transformer", "PixArtTransformer2DModel", accepted=("Transformer2DModel",)),
        Component("vae", "AutoencoderKL"),
        Component("text_encoder", "T5EncoderModel", accepted=("T5ForConditionalGeneration",)),
    ),
    tokenizers={"tokenizer": "text_encoder"},
    check=_check,
    model=PixArtSigma,
)
