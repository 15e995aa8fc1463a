"""Models behind one small interface: encode text, predict, decode. One file per model family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # a path is checked without torch, which takes seconds to import
    from torch import Tensor, device, dtype

    from sld.models.text import Texts
    from sld.tuning import Tuning

Space = Literal["epsilon", "output"]


class Model(Protocol):
    """What the sampler needs of a text-to-image latent diffusion model; any class with these members will do."""

    device: device
    dtype: dtype
    default_size: tuple[int, int]
    """(height, width) in pixels for which the model was trained."""
    space: Space
    """Where safety guidance is computed by default: on epsilon, or on the network's output as it is."""

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return (C, h, w) of the latents of one picture.

        Raises:
            InputError: the decoder cannot make this size.
        """

    def picture_size(self, latent_height: int, latent_width: int) -> tuple[int, int]:
        """Return (height, width) in pixels of the picture that latents of this size decode to."""

    def start(self, steps: int, height: int, width: int) -> Any:
        """Return a fresh diffusers scheduler with its timesteps set, on the host.

        Args:
            steps: of denoising.
            height: of the pictures, in pixels; the noise schedule may depend on the size.
            width: of the pictures, in pixels.

        Raises:
            InputError: the scheduler can't take as many steps.
        """

    def noise_gain(self, timestep: float) -> float:
        """Return k = d epsilon / d prediction at fixed latents: 1 for networks that predict epsilon (`sld.gain`)."""

    def encode(self, texts: Sequence[str | None], height: int, width: int) -> tuple[Tensor, ...]:
        """Return what `predict` needs of each text: tensors of one row per text, which depends on its own text only.

        Args:
            texts: None stands for no text at all, the family's own unconditional input, which may differ from `""`.
            height: of the pictures, in pixels; some families are conditioned on the size.
            width: of the pictures, in pixels.
        """

    def observe(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, ...]:
        """Run the part of the denoiser that sees no text, which all texts of a latent state share.

        Args:
            latents: (N, C, h, w) in the model's dtype.
            timestep: ().

        Returns:
            Tensors of N rows; the latents themselves where there is nothing to share.
        """

    def predict(self, observed: Sequence[Tensor], timestep: Tensor, texts: Sequence[Tensor]) -> Tensor:
        """Run the rest of the denoiser.

        For a given N, the bits of a row depend on that row's arguments only, not on its place or its neighbours; the
        same holds for `observe`.

        Args:
            observed: from `observe`, N rows.
            timestep: ().
            texts: from `encode`, N rows.

        Returns:
            (N, C, h, w) in the model's dtype: the network's own prediction.
        """

    def decode(self, latents: Tensor) -> Tensor:
        """Return the pictures of (N, C, h, w) latents: (N, 3, H, W), nominally in [-1, 1], in a safe dtype."""

    def describe(self) -> dict[str, Any]:
        """Return a manifest's entry: source, revision, weight digests, prediction type, scheduler, dtype."""


class LoadedModel(Model, Protocol):
    """A model as `sld.load_model` returns it: how it runs can be changed, and it knows which texts it cuts."""

    scheduler: Any
    """A diffusers scheduler, which is copied and never changed."""
    standard: Mapping[str, Any]
    """Settings with which a scheduler chosen by name steps this family."""
    texts: Texts
    tuning: Tuning
    """How it runs now."""
    before_compiled: Callable[[], object]
    """Is called before each call of compiled code, of which the first takes minutes; set it to be told."""

    def tune(self, tuning: Tuning, height: int | None = None, width: int | None = None) -> None:
        """Run the denoiser in another way; compiling is for pictures of this size, by default the model's own."""
