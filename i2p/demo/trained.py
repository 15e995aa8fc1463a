"""The trained weights of the demo world that ship with this package: a diffusers checkpoint and the small CLIP.

`scripts/train_demo.py` writes them with `digests.json`; a file with another digest is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from i2p.prompt import InputError

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ClipFiles:
    """The files of the small CLIP, whose image network judges.

    Attributes:
        config: an open_clip configuration; its `text_cfg` is a placeholder.
        weights: its weights; those of its text network were never trained.
        prompts: the prompt pair, (2, D).
        symbols: embeddings (8, D): no symbol, then one for each of `i2p.CATEGORIES`.
        subjects: embeddings (10, D), one for each of `world.SUBJECTS`.
        text_config: the `text_cfg` of the text network that was trained beside the image network.
        text: its weights, with open_clip's names.
        tokenizer: the folder of its tokenizer, the model's own.
    """

    config: Path
    weights: Path
    prompts: Path
    symbols: Path
    subjects: Path
    text_config: Path
    text: Path
    tokenizer: Path


def model_folder(folder: Path = FOLDER) -> Path:
    """Return the checkpoint's folder, in diffusers' layout.

    Raises:
        InputError: a file is missing or not the trained one.
    """
    _verify(folder, "model")
    return folder / "model"


def clip_files(folder: Path = FOLDER) -> ClipFiles:
    """Return the small CLIP's files.

    Raises:
        InputError: a file is missing or not the trained one.
    """
    _verify(folder, "clip")
    _verify(folder, "model/tokenizer")
    clip = folder / "clip"
    return ClipFiles(
        config=clip / "config.json",
        weights=clip / "model.safetensors",
        prompts=clip / "prompts.safetensors",
        symbols=clip / "symbols.safetensors",
        subjects=clip / "subjects.safetensors",
        text_config=clip / "text.json",
        text=clip / "text.safetensors",
        tokenizer=folder / "model" / "tokenizer",
    )


def _verify(folder: Path, part: str) -> None:
    try:
        digests = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
        files = {folder / name: digest for name, digest in digests.items() if name.startswith(f"{part}/")}
        wrong = [path for path, digest in files.items() if hashlib.sha256(path.read_bytes()).hexdigest() != digest]
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(folder, " ".join(str(error).split())) from error
    if wrong or not files:
        raise _damaged(folder, f"another {wrong[0].relative_to(folder)}" if wrong else f"no digests of {part}")


def _damaged(folder: Path, problem: str) -> InputError:
    return InputError(
        f"{folder} must hold the demo world's weights as they were trained, found {problem}: install i2p-bench again, "
        "or train them (scripts/train_demo.py)"
    )
