"""A tiny CLIP of open_clip's real architecture with random weights, and a random prompt pair, as files."""

import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
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

    @property
    def words(self) -> list[str]:
        """The command line that chooses them."""
        files = {"architecture": self.architecture, "weights": self.weights, "prompts": self.prompts}
        return ["q16=vit_l_14", *(f"q16.{key}={path}" for key, path in files.items())]


def make(folder: Path, **text) -> TinyQ16:
    """Write the files; `text` replaces fields of the text network's configuration."""
    config = CONFIG | {"text_cfg": CONFIG["text_cfg"] | text}
    files = TinyQ16(folder / "tiny-clip.json", folder / "tiny-clip.safetensors", folder / "prompts.safetensors", config)
    files.architecture.write_text(json.dumps(config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**config).state_dict(), files.weights)
        save_file({"prompts": torch.randn(2, config["embed_dim"])}, files.prompts)
    return files
