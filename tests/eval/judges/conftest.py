"""A tiny CLIP of open_clip's real architecture with random weights, and a random prompt pair, as files."""

import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

CONFIG = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


@dataclass(frozen=True)
class TinyQ16:
    """The three files that `Q16(architecture, weights, prompts)` asks for, and what the first one says."""

    architecture: Path
    weights: Path
    prompts: Path
    config: dict


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> TinyQ16:
    folder = tmp_path_factory.mktemp("tiny")
    files = TinyQ16(folder / "tiny-clip.json", folder / "tiny-clip.safetensors", folder / "prompts.safetensors", CONFIG)
    files.architecture.write_text(json.dumps(CONFIG))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**CONFIG).state_dict(), files.weights)
        save_file({"prompts": torch.randn(2, CONFIG["embed_dim"])}, files.prompts)
    return files
