"""The size of pictures for which a checkpoint was trained."""

from collections.abc import Mapping
from typing import Any

from packaging import version

from sld.errors import InputError

_DEFAULT = 512  # pixels per side, as in SD 1.x
_ONE_LEVEL = (64,)  # channels of diffusers' AutoencoderKL by default
_FIRST_SOUND = version.parse("0.9.0.dev0")


def chosen_size(height: int | None, width: int | None, default: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) in pixels, each as it is given, or where it is None by default."""
    return default[0] if height is None else height, default[1] if width is None else width


def default_size(config: Mapping[str, Any], factor: int, source: str, missing: int = _DEFAULT) -> tuple[int, int]:
    """Return (height, width) in pixels from a denoiser's `sample_size`, a number or [height, width] of latents.

    As in the constructor of diffusers' StableDiffusionPipeline, a number below 64
    written before diffusers 0.9 becomes 64: its converter wrote 32 whatever the model.

    Args:
        config: of the UNet or transformer.
        factor: pixels per latent.
        source: the checkpoint, as the error names it.
        missing: pixels per side without a `sample_size`.

    Raises:
        InputError: `sample_size` is something else.
    """
    size = config.get("sample_size")
    if size is None:
        return missing // factor * factor, missing // factor * factor
    sides = [size, size] if isinstance(size, int) else size
    is_pair = isinstance(sides, list | tuple) and len(sides) == 2 and all(isinstance(side, int) for side in sides)
    if not is_pair or min(sides) < 1:
        raise InputError(
            f"sample_size must be a number of latents or [height, width] of them, found {size!r} in the configuration "
            f"of the denoiser of {source!r}: correct it, or set it to null for {missing} pixels"
        )
    if isinstance(size, int) and size < 64 and _is_old(config.get("_diffusers_version")):
        sides = [64, 64]
    return sides[0] * factor, sides[1] * factor


def pixels_per_latent(config: Mapping[str, Any]) -> int:
    """Return how many pixels a side of one latent covers, from the configuration of a VAE."""
    return 2 ** (len(config.get("block_out_channels", _ONE_LEVEL)) - 1)


def _is_old(written_by: str | None) -> bool:
    try:
        return written_by is not None and version.parse(version.parse(written_by).base_version) < _FIRST_SOUND
    except version.InvalidVersion:
        return False
