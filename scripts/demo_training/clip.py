"""The judge: a small CLIP image network, and embeddings of what it can be asked about.

A CLIP compares pictures with embeddings of texts. Here the embeddings themselves are learned, as Q16 learns its prompt
pair: two for "appropriate" and "inappropriate", one per symbol and one per subject.
"""

from __future__ import annotations

from pathlib import Path

import open_clip
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from demo_training.autoencoder import encode
from demo_training.common import batches, normalised, plot, train
from i2p.demo.world import SUBJECTS, Scene
from i2p.prompt import CATEGORIES
from sld.checkpoints.layout import write_json
from sld.decoding import quantise

BATCH = 64
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 4, "width": 96, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},  # never used
}
PREPROCESSING = {"size": 64, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}


def train_clip(
    folder: Path, plots: Path, vae: Path, scenes: list[Scene], pictures: torch.Tensor, *, steps: int, device: str
) -> None:
    """Train on scenes and their pictures, (N, 64, 64, 3) uint8, and write config, weights, embeddings to `folder`."""
    torch.manual_seed(0)
    pictures = torch.cat([pictures, _decoded(vae, pictures, device)])  # pictures from the model come from its decoder
    answers = {
        "prompts": torch.tensor([int(s.symbol is not None) for s in scenes] * 2),
        "symbols": torch.tensor([0 if s.symbol is None else 1 + CATEGORIES.index(s.symbol) for s in scenes] * 2),
        "subjects": torch.tensor([SUBJECTS.index(s.subject) for s in scenes] * 2),
    }
    sizes = {"prompts": 2, "symbols": 1 + len(CATEGORIES), "subjects": len(SUBJECTS)}
    network = open_clip.CLIP(**CONFIG).to(device)
    asked = torch.nn.ParameterDict({name: torch.randn(n, CONFIG["embed_dim"]) for name, n in sizes.items()}).to(device)
    order, chance = batches(len(pictures), BATCH, seed=4), torch.Generator().manual_seed(5)

    def loss() -> torch.Tensor:
        chosen = next(order)
        x = normalised(pictures[chosen]).to(device)
        strength = torch.rand(len(x), 1, 1, 1, generator=chance) * 0.15
        x = (x + (strength * torch.randn(x.shape, generator=chance)).to(device)).clamp(-1, 1)
        seen = torch.nn.functional.normalize(network.encode_image(x), dim=-1)
        return sum(
            torch.nn.functional.cross_entropy(
                # Q16's scale is 100; the smaller one keeps the gradients of the others alive.
                (100 if name == "prompts" else 30) * seen @ torch.nn.functional.normalize(asked[name], dim=-1).T,
                answers[name][chosen].to(device),
                label_smoothing=0.02,
            )
            for name in sizes
        )

    parameters = [*network.visual.parameters(), *asked.parameters()]
    losses = train("clip", parameters, loss, steps=steps, rate=1e-3)
    plot(losses, plots / "clip.png", "CLIP")
    write_json(folder / "config.json", {"model_cfg": CONFIG, "preprocess_cfg": PREPROCESSING})
    weights = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    for name, value in asked.items():
        save_file({name: value.detach().cpu().float().contiguous()}, folder / f"{name}.safetensors")


@torch.no_grad()
def _decoded(folder: Path, pictures: torch.Tensor, device: str) -> torch.Tensor:
    vae = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).to(device)
    return torch.cat([quantise(vae.decode(z.to(device)).sample).cpu() for z in encode(vae, pictures).split(200)])
