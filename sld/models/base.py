"""What all families share: components on a device, encoded texts, stages, decoding and a manifest's entry."""

import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from sld import stepping
from sld.checkpoints.files import sha256
from sld.checkpoints.precision import HALVES
from sld.checkpoints.sources import Source
from sld.errors import InputError
from sld.gain import noise_gain, prediction_type
from sld.models import Space
from sld.models.networks import in_fours, placed
from sld.models.sizes import chosen_size, default_size, pixels_per_latent
from sld.tuning import Tuning, attention_order, compiled, settle_attention

_GPU_TEXTS = 16  # texts that are encoded at a time on a GPU, which one text leaves idle
_KEPT_TEXTS = 512 << 20  # bytes of encoded texts that are kept: a prompt's images are drawn together


class LatentDiffusion:
    """A checkpoint loaded by `sld.load_model`, which implements `sld.models.LoadedModel`.

    The components are diffusers' and transformers' own, on `device`, in `dtype`. With half precision the decoder runs
    in float16, as in diffusers' pipelines; pictures that overflow there are decoded again in float32.

    A family adds `texts` and `stages`, and defines how one text is encoded.

    Args:
        parts: the components, tokenizers and the scheduler, by their folders' names in diffusers' layout.
        index: the checkpoint's model_index.json; empty for a single file.
        device: of the model.
        dtype: in which it runs.
        source: as the user named it.
        weights: files by name.
        about: more for the manifest's entry.
    """

    family: str
    space: Space = "epsilon"
    standard: Mapping[str, Any]
    """Settings with which a scheduler chosen by name steps this family."""
    fixed: Mapping[str, Any] = MappingProxyType({})
    """Settings that the family's pipeline in diffusers sets whatever the scheduler's configuration says."""
    denoiser = "unet"
    """The component that denoises."""
    flow = False
    """Whether the family was trained by flow matching."""
    multiple = 1
    """Sides of latents are multiples of this."""
    usual_side = 1024
    """Pixels per side of a checkpoint whose configuration does not say."""

    stages: Any
    """The denoiser: `observe(latents, timestep)`, `predict(observed, timestep, *texts)`, `size_of(observed)`."""

    def __init__(
        self,
        parts: Mapping[str, Any],
        *,
        index: Mapping[str, Any],
        device: torch.device,
        dtype: torch.dtype,
        source: Source,
        weights: Mapping[str, Path],
        about: Mapping[str, Any],
    ):
        self.device, self.dtype, self.source = device, dtype, source
        settle_attention(device, dtype)
        self.scheduler, self.weights, self._about = parts["scheduler"], dict(weights), dict(about)
        self.network = placed(parts[self.denoiser], device, dtype)
        half = dtype in HALVES
        self.vae = placed(parts["vae"], device, torch.float32 if half else dtype)
        self._half_vae = (
            placed(copy.deepcopy(parts["vae"]), device, torch.float16) if half and self._decodes_in_half() else None
        )
        self.tuning = Tuning()
        self.before_compiled: Callable[[], object] = lambda: None
        self._compiled: dict[str, Callable] = {}
        self._compiled_size: tuple[int, ...] = ()
        self.text_rows = _GPU_TEXTS if device.type == "cuda" else 1
        self._encoded: OrderedDict[str | None, tuple[Tensor, ...]] = OrderedDict()
        self._factor = pixels_per_latent(self.vae.config)
        self.default_size = default_size(self.network.config, self._factor, source.name, self.usual_side)

    def __repr__(self) -> str:
        size = " × ".join(map(str, reversed(self.default_size)))
        how = f"{str(self.dtype).removeprefix('torch.')} on {self.device}, {type(self.scheduler).__name__}"
        return f"<{self.family} model {self.source.name}: {size} pixels, {how}>"

    def _decodes_in_half(self) -> bool:
        return True

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return (C, h, w) of the latents of one picture of `height` by `width` pixels.

        Raises:
            InputError: a side is no multiple of the pixels per latent, or of those per patch of latents.
        """
        pixels = self._factor * self.multiple
        for name, value in (("height", height), ("width", width)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value % pixels:
                raise InputError(f"{name} must be a multiple of {pixels} pixels, found {value!r}: round it to one")
        return self.network.config.in_channels, height // self._factor, width // self._factor

    def picture_size(self, latent_height: int, latent_width: int) -> tuple[int, int]:
        """Return (height, width) in pixels of the picture that latents of this size decode to."""
        return latent_height * self._factor, latent_width * self._factor

    def start(self, steps: int, height: int, width: int) -> Any:
        """Return a fresh scheduler with its timesteps set; see `sld.stepping.start`."""
        return stepping.start(self.scheduler, steps)

    def noise_gain(self, timestep: float) -> float:
        """Return k = d epsilon / d prediction at fixed latents; see `sld.gain`."""
        return noise_gain(self.scheduler, timestep)

    @torch.no_grad()
    def encode(self, texts: Sequence[str | None], height: int, width: int) -> tuple[Tensor, ...]:
        """Return what the denoiser needs of each text, a row per text; results for recent texts are kept.

        Long texts are cut and keep their end token.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._encoded]
        with attention_order(self.tuning.attention):
            for start in range(0, len(new), self.text_rows):
                self._encode_and_keep(new[start : start + self.text_rows])
        for text in texts:
            self._encoded.move_to_end(text)
        encoded = tuple(torch.cat(rows) for rows in zip(*(self._encoded[text] for text in texts), strict=True))
        while len(self._encoded) > 1 and self._kept_bytes() > _KEPT_TEXTS:
            self._encoded.popitem(last=False)
        return encoded

    def _kept_bytes(self) -> int:
        return sum(tensor.nbytes for tensors in self._encoded.values() for tensor in tensors)

    def _encode_and_keep(self, texts: Sequence[str | None]) -> None:
        # Always as many at a time: a text's embedding must not depend on the other texts.
        padding = [texts[-1]] * (self.text_rows - len(texts))
        tensors = self._encode([*texts, *padding])
        for row, text in enumerate(texts):
            self._encoded[text] = tuple(tensor[row : row + 1].clone() for tensor in tensors)

    def _encode(self, texts: Sequence[str | None]) -> tuple[Tensor, ...]:
        """Return tensors of one row per text."""
        raise NotImplementedError

    def tune(self, tuning: Tuning, height: int | None = None, width: int | None = None) -> None:
        """Change how the model runs; compiling is for pictures of this size, by default the model's own."""
        size = chosen_size(height, width, self.default_size)
        compiled_size = self.latent_shape(*size)[1:] if tuning.compiled or tuning.compiled_decoder else ()
        if (tuning, compiled_size) == (self.tuning, self._compiled_size):
            return  # what has been compiled is kept
        layout = torch.channels_last if tuning.channels_last else torch.contiguous_format
        for module in (self.network, self.vae, self._half_vae):
            if module is not None:
                module.to(memory_format=layout)
        self._encoded.clear()  # encoded with the previous tuning, and a run's first process tries several
        self._compiled, self._compiled_size = {}, compiled_size
        if tuning.compiled:
            stages = {"observe": self.stages.observe, "predict": self.stages.predict}
            self._compiled |= {name: compiled(stage, self.device) for name, stage in stages.items()}
        if tuning.compiled_decoder:
            self._compiled["decode"] = compiled(functools.partial(_decode, self._first_vae), self.device)
        self.tuning = tuning

    @torch.no_grad()
    def observe(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, ...]:
        """Run the part of the denoiser that sees no text; a row depends on no other, nor on its place."""
        with attention_order(self.tuning.attention):
            observe = self._stage("observe", latents.shape[2:], self.stages.observe)
            return tuple(tensor[: len(latents)] for tensor in observe(in_fours(latents), timestep))

    @torch.no_grad()
    def predict(self, observed: Sequence[Tensor], timestep: Tensor, texts: Sequence[Tensor]) -> Tensor:
        """Run the rest of the denoiser: the network's own prediction; a row depends on no other row or place."""
        with attention_order(self.tuning.attention):
            predict = self._stage("predict", self.stages.size_of(observed), self.stages.predict)
            rows = [in_fours(tensor) for tensor in observed]
            return predict(rows, timestep, *map(in_fours, texts))[: len(texts[0])]

    def _stage(self, name: str, size: Sequence[int], plain: Callable) -> Callable:
        # Compiling for each unusual size of a few pictures would take longer than drawing them.
        if name not in self._compiled or tuple(size) != self._compiled_size:
            return plain
        self.before_compiled()
        return self._compiled[name]

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
        scaled = self._scaled(vae.config, latents.to(vae.dtype))
        decode = functools.partial(_decode, vae)
        if vae is self._first_vae:  # the other is for pictures that overflow, which are few
            decode = self._stage("decode", latents.shape[2:], decode)
        # In a run this order is in effect anyway, and compiled code is for one.
        with attention_order(self.tuning.attention):
            return decode(in_fours(scaled))[: len(latents)]

    @property
    def _first_vae(self) -> torch.nn.Module:
        return self.vae if self._half_vae is None else self._half_vae

    def _scaled(self, config: Mapping[str, Any], latents: Tensor) -> Tensor:
        """Return latents as the decoder was trained on them."""
        return latents / config["scaling_factor"]

    def describe(self) -> dict[str, Any]:
        """Return a manifest's entry about this model, as JSON values."""
        return {
            "family": self.family,
            # Noise is drawn in the shape of latents, so two models with the same shape start from the same noise.
            "latents": {"channels": self.network.config.in_channels, "pixels": self._factor},
            "source": self.source.name,
            "revision": self.source.revision,
            "weights": self._digests,
            "prediction_type": prediction_type(self.scheduler),
            "space": self.space,
            **stepping.describe(self.scheduler),
            "dtype": str(self.dtype).removeprefix("torch."),
            # If there are any: `replaced` parts, `obeyed` marks of a file, and variants that were `left_aside`.
            **self._about,
        }

    @functools.cached_property
    def _digests(self) -> dict[str, str]:
        return {name: sha256(path) for name, path in self.weights.items()}


def _decode(vae: torch.nn.Module, latents: Tensor) -> Tensor:
    return vae.decode(latents, return_dict=False)[0]
