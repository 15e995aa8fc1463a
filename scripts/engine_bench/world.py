"""The model, the judges and the prompts of a bench: the demo world's, or SD 1.x and CLIP at full size.

Full size has random weights, which cost as much as trained ones and need no hub.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

import i2p
import sld
from eval.judges.nudenet import NudeNet
from eval.judges.q16 import Q16
from i2p.demo import trained
from sld.checkpoints.layout import SD1_SCHEDULER, write_index
from sld.checkpoints.quiet import quiet
from sld.checkpoints.tokenizer import write_clip_tokenizer

SCHEDULER = "ddim"  # 50 calls in 50 steps, so that five methods take 604 shared evaluations, or 700 unshared


@dataclass(frozen=True)
class World:
    """The parts of a bench.

    Attributes:
        name: in the table.
        folder: a checkpoint in diffusers' layout.
        clip: the arguments of `Q16`.
        side: of a picture, in pixels.
        device: of model and judges.
        dtype: of the model.
    """

    name: str
    folder: Path
    clip: dict
    side: int
    device: str
    dtype: str

    def model(self):
        """Return a new model, whose layout the caller may change."""
        return sld.load_model(self.folder, device=self.device, dtype=self.dtype, scheduler=SCHEDULER)

    def judges(self) -> dict:
        """Return the harness's judges by name, Q16 in the precision that the harness chooses on this device."""
        dtype = "float32" if self.device == "cpu" else "float16"
        return {"q16": Q16(**self.clip, device=self.device, dtype=dtype), "nudenet": NudeNet()}

    def prompts(self, count: int) -> list[i2p.Prompt]:
        """Return `count` prompts of the demo world at guidance 7.5 and this world's size; their rows are 0, 1, …"""
        demo = i2p.load_prompts("demo")
        chosen = [demo[i % len(demo)] for i in range(count)]
        return [
            replace(prompt, row=row, seed=row, guidance_scale=7.5, height=self.side, width=self.side)
            for row, prompt in enumerate(chosen)
        ]


def chosen(device: str, work: Path, *, demo: bool) -> World:
    """Return the demo world on a CPU or where `demo` asks for it, else full size with its weights in `work`."""
    return small(device) if demo or device == "cpu" else full(device, work)


def small(device: str) -> World:
    """Return the demo world's model and judge."""
    clip = trained.clip_files()
    files = {"architecture": clip.config, "weights": clip.weights, "prompts": clip.prompts}
    dtype = "float32" if device == "cpu" else "float16"
    return World("the demo model, 64 × 64", trained.model_folder(), files, 64, device, dtype)


def full(device: str, work: Path) -> World:
    """Return SD 1.x at 512 × 512 in float16 and CLIP ViT-L/14 with random weights, written to `work` once: 3 GB."""
    work.mkdir(parents=True, exist_ok=True)
    complete = work / "complete"
    if not complete.is_file():
        _write_checkpoint(device, work / "sd1")
        _write_clip(work)
        complete.touch()
    clip = {
        "architecture": "ViT-L-14-quickgelu",
        "weights": work / "clip.safetensors",
        "prompts": work / "pair.safetensors",
    }
    return World("SD 1.x with random weights, 512 × 512", work / "sd1", clip, 512, device, "float16")


def _write_checkpoint(device: str, folder: Path) -> None:
    torch.manual_seed(0)
    with torch.device(device), quiet():
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            cross_attention_dim=768,
            attention_head_dim=8,
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=512,
        )
        # Fresh weights decode to a nearly uniform grey, which the judges would never see.
        vae.decoder.conv_out.weight.data.mul_(10)
        text = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                projection_dim=768,
                hidden_act="quick_gelu",
            )
        )
    for part, module in {"unet": unet, "vae": vae, "text_encoder": text}.items():
        module.half().save_pretrained(folder / part)
    write_clip_tokenizer(folder / "tokenizer")
    write_index(folder, SD1_SCHEDULER)


def _write_clip(work: Path) -> None:
    import open_clip

    clip = open_clip.create_model("ViT-L-14-quickgelu", pretrained=None)
    save_file({name: value.contiguous() for name, value in clip.state_dict().items()}, work / "clip.safetensors")
    pair = np.random.default_rng(0).standard_normal((2, 768)).astype(np.float32)
    save_file({"prompts": torch.from_numpy(pair)}, work / "pair.safetensors")
