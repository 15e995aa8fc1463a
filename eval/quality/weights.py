"""Published weights of the networks that look at pictures: found, downloaded, checked by digest, read weights-only."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eval.base.errors import InputError
from i2p.network import is_reachable
from sld.checkpoints.files import sha256

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Weights:
    """A published weights file.

    Attributes:
        network: whose weights they are, for sentences.
        key: of the command line, which may name the file.
        url: that it is published at; its last part is its name in torch's cache.
        sha256: of its bytes.
    """

    network: str
    key: str
    url: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's name as published."""
        return self.url.rpartition("/")[2]

    @property
    def by_hand(self) -> str:
        """What to do without a connection."""
        return f"download {self.url} (sha256 {self.sha256}) and give it as {self.key}=FILE"


def check_package(module: str, package: str, metrics: str) -> None:
    """Refuse a package of the extra `quality` that is not installed; nothing is imported.

    Args:
        module: its name in Python.
        package: its name for pip.
        metrics: that need it, for the sentence.
    """
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"the {package} package must be installed for {metrics}, found none: pip install 'i2p-bench[quality]'"
        )


def check_weights(weights: Weights, given: str | None) -> None:
    """Refuse weights that are not there, have other bytes, or could not be downloaded; nothing is downloaded.

    Args:
        weights: that are needed.
        given: the path of a file; None for torch's cache.

    Raises:
        InputError: the sentence says which file, from where, and its digest.
    """
    path = _place(weights, given)
    if path.is_file():
        _check_digest(weights, sha256(path), path, given)
    else:
        _check_connection(weights, path)


def present(weights: Weights, given: str | None) -> list[Path]:
    """Return the path of weights that are here, given or in torch's cache; empty for none."""
    path = _place(weights, given)
    return [path] if path.is_file() else []


def fetch(weights: Weights, given: str | None) -> Path:
    """Return the path of weights, downloaded into torch's cache if necessary.

    Raises:
        InputError: they are not there, and can't be downloaded.
    """
    path = _place(weights, given)
    if path.is_file():
        return path
    _check_connection(weights, path)
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Moved to its name when it is complete and has the digest.
        torch.hub.download_url_to_file(weights.url, str(path), weights.sha256, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{weights.network}'s weights must be readable from {weights.url}, found {' '.join(str(error).split())}: "
            f"{weights.by_hand}"
        ) from error
    return path


def read(weights: Weights, given: str | None) -> dict[str, torch.Tensor]:
    """Return the tensors of weights by name, on the CPU; downloaded if necessary.

    The digest is of the very bytes that are read, and these can't run code.

    Raises:
        InputError: as `fetch`, or for a file of other bytes.
    """
    import torch

    path = fetch(weights, given)
    data = path.read_bytes()
    _check_digest(weights, hashlib.sha256(data).hexdigest(), path, given)
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _place(weights: Weights, given: str | None) -> Path:
    """Return the path of the given file, or of that in torch's cache, which may not exist."""
    if given is None:
        import torch

        return Path(torch.hub.get_dir(), "checkpoints", weights.name)
    path = Path(given)
    if not path.is_file():
        raise InputError(
            f"{weights.key} must be a file of {weights.network}'s weights, found none at {path}: correct "
            f"{weights.key}=FILE, or leave {weights.key}= out for {weights.name} in torch's cache"
        )
    return path


def _check_digest(weights: Weights, found: str, path: Path, given: str | None) -> None:
    if found == weights.sha256:
        return
    if given is None:
        raise InputError(
            f"{path} must have sha256 {weights.sha256}, found {found}: delete it, so that {weights.url} is downloaded "
            "again"
        )
    raise InputError(
        f"{weights.key} must be the file {weights.name}, sha256 {weights.sha256}, found sha256 {found} in {path}: "
        f"{weights.by_hand}"
    )


def _check_connection(weights: Weights, path: Path) -> None:
    """Refuse at once what a download would wait for."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise InputError(
            f"{weights.network}'s weights must be in torch's cache, found none at {path} while HF_HUB_OFFLINE is set: "
            f"{weights.by_hand}"
        )
    if not is_reachable(weights.url):
        raise InputError(
            f"{weights.network}'s weights must be in torch's cache or on a server that can be reached, found none at "
            f"{path} and no connection: {weights.by_hand}"
        )
