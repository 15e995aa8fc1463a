"""Models behind one small interface: encode text, predict, decode. One file a family."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, device, dtype


class Model(Protocol):
    """What the sampler needs of a text-to-image latent diffusion model; any class with these members will do."""

    device: device
    dtype: dtype
    scheduler: Any
    """A diffusers scheduler. The sampler copies it and never changes it."""
    default_size: tuple[int, int]
    """(height, width) in pixels that the model was trained for."""

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(C, h, w) of the latents of one picture. Raises `InputError` for sizes the decoder cannot make."""

    def picture_size(self, latent_height: int, latent_width: int) -> tuple[int, int]:
        """(height, width) in pixels of the picture that latents of this size decode to."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(len(texts), …): what `predict` needs of each text; a row depends on its own text only."""

    def observe(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, ...]:
        """The part of the denoiser that sees (N, C, h, w) latents and a () timestep, but no text: tensors of N rows.

        All texts of one latent state share it. Latents are in the model's dtype.
        """

    def predict(self, observed: Sequence[Tensor], timestep: Tensor, texts: Tensor) -> Tensor:
        """The rest of the denoiser, (N, C, h, w) in the model's dtype, from N rows of `observe` and of `encode`.

        At one N, a row's bits depend on that row's arguments only, not on its place or its neighbours; so with observe.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """(N, C, h, w) to pictures (N, 3, H, W), nominally in [-1, 1], of the dtype decoding is safe in."""

    def describe(self) -> dict[str, Any]:
        """What a manifest should say: source, revision, weight digests, prediction type, scheduler, dtype."""
