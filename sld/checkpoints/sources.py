"""The place of a checkpoint: a folder or file on this machine, or a repository on the hub."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sld.checkpoints.files import PICKLES
from sld.errors import InputError, first_line

# The files of a checkpoint of this family; hub repositories hold the same weights in several more formats.
_CONFIGURATION = ["model_index.json", "*/*.json", "tokenizer/*"]
_WEIGHTS = [
    f"{part}/{stem}{tail}"
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    )
    for tail in (".safetensors", "-*-of-*.safetensors")
]
_PICKLED = [
    f"{stem}{tail}"
    for stem in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/pytorch_model")
    for tail in (".bin", "-*-of-*.bin")
]


@dataclass(frozen=True)
class Source:
    """A checkpoint on this machine.

    Attributes:
        name: as the user named it.
        path: the folder or file.
        revision: the hub's commit; None for a checkpoint from elsewhere.
    """

    name: str
    path: Path
    revision: str | None = None


def locate(source: str | Path, allow_pickle: bool = False, local: bool = False) -> Source:
    """Find a checkpoint, and download it if necessary.

    Args:
        source: an existing folder or file, otherwise a hub id `org/name[@revision]`.
        allow_pickle: download pickles too.
        local: download nothing, and return what the hub's cache holds, which may be incomplete.

    Raises:
        InputError: there is no such checkpoint, or it cannot be downloaded.
    """
    name = str(source)
    path = Path(name).expanduser()
    if path.exists():
        return Source(name, path)
    repository = hub_id(name)
    if repository is None:
        raise InputError(
            f"source must be a checkpoint folder, a .safetensors file or a hub id org/name[@revision], found nothing "
            f"at {name!r}: correct source=PATH",
            "source=PATH",
        )
    return Source(name, *_fetch(*repository, allow_pickle, local))


def hub_id(source: str | Path) -> tuple[str, str | None] | None:
    """Return repository and revision (None for the newest) of a hub id; None for anything else."""
    match = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:@([\w./-]+))?", str(source))
    if match is None or Path(source).suffix in (".safetensors", *PICKLES) or Path(source).expanduser().exists():
        return None
    return match[1], match[2]


def _fetch(repository: str, revision: str | None, allow_pickle: bool, local: bool) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    patterns = _CONFIGURATION + _WEIGHTS + (_PICKLED if allow_pickle else [])
    fetch = partial(snapshot_download, repository, revision=revision, allow_patterns=patterns)
    try:
        try:
            path = Path(fetch(local_files_only=local))
        except OfflineModeIsEnabled:  # some versions ask the hub even for a commit that is in the cache
            path = Path(fetch(local_files_only=True))
    except Exception as error:  # the hub, its proxies and its cache fail in many ways, none of which is a bug here
        raise InputError(
            f"{repository!r} at revision {revision or 'main'!r} must be a checkpoint on the hub or in its local cache, "
            f"found neither ({type(error).__name__}: {first_line(error)}): check the id and the network, log in if it "
            "is gated, or give a local folder, source=FOLDER",
            "source=FOLDER",
        ) from error
    return path, path.name
