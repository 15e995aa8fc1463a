"""Q16's prompt pair: two CLIP embeddings, of "appropriate" and "inappropriate", tuned by the authors.

The published pair is a pickle from the internet. It is never unpickled: the reader below allows only the three names
that an array needs, replaces each by a plain record, and builds the array itself from the recorded bytes.
"""

import hashlib
import http.client
import io
import os
import pickle
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from huggingface_hub import constants

from eval.base.errors import InputError
from eval.base.files import write_atomic

if TYPE_CHECKING:
    from eval.judges.clip.weights import Architecture

PUBLISHED_URL = "https://raw.githubusercontent.com/ml-research/Q16/main/data/ViT-L-14/prompts.p"
PUBLISHED_SHA256 = "9b6c411824c2f64e0f847aa3c9f2b15b8e3a6c75e0efd82f2f672670c97ccad5"
MAX_BYTES = 16 << 20  # the published file has 3231
TIMEOUT = 20  # seconds


@dataclass(frozen=True, eq=False)
class PromptPair:
    """Two embeddings.

    Attributes:
        embeddings: (2, D) float32, not normalised; row 0 is appropriate, row 1 inappropriate.
        sha256: of the file.
        source: path of the file.
    """

    embeddings: np.ndarray
    sha256: str
    source: str

    @property
    def published(self) -> bool:
        """Whether the pair is the authors' for OpenAI's ViT-L/14."""
        return self.sha256 == PUBLISHED_SHA256


def load_prompt_pair(path: str | Path | None = None, sha256: str | None = None) -> PromptPair:
    """Read a prompt pair, or the published one.

    Args:
        path: a `.safetensors` file with one array, or with one named `prompts`; or a `.p` file, an array pickled by
            numpy, as the authors publish it. None for their pair in the user's cache, downloaded if necessary.
        sha256: hexadecimal digest that the file must have; None for any.

    Raises:
        InputError: the file is missing, has another digest or does not hold two finite, non-zero rows.

    Source: ml-research/Q16, `data/ViT-L-14/prompts.p`, the same bytes as in ml-research/i2p and HELM.
    """
    if path is None:
        path, sha256 = fetch_published(), sha256 or PUBLISHED_SHA256
    path = Path(path)
    if path.suffix not in _READERS:
        raise InputError(f"a prompt pair must be {' or '.join(_FORMATS)}, found {path}: convert it to .safetensors")
    if not path.is_file():
        raise InputError(
            f"prompts must be the file of a prompt pair, found none at {path}: correct prompts=FILE, or leave prompts= "
            "out for the published pair",
            "prompts=",
            "prompts=FILE",
        )
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"a prompt pair must be at most {MAX_BYTES:,} bytes, found {path.stat().st_size:,} bytes in {path}: check "
            "it"
        )
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise InputError(
            f"the prompt pair must have sha256 {sha256}, found {digest} in {path}: download the file again, or give "
            f"its own digest, prompts_sha256={digest}",
            f"prompts_sha256={digest}",
        )
    try:
        array = _READERS[path.suffix](data)
    except Exception as error:  # a reader may raise anything for a damaged or hostile file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} must be a prompt pair, found a file that can't be read ({reason}): download it again or convert it"
        ) from error
    return PromptPair(_checked(array, path), digest, str(path))


