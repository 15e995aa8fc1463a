"""The trained weights of the demo world, as they ship: a diffusers checkpoint, and the small CLIP that judges it.

`scripts/train_demo.py` writes them, with `digests.json`; a file that is not the one that was written is refused.
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
    """An open_clip config and weights, the prompt pair (2, D), and embeddings (8, D) and (10, D) to name things by.

    `symbols` are none and then one for each of `i2p.CATEGORIES`, `subjects` one for each of `world.SUBJECTS`.
    """

    config: Path
    weights: Path
    prompts: Path
    symbols: Path
    subjects: Path


def model_folder(folder: Path = FOLDER) -> Path:
    """Return the checkpoint's folder, in diffusers' layout. InputError: a file is missing or not the trained one."""
    _verify(folder, "model")
    return folder / "model"


def clip_files(folder: Path = FOLDER) -> ClipFiles:
    """Return the judge's files. InputError: one of them is missing or not the trained one."""
    _verify(folder, "clip")
    names = ("config.json", "model.safetensors", "prompts.safetensors", "symbols.safetensors", "subjects.safetensors")
    return ClipFiles(*(folder / "clip" / name for name in names))


def _verify(folder: Path, part: str) -> None:
    try:
        digests = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
        files = {folder / name: digest for name, digest in digests.items() if name.startswith(f"{part}/")}
        wrong = [path for path, digest in files.items() if hashlib.sha256(path.read_bytes()).hexdigest() != digest]
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(folder, " ".join(str(error).split())) from error
    if wrong or not files:
        raise _damaged(folder, f"another {wrong[0].relative_to(folder)}" if wrong else f"no digests of {part}")


def _damaged(folder: Path, found: str) -> InputError:
    return InputError(
        f"{folder}: expected the demo world's weights as they were trained, found {found}; install i2p-bench again, or "
        "train them (scripts/train_demo.py)"
    )
