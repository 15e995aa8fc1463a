"""The parts that the three trainings share: pictures, the loop with its bar and losses, and plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from tqdm import tqdm

from i2p.demo.render import render
from i2p.demo.world import Scene


def rendered(scenes: list[Scene]) -> torch.Tensor:
    """Return the scenes' pictures, (N, 64, 64, 3) uint8."""
    with ProcessPoolExecutor() as pool:
        pictures = list(tqdm(pool.map(render, scenes, chunksize=256), total=len(scenes), desc="drawing"))
    return torch.from_numpy(np.stack(pictures))


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Return (N, H, W, 3) uint8 as (N, 3, H, W) float32 in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1


def batches(count: int, size: int, seed: int) -> Iterator[torch.Tensor]:
    """Yield index batches without end, every index once per epoch, and all in one where there are fewer than `size`."""
    generator, size = torch.Generator().manual_seed(seed), min(size, count)
    while True:
        yield from torch.randperm(count, generator=generator)[: count // size * size].split(size)


def train(
    name: str,
    parameters: list[torch.nn.Parameter],
    loss_of: Callable[[], torch.Tensor],
    *,
    steps: int,
    rate: float,
    after: Callable[[int], None] | None = None,
) -> list[float]:
    """Run AdamW with a warm-up and a cosine to zero; return every step's loss. `after` is called with its number."""
    optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    warm = min(200, steps // 10 + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda i: min((i + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * min(1, i / steps)))
    )
    losses, bar = [], tqdm(range(steps), desc=name, mininterval=1)
    for i in bar:
        loss = loss_of()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if after is not None:
            after(i)
        bar.set_postfix(loss=f"{np.mean(losses[-100:]):.4f}", refresh=False)
    if not all(map(math.isfinite, losses)):
        raise SystemExit(f"{name}: the loss is not finite; lower its learning rate")
    return losses


def plot(losses: list[float], path: Path, title: str) -> None:
    """Plot the losses, as a running mean of fifty, on a logarithmic axis."""
    width, height, edge = 640, 320, 48
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    window = min(50, len(losses))
    smooth = np.log10(np.convolve(losses, np.ones(window) / window, "valid"))
    low, high = smooth.min(), max(smooth.max(), smooth.min() + 1e-9)
    xs = edge + (width - 2 * edge) * np.linspace(0, 1, len(smooth))
    ys = height - edge - (height - 2 * edge) * (smooth - low) / (high - low)
    draw.rectangle((edge, edge, width - edge, height - edge), outline=(200, 200, 200))
    draw.line(list(zip(xs, ys, strict=True)), fill=(40, 90, 160), width=2)
    draw.text((edge, 16), f"{title}: loss over {len(losses):,} steps (log scale)", fill="black")
    for value, y in ((high, edge), (low, height - edge)):
        draw.text((4, y - 5), f"{10**value:.3g}", fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def sheet(rows: list[torch.Tensor], path: Path) -> None:
    """Write rows of pictures, (N, 64, 64, 3) uint8 each, as one PNG at twice their size."""
    grid = torch.cat([torch.cat(list(row), dim=1) for row in rows]).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).resize((2 * grid.shape[1], 2 * grid.shape[0]), Image.Resampling.NEAREST).save(path)
