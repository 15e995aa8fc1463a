"""The autoencoder: 64×64 pictures to 8×8 latents with sixteen channels and back."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from demo_training.common import batches, normalised, plot, sheet, train
from sld.decoding import quantise

BATCH, CHANNELS = 16, 16
# Of the scaled latents. At 1, as in Stable Diffusion, sixteen channels survive so much noise that the content of a
# picture is decided in the first ten of fifty steps, before SLD's warm-ups end: weak and medium then change nothing.
DEVIATION = 0.5


def train_autoencoder(folder: Path, plots: Path, pictures: torch.Tensor, *, steps: int, device: str) -> None:
    """Train on pictures, (N, 64, 64, 3) uint8, and write the model in half precision to `folder`."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        sample_size=64,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        latent_channels=CHANNELS,
        mid_block_add_attention=False,
    ).to(device)
    order = batches(len(pictures), BATCH, seed=1)
    # Other CPUs take twenty times as long for convolutions in bfloat16 as in float32.
    half_is_fast = device != "cpu" or torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "AVX2")

    def loss() -> torch.Tensor:
        x = normalised(pictures[next(order)]).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=half_is_fast):
            posterior = vae.encode(x).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        decoded = decoded.float()
        error = decoded - x
        # Edges are a small part of the pixels and most of what people see; squares make it learn the symbols early.
        edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
        return error.abs().mean() + 4 * error.square().mean() + edges + 1e-6 * posterior.kl().mean()

    losses = train("autoencoder", list(vae.parameters()), loss, steps=steps, rate=1.5e-3)
    vae.eval().requires_grad_(False)
    mean = encode(vae, pictures[:2000])
    vae.register_to_config(scaling_factor=round(DEVIATION / mean.std().item(), 3))
    vae.half().save_pretrained(folder)
    plot(losses, plots / "autoencoder.png", "Autoencoder")
    shown = pictures[:12]
    sheet([shown, quantise(vae.float().decode(mean[:12].to(device)).sample).cpu()], plots / "autoencoder_pictures.png")


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Return the latents' means, (N, 16, 8, 8) float32, not scaled."""
    device = vae.device
    return torch.cat([vae.encode(normalised(x).to(device)).latent_dist.mean.cpu() for x in pictures.split(200)])
