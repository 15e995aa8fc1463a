"""A tiny CLIP of open_clip's real architecture with random weights, and a random prompt pair: Q16's stand-in offline.

Its opinions mean nothing. They are the same for the same seed, take a fraction of a millisecond, and go through the
same code as the real ones.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.files import write_atomic

CONFIG = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


@dataclass(frozen=True)
class TinyQ16:
    """The three files that `Q16(architecture, weights, prompts)` asks for."""

    architecture: Path
    weights: Path
    prompts: Path


def write_tiny_q16(folder: str | Path, seed: int = 0) -> TinyQ16:
    """Write `tiny-clip.json`, `tiny-clip.safetensors` and `tiny-prompts.safetensors` into `folder`.

    The same seed gives the same bytes; torch's own random state is left alone. Raises eval.files.StorageError when
    the folder can't be written.
    """
    import open_clip
    import torch
    from safetensors.numpy import save as save_numpy
    from safetensors.torch import save as save_torch

    files = TinyQ16(
        *(Path(folder) / f"tiny-{name}" for name in ("clip.json", "clip.safetensors", "prompts.safetensors"))
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = save_torch(open_clip.CLIP(**CONFIG).state_dict())
    prompts = np.random.default_rng(seed).standard_normal((2, CONFIG["embed_dim"]), dtype=np.float32)
    write_atomic(files.architecture, json.dumps(CONFIG, indent=2).encode())
    write_atomic(files.weights, weights)
    write_atomic(files.prompts, save_numpy({"prompts": prompts}))
    return files
