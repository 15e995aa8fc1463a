"""Stable Diffusion 1.x and 2.x: CLIP text encoder, UNet, AutoencoderKL, epsilon or v-prediction."""

import copy
import functools
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sld.checkpoints.files import sha256
from sld.checkpoints.sources import Source
from sld.errors import InputError
from sld.models.sizes import default_size
from sld.models.text import Texts
from sld.models.unet import StagedUNet, check_text_to_image
from sld.tuning import Tuning, attention_order, compiled

# Texts whose keys and values are kept: 4 MB each for SD 1.x in half precision. A prompt's images are drawn together.
_KEPT_TEXTS = 64


class StableDiffusion:
    """A checkpoint loaded by `load_model`, which implements `sld.models.Model`.

    The components are diffusers' and transformers' own, on `device`, in `dtype`. With half precision the decoder runs
    in float16, as in diffusers' pipelines; pictures that overflow there are decoded again in float32.
    """

    def __init__(
        self,
        unet,
        vae,
        text_encoder,
        tokenizer,
        scheduler,
        *,
        device: torch.device,
        dtype: torch.dtype,
        source: Source,
        weights: Mapping[str, Path],
        about: Mapping[str, Any],
    ):
        check_text_to_image(unet.config, vae.config, source.name)
        self.unet = _placed(unet, device, dtype)
        self._stages = StagedUNet(self.unet)
        self._compiled: tuple[Callable, Callable, tuple[int, int]] | None = None
        self.tuning = Tuning()
        self._encoded: OrderedDict[str, Tensor] = OrderedDict()
        half = dtype in (torch.float16, torch.bfloat16)
        self.vae = _placed(vae, device, torch.float32 if half else dtype)
        self._half_vae = _placed(copy.deepcopy(vae), device, torch.float16) if half else None
        self.text_encoder = _placed(text_encoder, device, dtype)
        self.texts = Texts(tokenizer, text_encoder.config)
        self.tokenizer, self.scheduler, self.device, self.dtype = tokenizer, scheduler, device, dtype
        self.source, self.weights, self._about = source, dict(weights), dict(about)
        self._factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.default_size = default_size(unet.config, self._factor, source.name)

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return (C, h, w) of the latents of one picture of `height` by `width` pixels.

        Raises:
            InputError: a side is no multiple of the pixels per latent.
        """
        for name, value in (("height", height), ("width", width)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value % self._factor:
                raise InputError(
                    f"{name} must be a multiple of {self._factor} pixels, found {value!r}: round it to one"
                )
        return self.unet.config.in_channels, height // self._factor, width // self._factor

    def picture_size(self, latent_height: int, latent_width: int) -> tuple[int, int]:
        """Return (height, width) in pixels of the picture that latents of this size decode to."""
        return latent_height * self._factor, latent_width * self._factor

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the texts as the UNet's cross-attention sees them, its keys and values: (len(texts), tokens, K).

        Long texts are cut and keep their end token. Results for recent texts are kept.
        """
        with attention_order(self.tuning.attention):
            for text in texts:
                if text not in self._encoded:
                    # Separately: a text's embedding must not depend on the other texts.
                    self._encoded[text] = self._stages.project(self._encode_one(text))
                self._encoded.move_to_end(text)
        encoded = torch.cat([self._encoded[text] for text in texts])
        while len(self._encoded) > _KEPT_TEXTS:
            self._encoded.popitem(last=False)
        return encoded

    def _encode_one(self, text: str) -> Tensor:
        tokens, config = self.texts.read(text), self.text_encoder.config
        # SD was trained to attend to padding; a mask is only for the rare checkpoint whose configuration asks for it.
        mask = tokens.attention_mask.to(self.device) if getattr(config, "use_attention_mask", False) else None
        return self.text_encoder(tokens.input_ids.to(self.device), attention_mask=mask)[0]

    def tune(self, tuning: Tuning, height: int | None = None, width: int | None = None) -> None:
        """Change how the denoiser runs; compiling is for pictures of this size, by default the model's own."""
        layout = torch.channels_last if tuning.channels_last else torch.contiguous_format
        for module in (self.unet, self.vae, self._half_vae):
            if module is not None:
                module.to(memory_format=layout)
        self._compiled = None
        self._encoded.clear()  # encoded with the previous tuning, and a run's first process tries several
        if tuning.compiled:
            _, *size = self.latent_shape(height or self.default_size[0], width or self.default_size[1])
            observe, predict = (compiled(stage, self.device) for stage in (self._stages.observe, self._stages.predict))
            self._compiled = observe, predict, tuple(size)
        self.tuning = tuning

    @torch.no_grad()
    def observe(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, ...]:
        """Run the UNet up to its first cross-attention; a row depends on no other, nor on its place."""
        with attention_order(self.tuning.attention):
            observe = self._stages_for(latents)[0]
            return tuple(tensor[: len(latents)] for tensor in observe(_in_fours(latents), timestep))

    @torch.no_grad()
    def predict(self, observed: Sequence[Tensor], timestep: Tensor, texts: Tensor) -> Tensor:
        """Run the rest of the UNet: epsilon or v, as the scheduler expects; a row depends on no other row or place."""
        with attention_order(self.tuning.attention):
            predict = self._stages_for(observed[2])[1]  # tokens, features, then skips, the first at full size
            rows = [_in_fours(tensor) for tensor in observed]
            return predict(rows, timestep, _in_fours(texts))[: len(texts)]

    def _stages_for(self, latents: Tensor) -> tuple[Callable, Callable]:
        # Compiling for each unusual size of a few pictures would take longer than drawing them.
        if self._compiled is not None and tuple(latents.shape[2:]) == self._compiled[2]:
            return self._compiled[:2]
        return self._stages.observe, self._stages.predict

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W), nominally in [-1, 1]; a row depends on no other, nor on its place."""
        if self._half_vae is None:
            return self.decode_with(self.vae, latents)
        pictures = self.decode_with(self._half_vae, latents).float()
        if torch.isfinite(pictures).all():
            return pictures
        overflowed = ~torch.isfinite(pictures).flatten(1).all(1)
        return torch.where(overflowed.view(-1, 1, 1, 1), self.decode_with(self.vae, latents), pictures)

    def decode_with(self, vae: torch.nn.Module, latents: Tensor) -> Tensor:
        """Return the pictures from one decoder, in its precision, including any overflow."""
        scaled = latents.to(vae.dtype) / vae.config.scaling_factor
        return vae.decode(_in_fours(scaled), return_dict=False)[0][: len(latents)]

    def describe(self) -> dict[str, Any]:
        """Return a manifest's entry about this model, as JSON values."""
        config = json.loads(self.scheduler.to_json_string())
        return {
            "family": "stable-diffusion",
            # Noise is drawn in the shape of latents, so two models with the same shape start from the same noise.
            "latents": {"channels": self.unet.config.in_channels, "pixels": self._factor},
            "source": self.source.name,
            "revision": self.source.revision,
            "weights": self._digests,
            "prediction_type": self.scheduler.config.prediction_type,
            "scheduler": type(self.scheduler).__name__,
            # Names with an underscore are diffusers' own bookkeeping, its version among them.
            "scheduler_config": {key: _json(value) for key, value in config.items() if not key.startswith("_")},
            "dtype": str(self.dtype).removeprefix("torch."),
            # If there are any: `replaced` parts, `obeyed` marks of a file, and variants that were `left_aside`.
            **self._about,
        }

    @functools.cached_property
    def _digests(self) -> dict[str, str]:
        return {name: sha256(path) for name, path in self.weights.items()}


def _json(value: Any) -> Any:
    """Return a value for JSON, which has no infinity, unlike DPM++'s `lambda_min_clipped`."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _in_fours(rows: Tensor) -> Tensor:
    """Repeat the last row up to a multiple of four, if there are more than two rows.

    With several threads MKL multiplies the rows beyond a multiple of four by another kernel, which rounds differently.
    A product with one row per sample (where a level is one pixel large) would then depend on the place in the batch.
    """
    count = -len(rows) % 4 if len(rows) > 2 else 0
    return torch.cat([rows, rows[-1:].expand(count, *rows.shape[1:])]) if count else rows


def _placed(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    # torch's own `to`: diffusers' logs a warning about layers to keep in float32 even if a model has none.
    module = torch.nn.Module.to(module, device, dtype).eval().requires_grad_(False)
    # Weights in a memory-mapped file start wherever the file has them, and a CPU's products round by their alignment:
    # the same weights in another file would give other bits.
    return module._apply(lambda weight: weight.clone() if device.type == "cpu" and weight.data_ptr() % 64 else weight)
