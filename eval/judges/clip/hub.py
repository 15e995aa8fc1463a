"""CLIP files by path, on the hub and in its cache, without importing a CLIP library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.base.errors import InputError

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
# OpenAI's ViT-L/14: the digest in its public address, and its folder in the hub's cache.
OPENAI_SHA256 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"
OPENAI_FOLDER = "vit_large_patch14_clip_224.openai"
# The same weights as safetensors, from the repository that open_clip names: commit, and sha256 of the file.
OPENAI_REPOSITORY = f"timm/{OPENAI_FOLDER}"
OPENAI_REVISION = "18d0535469bb561bf468d76c1d73aa35156c922b"
OPENAI_SAFETENSORS_SHA256 = "9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e"
OPENAI_FILE = "open_clip_model.safetensors"
OPENAI_BYTES = 1_710_000_000  # approximate


def revision_of(repository: str) -> str | None:
    """Return the commit of a repository to download, None for its newest."""
    return OPENAI_REVISION if repository == OPENAI_REPOSITORY else None


def cached(repository: str, names: Sequence[str]) -> Path | None:
    """Return the first of several files in the hub's cache, None where it has none of them.

    Args:
        repository: on the hub.
        names: of the files, at the pinned commit, or else at the newest in the cache.
    """
    from huggingface_hub import try_to_load_from_cache

    versions = dict.fromkeys((revision_of(repository), None))
    for candidate, version in [(name, version) for version in versions for name in names]:
        path = try_to_load_from_cache(repository, candidate, revision=version)
        if isinstance(path, str):
            return Path(path)
    return None


def find_config(architecture: str | Path) -> Path | None:
    """Return the path of an architecture that is a config JSON, None for a name.

    Raises:
        InputError: no such file.
    """
    path = Path(architecture)
    if path.suffix != ".json":
        return None
    if not path.is_file():
        raise InputError(
            f"architecture must be an open_clip config, found no file at {path}: correct architecture=FILE",
            "architecture=FILE",
        )
    return path


def find_file(weights: str | Path, allow_pickle: bool) -> Path | None:
    """Return the path of weights that are a file, None for a tag.

    Raises:
        InputError: no such file, or a pickle that is not allowed.
    """
    path = Path(weights)
    if path.is_file():
        check_kind(path, allow_pickle)
        return path
    if path.suffix in (".safetensors", *PICKLES) or path.parent != Path():
        raise InputError(
            f"weights must be a file of CLIP weights, found no file at {path}: correct weights=FILE, or give an "
            "open_clip tag",
            "weights=FILE",
        )
    return None


def check_kind(file: Path, allow_pickle: bool) -> None:
    """Refuse a pickle that is not allowed."""
    if file.suffix != ".safetensors" and not allow_pickle:
        raise InputError(
            f"CLIP weights must be .safetensors, found {file}: a pickle can run code, so convert it, or set "
            "allow_pickle=True if you trust it",
            "allow_pickle=True",
        )
