"""Networks as they are evaluated here: placed on a device, in rows that do not depend on each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sld.checkpoints.precision import dtypes
from sld.errors import InputError, counted


class WholeDenoiser:
    """A denoiser of which no part is free of text, so that nothing is shared between the texts of a latent state.

    Args:
        run: called with (latents, timestep, *texts), returns the prediction.
    """

    def __init__(self, run: Callable[..., Tensor]):
        self._run = run

    def observe(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, ...]:
        """Return the latents themselves."""
        return (latents,)

    def predict(self, observed: Sequence[Tensor], timestep: Tensor, *texts: Tensor) -> Tensor:
        """Return the network's own prediction, (N, C, h, w)."""
        return self._run(observed[0], timestep, *texts)

    def size_of(self, observed: Sequence[Tensor]) -> tuple[int, int]:
        """Return (h, w) of the latents that were observed."""
        return tuple(observed[0].shape[2:])


def check_channels(
    network: Mapping[str, Any], vae: Mapping[str, Any], source: str, learned_variance: bool = False
) -> None:
    """Raise `InputError` unless a denoiser takes and predicts latents of a VAE, as for text-to-image.

    Args:
        network: configuration of the denoiser.
        vae: configuration of the VAE.
        source: the checkpoint, as the error names it.
        learned_variance: whether it may predict a variance beside.
    """
    latent, counts = vae["latent_channels"], {"input": network["in_channels"], "output": network["out_channels"]}
    allowed = {"input": {latent}, "output": {latent, 2 * latent} if learned_variance else {latent}}
    wrong = [
        f"{counted(count, f'{end} channel')} for {latent}" for end, count in counts.items() if count not in allowed[end]
    ]
    if wrong:
        raise InputError(
            f"{source} must hold a text-to-image model whose denoiser fits its VAE, found {', '.join(wrong)}: choose "
            "another one"
        )


def in_fours(rows: Tensor) -> Tensor:
    """Repeat the last row up to a multiple of four, if there are more than two rows.

    With several threads MKL multiplies the rows beyond a multiple of four by another kernel, which rounds differently.
    A product with one row per sample (where a level is one pixel large) would then depend on the place in the batch.
    """
    count = -len(rows) % 4 if len(rows) > 2 else 0
    return torch.cat([rows, rows[-1:].expand(count, *rows.shape[1:])]) if count else rows


def placed(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    """Return a component on a device, in a precision, ready to be evaluated.

    Layers that its library keeps in float32 (`sld.checkpoints.precision`) stay so.
    """
    kept = {name: module.get_parameter(name).data for name, own in dtypes(module, dtype).items() if own != dtype}
    # torch's own `to`: diffusers' logs a warning about layers to keep in float32 even if a model has none.
    module = torch.nn.Module.to(module, device, dtype).eval().requires_grad_(False)
    for name, weight in kept.items():
        module.get_parameter(name).data = weight.to(device, torch.float32)
    # Weights in a memory-mapped file start wherever the file has them, and a CPU's products round by their alignment:
    # the same weights in another file would give other bits.
    return module._apply(lambda weight: weight.clone() if device.type == "cpu" and weight.data_ptr() % 64 else weight)