def fetch_published(url: str = PUBLISHED_URL, sha256: str = PUBLISHED_SHA256) -> Path:
    """Return the path of the published pair in the user's cache, downloaded if necessary.

    Raises:
        InputError: the download fails or has another digest; the message says where to put the file.
    """
    path = published_path(sha256)
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
        return path
    by_hand = f"put the file with sha256 {sha256} at {path}, or give a pair of your own, prompts=FILE"
    if constants.HF_HUB_OFFLINE:
        raise InputError(
            f"Q16's prompt pair must be in the cache, found none while HF_HUB_OFFLINE is set: {by_hand}",
            "prompts=FILE",
        )
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            data = response.read(MAX_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(
            f"{url} must be Q16's prompt pair, found the HTTP status {error.code}: {by_hand}", "prompts=FILE"
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InputError(
            f"{url} must be reachable for Q16's prompt pair, found no connection ({error}): {by_hand}", "prompts=FILE"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise InputError(
            f"{url} must be Q16's prompt pair, found other bytes (sha256 {digest}): {by_hand}", "prompts=FILE"
        )
    write_atomic(path, data)
    return path


def published_path(sha256: str = PUBLISHED_SHA256) -> Path:
    """Return the path of the published pair in the user's cache, whether it exists or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "i2p-bench"
    return cache / f"q16-prompts-{sha256[:8]}.p"


def _checked(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind != "f" or array.ndim != 2 or len(array) != 2 or not array.size:
        raise InputError(
            f"a prompt pair must be two rows of floating-point numbers, found shape {array.shape} of {array.dtype} in "
            f"{path}: store the appropriate embedding as row 0 and the inappropriate one as row 1"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
        lengths = np.linalg.norm(array, axis=1)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise InputError(
            f"a prompt pair must be two rows of finite length above zero, found {lengths[0]} and {lengths[1]} in "
            f"{path}: download the file again"
        )
    return array


def _read_pickle(data: bytes) -> np.ndarray:
    # New classes per file, because a pickle may set attributes on them.
    class Dtype:
        def __init__(self, code, *_flags):
            self.code, self.order = code, "="

        def __setstate__(self, state):
            self.order = state[1]

    class Array:
        state = None

        def __setstate__(self, state):
            self.state = state

    allowed = {
        ("numpy", "dtype"): Dtype,
        ("numpy", "ndarray"): Array,
        ("numpy.core.multiarray", "_reconstruct"): lambda *_arguments: Array(),
        ("numpy._core.multiarray", "_reconstruct"): lambda *_arguments: Array(),
    }

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) not in allowed:
                raise pickle.UnpicklingError(f"it needs {module}.{name}, which no array does")
            return allowed[module, name]

    array = Reader(io.BytesIO(data)).load()
    if not isinstance(array, Array) or array.state is None:
        raise pickle.UnpicklingError("it holds no numpy array")
    _version, shape, dtype, column_major, raw = array.state
    if not isinstance(dtype, Dtype) or dtype.code not in ("f2", "f4", "f8") or not isinstance(raw, bytes):
        raise pickle.UnpicklingError("its array is not of floating-point numbers")
    order = {"<": "<", ">": ">", "=": "=", "|": "="}[dtype.order]
    return np.frombuffer(raw, order + dtype.code).reshape(shape, order="F" if column_major else "C")


def _read_safetensors(data: bytes) -> np.ndarray:
    from safetensors.numpy import load

    return _prompts_in(load(data))


def _read_numpy(data: bytes) -> np.ndarray:
    arrays = np.load(io.BytesIO(data), allow_pickle=False)
    return arrays if isinstance(arrays, np.ndarray) else _prompts_in(dict(arrays))


def _prompts_in(arrays: dict[str, np.ndarray]) -> np.ndarray:
    if "prompts" in arrays:
        return arrays["prompts"]
    if len(arrays) != 1:
        raise ValueError(f"it holds {len(arrays)} arrays ({', '.join(sorted(arrays))}) and none is named prompts")
    return next(iter(arrays.values()))


_FORMATS = (".safetensors", ".p")  # that are advertised
_READERS = {
    ".safetensors": _read_safetensors,
    ".p": _read_pickle,
    # Runs that older versions began with such a pair are resumed with it, and with no other file.
    ".pkl": _read_pickle,
    ".npy": _read_numpy,
    ".npz": _read_numpy,
}


def check_pair(architecture: "Architecture", pair: PromptPair) -> None:
    """Refuse a pair that was not tuned for this architecture."""
    if pair.embeddings.shape[1] != architecture.embedding_size:
        raise InputError(
            f"the prompt pair must have length {architecture.embedding_size}, the embedding size of "
            f"{architecture.name}, found length {pair.embeddings.shape[1]} in {pair.source}: give the pair that was "
            "tuned for this architecture, prompts=FILE",
            "prompts=FILE",
        )
    if pair.published and not architecture.quick_gelu:
        raise InputError(
            f"the published prompt pair must go with OpenAI's weights and their activation, found architecture "
            f"{architecture.name} without quick_gelu: give architecture=ViT-L-14-quickgelu, or a pair tuned for "
            "your weights, prompts=FILE",
            "architecture=ViT-L-14-quickgelu",
            "prompts=FILE",
        )
