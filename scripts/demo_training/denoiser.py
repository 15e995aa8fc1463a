"""The text-to-image model on the autoencoder's latents: tokenizer, text encoder and UNet, trained together."""

from __future__ import annotations

import collections
import copy
import itertools
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import sld
from demo_training.autoencoder import CHANNELS, encode
from demo_training.common import batches, plot, sheet, train
from sld.checkpoints.layout import write_index
from sld.checkpoints.tokenizer import write_clip_tokenizer
from sld.models.text import load_tokenizer

BATCH, LENGTH, WIDTH = 64, 56, 96
SNAPSHOT = 1000  # steps between two writes, so that a stopped training leaves a model behind
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
    "prediction_type": "epsilon",
}


def word_merges(texts: list[str]) -> list[str]:
    """Return byte-pair merges, most frequent first, that make each ASCII word of the texts one token."""
    words = collections.Counter(word for text in texts for word in text.replace(",", "").split())
    split = {word: [*word[:-1], f"{word[-1]}</w>"] for word in words}
    merges = []
    while any(len(parts) > 1 for parts in split.values()):
        pairs = collections.Counter()
        for word, parts in split.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += words[word]
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(" ".join(best))
        split = {word: _joined(parts, best) for word, parts in split.items()}
    return merges


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    joined, i = [], 0
    while i < len(parts):
        both = tuple(parts[i : i + 2]) == pair
        joined.append("".join(pair) if both else parts[i])
        i += 2 if both else 1
    return joined


def train_denoiser(
    folder: Path, plots: Path, captions: list[str], pictures: torch.Tensor, *, steps: int, device: str
) -> None:
    """Train on captions and pictures, (N, 64, 64, 3) uint8, and write all but the autoencoder of `folder`."""
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).to(device)
    latents = encode(vae, pictures) * vae.config.scaling_factor
    write_clip_tokenizer(folder / "tokenizer", merges=word_merges([*captions, sld.CONCEPT]), length=LENGTH)
    tokenizer = load_tokenizer(folder / "tokenizer")
    tokens = tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids
    text, unet = _text_encoder(tokenizer).to(device), _unet().to(device)
    write_index(folder, SCHEDULER)
    scheduler = DDIMScheduler.from_config(SCHEDULER)
    signal = scheduler.alphas_cumprod.to(device)
    weight = (5 * (1 - signal) / signal).clamp(max=1)  # min-SNR, gamma 5 (arXiv 2303.09556)
    order, noise = batches(len(pictures), BATCH, seed=2), torch.Generator().manual_seed(3)
    mean = [torch.optim.swa_utils.AveragedModel(m, multi_avg_fn=_average(steps)) for m in (text, unet)]

    def loss() -> torch.Tensor:
        chosen = next(order)
        x, e = latents[chosen].to(device), torch.randn(latents[chosen].shape, generator=noise).to(device)
        t = torch.randint(0, 1000, chosen.shape, generator=noise).to(device)
        noisy = scheduler.add_noise(x, e, t)
        predicted = unet(noisy, t, text(tokens[chosen].to(device))[0], return_dict=False)[0]
        return ((predicted - e).square().mean(dim=(1, 2, 3)) * weight[t]).mean()

    def after(step: int) -> None:
        for average, model in zip(mean, (text, unet), strict=True):
            average.update_parameters(model)
        if (step + 1) % SNAPSHOT == 0 or step + 1 == steps:
            for average, name in zip(mean, ("text_encoder", "unet"), strict=True):
                copy.deepcopy(average.module).half().save_pretrained(folder / name)

    losses = train("denoiser", [*text.parameters(), *unet.parameters()], loss, steps=steps, rate=1e-3, after=after)
    plot(losses, plots / "denoiser.png", "Denoiser")
    _show(folder, plots / "denoiser_pictures.png", captions, pictures)


def _average(steps: int):
    """Return the update of an exponential mean over about the last 500 steps, or over all steps at first."""
    decay_max = 1 - 1 / min(500, steps)

    def update(averages, parameters, count) -> None:
        decay = min(decay_max, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(averages, parameters, 1 - decay)

    return update


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(48, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=(2, 4),
        norm_num_groups=16,
    )


def _text_encoder(tokenizer) -> CLIPTextModel:
    end = tokenizer.eos_token_id
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def _show(folder: Path, path: Path, captions: list[str], pictures: torch.Tensor) -> None:
    """Write twelve training pictures, or all if fewer, above what the model draws for their captions."""
    model, shown = sld.load_model(folder), pictures[:12]
    drawn = sld.sample(model, captions[:12], methods=["baseline"], seeds=list(range(len(shown))), height=64, width=64)
    sheet([shown, torch.from_numpy(drawn.images["baseline"])], path)
